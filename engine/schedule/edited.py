"""What a workspace would change, worked out for everybody inside: versions, rules, emails, and the fate of each crowd.

Before: `engine.compiler` has a plan. After: `difference` tells it, `apply_plan` carries out the very same.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from engine.compiler.plan import CadencePlan, Policy, WorkspacePlan, hash_of, structure_hash_of
from engine.database import Tx
from engine.schedule.changes import AlreadyIn, CadenceChange, Changes, EmailHow, How, mails_changed, steps_moved
from engine.schedule.counterparts import counterparts
from engine.schedule.crowds import Crowd, crowds
from engine.schedule.entries import watched_now
from engine.schedule.memberships import newly_watched, watched_under
from engine.schedule.segments import who_matches
from engine.schema import cadence_versions, cadences, emails, enrolments, rules
from engine.versions import KINDS, cadence_plan
from engine.vocabulary import LIVE_ENROLMENT

Row = sa.Row[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """A cadence of the workspace with what becomes of the people inside. `moving`: the versions whose people go on with it;
    `now`: the version that is this very plan, where people are on it; `crowds`: those for whom steps or times change; `same`: the
    counterparts of the steps of each version that they leave.
    """

    plan: CadencePlan
    change: CadenceChange
    moving: tuple[int, ...]
    now: int | None
    crowds: tuple[Crowd, ...]
    same: Mapping[int, Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """All that is to be done, and the same told."""

    edited: tuple[Edited, ...]
    changes: Changes


def work_out(tx: Tx, plan: WorkspacePlan, *, whole: bool = False) -> Work:
    """What applying would do now. Writes nothing; on PostgreSQL, who carries it out holds the people first.

    `whole`: with forecasts to the end, not only as far as the edit makes a difference.
    """
    known = current(tx)
    edited = tuple(edited_cadence(tx, cadence, known.get(cadence.name), plan.policy, whole=whole) for cadence in plan.cadences)
    gone = sorted(name for name, row in known.items() if row.hash and name not in {each.plan.name for each in edited})
    removed = tuple(CadenceChange(cadence=name, how="removed", stays=live_count(tx, name)) for name in gone)
    present = tuple(each.change for each in edited)
    changes = Changes(
        cadences=present + removed,
        rules=changed_rules(tx, plan),
        emails=changed_emails(tx, plan),
        already_in=already_in(tx, plan),
    )
    return Work(edited=edited, changes=changes)


def already_in(tx: Tx, plan: WorkspacePlan) -> tuple[AlreadyIn, ...]:
    """Who matches the segments that cadences will newly let in by."""
    before, after = watched_now(tx), watched_under(plan.policy, plan.cadences)
    counted = {name: len(who_matches(tx, plan.policy, name)) for name in newly_watched(before, after)}
    return tuple(
        AlreadyIn(cadence=cadence, segment=name, people=people)
        for name, people in counted.items()
        for cadence in sorted(after[name].cadences)
        if people
    )


def current(tx: Tx) -> dict[str, Row]:
    """Every cadence ever applied with the hashes of its current version; None where it was removed."""
    chosen = sa.select(cadences.c.name, cadence_versions.c.hash, cadence_versions.c.structure_hash).outerjoin(
        cadence_versions, cadence_versions.c.id == cadences.c.version_id
    )
    return {row.name: row for row in tx.run(chosen)}


def edited_cadence(tx: Tx, cadence: CadencePlan, known: Row | None, policy: Policy, *, whole: bool) -> Edited:
    versions = versions_inside(tx, cadence.name)
    alike = [row for row in versions if row.hash != hash_of(cadence) and row.structure_hash == structure_hash_of(cadence)]
    migrated = [row for row in versions if is_migrated(cadence, row)]
    found = crowds(tx, cadence, [row.id for row in migrated], policy, whole=whole)
    words = sum(row.people for row in alike)
    moves = words + sum(row.people for row in migrated)
    unmoved = sum(row.people for row in versions if row.hash != hash_of(cadence)) - moves
    same = {row.id: counterparts(cadence_plan(tx, row.id), cadence) for row in migrated}
    change = CadenceChange(
        cadence=cadence.name,
        how=how_changed(cadence, known),
        moves=moves,
        words=words,
        stays=unmoved,
        steps=steps_moved(found),
        mails=mails_changed(found, cadence, same),
    )
    return Edited(
        plan=cadence,
        change=change,
        moving=tuple(row.id for row in (*alike, *migrated)),
        now=next((row.id for row in versions if row.hash == hash_of(cadence)), None),
        crowds=tuple(found),
        same=same,
    )


def versions_inside(tx: Tx, cadence: str) -> list[Row]:
    """(id, hash, structure_hash, people) of each version that people are on."""
    counted = (
        sa.select(
            cadence_versions.c.id, cadence_versions.c.hash, cadence_versions.c.structure_hash, sa.func.count().label("people")
        )
        .join_from(enrolments, cadence_versions, cadence_versions.c.id == enrolments.c.version_id)
        .where(enrolments.c.cadence == cadence, enrolments.c.state.in_(LIVE_ENROLMENT))
        .group_by(cadence_versions.c.id, cadence_versions.c.hash, cadence_versions.c.structure_hash)
        .order_by(cadence_versions.c.id)
    )
    return list(tx.run(counted).all())


def is_migrated(cadence: CadencePlan, version: Row) -> bool:
    """Whether the people on this version are to go on with other steps or times."""
    return cadence.on_change == "migrate" and version.structure_hash != structure_hash_of(cadence)


def how_changed(cadence: CadencePlan, known: Row | None) -> How:
    if known is None:
        return "new"
    if known.hash is None:
        return "returned"
    if known.hash == hash_of(cadence):
        return "unchanged"
    return "copy" if known.structure_hash == structure_hash_of(cadence) else "structure"


def live_count(tx: Tx, cadence: str) -> int:
    counted = sa.select(sa.func.count()).where(enrolments.c.cadence == cadence, enrolments.c.state.in_(LIVE_ENROLMENT))
    return int(tx.run(counted).scalar_one())


def changed_rules(tx: Tx, plan: WorkspacePlan) -> tuple[str, ...]:
    newest = sa.select(sa.func.max(rules.c.id)).group_by(rules.c.kind)
    hashes = {row.kind: row.hash for row in tx.run(sa.select(rules.c.kind, rules.c.hash).where(rules.c.id.in_(newest)))}
    return tuple(kind for kind in KINDS if hashes.get(kind) != hash_of(getattr(plan, kind)))


def changed_emails(tx: Tx, plan: WorkspacePlan) -> tuple[tuple[str, EmailHow], ...]:
    now = {row.name: row.artifact_hash for row in tx.run(sa.select(emails))}
    names = sorted(now.keys() | plan.emails.keys())
    changed = [name for name in names if now.get(name) != plan.emails.get(name)]
    return tuple((name, email_how(name, now, plan.emails)) for name in changed)


def email_how(name: str, before: Collection[str], after: Collection[str]) -> EmailHow:
    if name not in before:
        return "new"
    return "changed" if name in after else "gone"
