"""What a workspace would change, worked out for everybody inside: versions, rules, emails, and the fate of each crowd.

Before: `engine.compiler` has a plan. After: `handraiser plan` tells it, `engine.schedule.apply` carries out the very same.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from engine.compiler.plan import CadencePlan, WorkspacePlan, hash_of, structure_hash_of
from engine.database import Tx
from engine.render.artifact import Artifact
from engine.schedule.changes import (
    AlreadyIn,
    CadenceChange,
    Changes,
    EmailHow,
    How,
    KeptCopy,
    WhyKept,
    mails_changed,
    steps_moved,
)
from engine.schedule.correct import Copies, Correction, copies_of, correct
from engine.schedule.counterparts import counterparts
from engine.schedule.crowds import Crowd, crowds
from engine.schedule.entries import watched_now
from engine.schedule.memberships import newly_watched, watched_under
from engine.schedule.positions import marks
from engine.schedule.segments import who_matches
from engine.schema import cadence_versions, cadences, emails, enrolments, plans, rules
from engine.versions import KINDS, cadence_plan, copy_in
from engine.vocabulary import LIVE_ENROLMENT

Row = sa.Row[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """A cadence of the workspace with what becomes of the people inside. `moving`: the versions whose people go on with it;
    `pinned`: those whose people stay; `crowds`: people for whom steps or times change; `marks`: of where each of them stands;
    `same`: the counterparts of the steps of each version that they leave.
    """

    plan: CadencePlan
    change: CadenceChange
    moving: tuple[int, ...]
    pinned: tuple[int, ...]
    corrections: tuple[Correction, ...]
    crowds: tuple[Crowd, ...]
    marks: Mapping[int, int]
    same: Mapping[int, Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """All that is to be done, and the same told. `corrections`: of the versions that people stay on; `applied`: what was in force
    when it was worked out.
    """

    edited: tuple[Edited, ...]
    corrections: tuple[Correction, ...]
    changes: Changes
    applied: int | None


def work_out(
    tx: Tx, plan: WorkspacePlan, made: Mapping[str, Artifact], *, since: Work | None = None, whole: bool = False
) -> Work:
    """What applying would do now. Writes nothing; on PostgreSQL, who carries it out holds the people first.

    `made`: the artifacts that the plan names. `since`: what was worked out for the same plan a moment ago, for the fates of those
    who stand where they stood. `whole`: with forecasts to the end, not only as far as the edit makes a difference.
    """
    known, emails_changed, applied = current(tx), changed_emails(tx, plan), last_applied(tx)
    copies = copies_of(plan, made, [name for name, how in emails_changed if how == "changed"])
    before = {each.plan.name: each for each in since.edited} if since is not None and since.applied == applied else {}
    edited = tuple(
        edited_cadence(tx, cadence, known.get(cadence.name), copies, before.get(cadence.name), whole=whole)
        for cadence in plan.cadences
    )
    gone = sorted(known.keys() - {cadence.name for cadence in plan.cadences})
    removed = [removed_cadence(tx, name, known[name], copies) for name in gone]
    changes = Changes(
        cadences=(*(each.change for each in edited), *(change for change, _of_it in removed if not change.is_nothing)),
        rules=changed_rules(tx, plan),
        emails=emails_changed,
        already_in=already_in(tx, plan),
    )
    found = [*(each.corrections for each in edited), *(of_it for _change, of_it in removed)]
    corrections = tuple(each for of_it in found for each in of_it if each.is_any)
    return Work(edited=edited, corrections=corrections, changes=changes, applied=applied)


def last_applied(tx: Tx) -> int | None:
    """Which application of a workspace was the last; None: there was none."""
    last: int | None = tx.run(sa.select(sa.func.max(plans.c.id))).scalar()
    return last


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


def edited_cadence(
    tx: Tx, cadence: CadencePlan, known: Row | None, copies: Copies, before: Edited | None, *, whole: bool
) -> Edited:
    versions = [row for row in versions_inside(tx, cadence.name) if row.hash != hash_of(cadence)]
    alike = [row for row in versions if row.structure_hash == structure_hash_of(cadence)]
    migrated = [row for row in versions if is_migrated(cadence, row)]
    pinned = [row for row in versions if row not in alike and row not in migrated]
    leaving = [row.id for row in migrated]
    marked = marks(tx, cadence.name, leaving)  # before anything else is read, so that whoever moves meanwhile is looked at again
    moved = None if before is None else moved_since(before, marked)
    still = [] if before is None or moved is None else without(before.crowds, moved)
    found = [*still, *crowds(tx, cadence, leaving, copies.plan.policy, only=moved, whole=whole)]
    same = {row.id: counterparts(cadence_plan(tx, row.id), cadence) for row in migrated}
    corrections = tuple(correct(tx, row.id, row.people, cadence, copies) for row in pinned)
    change = CadenceChange(
        cadence=cadence.name,
        how=how_changed(cadence, known),
        moves=people_on(alike) + people_on(migrated),
        words=people_on(alike),
        stays=people_on(pinned),
        corrected=people_corrected(corrections),
        kept=copies_kept(corrections),
        steps=steps_moved(found),
        mails=mails_changed(found, cadence, same),
    )
    return Edited(
        plan=cadence,
        change=change,
        moving=tuple(row.id for row in (*alike, *migrated)),
        pinned=tuple(row.id for row in pinned),
        corrections=corrections,
        crowds=tuple(found),
        marks=marked,
        same=same,
    )


def moved_since(before: Edited, marked: Mapping[int, int]) -> frozenset[int]:
    """Passages that stand elsewhere now, came in or left."""
    return frozenset(each for each in before.marks.keys() | marked.keys() if before.marks.get(each) != marked.get(each))


def without(crowds: Sequence[Crowd], moved: frozenset[int]) -> list[Crowd]:
    left = (replace(crowd, people=[person for person in crowd.people if person[0] not in moved]) for crowd in crowds)
    return [crowd for crowd in left if crowd.people]


def removed_cadence(tx: Tx, name: str, known: Row, copies: Copies) -> tuple[CadenceChange, tuple[Correction, ...]]:
    """Its file is gone, now or since an earlier time; those inside go on to the end on the versions that they are on."""
    versions = versions_inside(tx, name)
    corrections = tuple(correct(tx, row.id, row.people, None, copies) for row in versions)
    change = CadenceChange(
        cadence=name,
        how="removed" if known.hash else "unchanged",
        stays=people_on(versions),
        corrected=people_corrected(corrections),
        kept=copies_kept(corrections),
    )
    return change, corrections


def people_on(versions: Sequence[Row]) -> int:
    return sum(row.people for row in versions)


def people_corrected(corrections: Sequence[Correction]) -> int:
    return sum(each.people for each in corrections if each.is_any)


def copies_kept(corrections: Sequence[Correction]) -> tuple[KeptCopy, ...]:
    counted = Counter[tuple[str, WhyKept]]()
    for each in corrections:
        counted.update({kept: each.people for kept in each.kept})
    return tuple(KeptCopy(email=email, why=why, people=people) for (email, why), people in sorted(counted.items()))


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


def changed_rules(tx: Tx, plan: WorkspacePlan) -> tuple[str, ...]:
    newest = sa.select(sa.func.max(rules.c.id)).group_by(rules.c.kind)
    hashes = {row.kind: row.hash for row in tx.run(sa.select(rules.c.kind, rules.c.hash).where(rules.c.id.in_(newest)))}
    return tuple(kind for kind in KINDS if hashes.get(kind) != hash_of(getattr(plan, kind)))


def changed_emails(tx: Tx, plan: WorkspacePlan) -> tuple[tuple[str, EmailHow], ...]:
    now = {row.name: copy_in(row.copy) for row in tx.run(sa.select(emails))}
    names = sorted(now.keys() | plan.emails.keys())
    changed = [name for name in names if now.get(name) != plan.emails.get(name)]
    return tuple((name, email_how(name, now, plan.emails)) for name in changed)


def email_how(name: str, before: Collection[str], after: Collection[str]) -> EmailHow:
    if name not in before:
        return "new"
    return "changed" if name in after else "gone"
