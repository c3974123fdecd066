"""Applying a workspace: its plan becomes rows, and the people inside a changed cadence stay or move.

Before: `engine.compiler.workspace` has made a plan and its artifacts. After: enrolments begin on the new versions and the live
rules hold for everyone. Versions and artifacts are immutable and named by content, so applying twice changes nothing.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

import sqlalchemy as sa

from engine.compiler.plan import CadencePlan, WorkspacePlan, hash_of, structure_hash_of, to_json
from engine.database import Tx
from engine.render.artifact import Artifact, link_table_id
from engine.schedule.changes import CadenceChange, Changes, EmailHow, How
from engine.schedule.move import move_passages
from engine.schema import artifacts, cadence_versions, cadences, emails, enrolments, plans, rules, touches
from engine.sql import insert
from engine.versions import KINDS, LIVE
from engine.vocabulary import LIVE_ENROLMENT, OPEN_TOUCH


def difference(tx: Tx, plan: WorkspacePlan) -> Changes:
    """What `apply_plan` would do now. Writes nothing."""
    known = current(tx)
    present = tuple(cadence_change(tx, cadence, known) for cadence in plan.cadences)
    gone = sorted(name for name, row in known.items() if row.hash and name not in {c.name for c in plan.cadences})
    removed = tuple(CadenceChange(cadence=name, how="removed", stays=live_count(tx, name)) for name in gone)
    return Changes(cadences=present + removed, rules=changed_rules(tx, plan), emails=changed_emails(tx, plan))


def apply_plan(tx: Tx, plan: WorkspacePlan, made: Mapping[str, Artifact]) -> Changes:
    """Put the workspace into force and say what changed. The caller commits; safe to run twice."""
    changes = difference(tx, plan)
    if changes.is_nothing:
        return changes
    write_artifacts(tx, made)
    write_rules(tx, plan, changes.rules)
    write_emails(tx, plan)
    for cadence, change in zip(plan.cadences, changes.cadences, strict=False):
        if change.how != "unchanged":
            put_in_force(tx, cadence)
    close_removed(tx, [change.cadence for change in changes.cadences if change.how == "removed"])
    tx.run(sa.insert(plans).values(hash=hash_of(plan), body=to_json(plan), applied_at=tx.now))
    return changes


def current(tx: Tx) -> dict[str, sa.Row[Any]]:
    """Every cadence ever applied with the hashes of its current version; None where it was removed."""
    chosen = sa.select(cadences.c.name, cadence_versions.c.hash, cadence_versions.c.structure_hash).outerjoin(
        cadence_versions, cadence_versions.c.id == cadences.c.version_id
    )
    return {row.name: row for row in tx.run(chosen)}


def cadence_change(tx: Tx, cadence: CadencePlan, known: Mapping[str, sa.Row[Any]]) -> CadenceChange:
    how = how_changed(cadence, known.get(cadence.name))
    live = live_count(tx, cadence.name)
    if how in ("new", "unchanged"):
        return CadenceChange(cadence=cadence.name, how=how, stays=live if how == "new" else 0)
    at_steps = open_steps(tx, cadence)
    moves = sum(count for _step, count, same in at_steps if same)
    stranded = Counter[str]()
    if cadence.on_change == "migrate":
        steps = {step.id for step in cadence.steps}
        moves += sum(count for step_id, count, same in at_steps if not same and step_id in steps)
        for step_id, count, same in at_steps:
            stranded.update({} if same or step_id in steps else {step_id: count})
    return CadenceChange(cadence=cadence.name, how=how, moves=moves, stays=live - moves, stranded=tuple(sorted(stranded.items())))


def how_changed(cadence: CadencePlan, known: sa.Row[Any] | None) -> How:
    if known is None:
        return "new"
    if known.hash is None:
        return "returned"
    if known.hash == hash_of(cadence):
        return "unchanged"
    return "copy" if known.structure_hash == structure_hash_of(cadence) else "structure"


def open_steps(tx: Tx, cadence: CadencePlan) -> list[tuple[str, int, bool]]:
    """(step, how many live passages stand at it, whether their version has the same structure as `cadence`)."""
    structure = structure_hash_of(cadence)
    counted = (
        sa.select(touches.c.step_id, cadence_versions.c.structure_hash, sa.func.count().label("people"))
        .select_from(enrolments)
        .join(touches, sa.and_(touches.c.enrolment_id == enrolments.c.id, touches.c.state.in_(OPEN_TOUCH)))
        .join(cadence_versions, cadence_versions.c.id == enrolments.c.version_id)
        .where(enrolments.c.cadence == cadence.name, enrolments.c.state.in_(LIVE_ENROLMENT))
        .group_by(touches.c.step_id, cadence_versions.c.structure_hash)
    )
    return [(row.step_id, int(row.people), row.structure_hash == structure) for row in tx.run(counted)]


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


def write_artifacts(tx: Tx, made: Mapping[str, Artifact]) -> None:
    rows = [
        {
            "hash": digest, "link_table_id": link_table_id(digest), "email": artifact.email, "brand": artifact.brand,
            "body": artifact.to_json(), "created_at": tx.now,
        }
        for digest, artifact in sorted(made.items())
    ]  # fmt: skip
    if rows:
        tx.run(insert(tx, artifacts).on_conflict_do_nothing(index_elements=["hash"]), rows)


def write_rules(tx: Tx, plan: WorkspacePlan, changed: Collection[str]) -> None:
    """A new row for each kind that changed: what was decided before keeps pointing at the row that decided it."""
    for kind in changed:
        body = getattr(plan, kind)
        tx.run(sa.insert(rules).values(kind=kind, hash=hash_of(body), body=to_json(body), applied_at=tx.now))
    tx.seen.pop(LIVE, None)


def write_emails(tx: Tx, plan: WorkspacePlan) -> None:
    tx.run(sa.delete(emails).where(emails.c.name.not_in(plan.emails)))
    rows = [{"name": name, "artifact_hash": digest} for name, digest in sorted(plan.emails.items())]
    if rows:
        new = insert(tx, emails)
        changed = new.on_conflict_do_update(index_elements=["name"], set_={"artifact_hash": new.excluded.artifact_hash})
        tx.run(changed, rows)


def put_in_force(tx: Tx, cadence: CadencePlan) -> None:
    """New passages get this version from now on, and those inside that may move do."""
    version_id = write_version(tx, cadence)
    new = insert(tx, cadences).values(name=cadence.name, version_id=version_id)
    tx.run(new.on_conflict_do_update(index_elements=["name"], set_={"version_id": version_id}))
    move_passages(tx, version_id, cadence)


def write_version(tx: Tx, cadence: CadencePlan) -> int:
    """The id of this very version, which may have been in force before."""
    row = {
        "cadence": cadence.name, "hash": hash_of(cadence), "structure_hash": structure_hash_of(cadence),
        "body": to_json(cadence), "created_at": tx.now,
    }  # fmt: skip
    tx.run(insert(tx, cadence_versions).on_conflict_do_nothing(index_elements=["cadence", "hash"]), [row])
    chosen = sa.select(cadence_versions.c.id).where(
        cadence_versions.c.cadence == cadence.name, cadence_versions.c.hash == row["hash"]
    )
    return int(tx.run(chosen).scalar_one())


def close_removed(tx: Tx, names: Collection[str]) -> None:
    """Nobody new comes in; who is inside goes on to the end."""
    if names:
        tx.run(sa.update(cadences).where(cadences.c.name.in_(names)).values(version_id=None))
