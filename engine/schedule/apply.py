"""Applying a workspace: its plan becomes rows, and the people inside a changed cadence stay or move.

Before: `engine.schedule.edited` has worked out what that means for each of them. After: enrolments begin on the new versions and
the live rules hold for everyone. Versions and artifacts are immutable and named by content, so applying twice changes nothing.
"""

from collections.abc import Callable, Collection, Mapping

import sqlalchemy as sa

from engine.compiler.plan import CadencePlan, WorkspacePlan, hash_of, structure_hash_of, to_json
from engine.database import Tx
from engine.files import write_files
from engine.render.artifact import Artifact, link_table_id
from engine.schedule.changes import Changes
from engine.schedule.edited import Edited, Work, is_migrated, versions_inside, work_out
from engine.schedule.entries import forget_ways_in, settle, watched_now
from engine.schedule.memberships import changed, watched_under, write_baseline
from engine.schedule.move import carry_out, pin
from engine.schedule.positions import lock
from engine.schema import artifacts, cadence_versions, cadences, emails, plans, rules
from engine.sql import insert
from engine.versions import LIVE

NOTHING: Mapping[str, bytes] = {}
Progress = Callable[[str, int], None]  # (cadence, how many people move in it)


def in_silence(_cadence: str, _people: int) -> None:
    """Nobody watches."""


def apply_plan(
    tx: Tx,
    plan: WorkspacePlan,
    made: Mapping[str, Artifact],
    progress: Progress = in_silence,
    *,
    attachments: Mapping[str, bytes] = NOTHING,
) -> Changes:
    """Put the workspace into force and say what changed. The caller commits; safe to run twice."""
    hold_inside(tx, plan)
    return carry_out_work(tx, plan, made, work_out(tx, plan, made), progress, attachments=attachments)


def carry_out_work(
    tx: Tx,
    plan: WorkspacePlan,
    made: Mapping[str, Artifact],
    work: Work,
    progress: Progress = in_silence,
    *,
    attachments: Mapping[str, bytes] = NOTHING,
) -> Changes:
    """Do exactly what was worked out in this transaction, after `hold_inside`."""
    changes = work.changes
    if changes.is_nothing:
        return changes
    watched_before, watched = watched_now(tx), watched_under(plan.policy, plan.cadences)
    settle(tx, changed(watched_before, watched))
    write_artifacts(tx, made)
    write_files(tx, attachments)
    write_rules(tx, plan, changes.rules)
    write_emails(tx, plan)
    for edited in work.edited:
        if edited.change.how != "unchanged" or edited.change.moves:
            progress(edited.plan.name, edited.change.moves)
            put_in_force(tx, edited)
    for each in work.corrections:
        pin(tx, write_version(tx, each.plan), each.plan, [each.version_id])
    close_removed(tx, [change.cadence for change in changes.cadences if change.how == "removed"])
    forget_ways_in(tx)
    write_baseline(tx, plan.policy, watched_before, watched)
    tx.run(sa.insert(plans).values(hash=hash_of(plan), body=to_json(plan), applied_at=tx.now))
    return changes


def put_in_force(tx: Tx, edited: Edited) -> None:
    """New passages get this version from now on, and those inside that may move do."""
    version_id = write_version(tx, edited.plan)
    new = insert(tx, cadences).values(name=edited.plan.name, version_id=version_id)
    tx.run(new.on_conflict_do_update(index_elements=["name"], set_={"version_id": version_id}))
    pin(tx, version_id, edited.plan, edited.moving)
    carry_out(tx, edited.crowds)


def hold_inside(tx: Tx, plan: WorkspacePlan) -> None:
    """From here on nobody inside moves, and no other process applies, until the transaction ends."""
    if tx.is_sqlite:
        return
    tx.run(sa.text("LOCK TABLE plans IN SHARE ROW EXCLUSIVE MODE"))
    for cadence in plan.cadences:
        leaving = [each.id for each in versions_inside(tx, cadence.name) if is_migrated(cadence, each)]
        if leaving:
            lock(tx, cadence.name, leaving)


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
    rows = [{"name": name, "copy": to_json(copy)} for name, copy in sorted(plan.emails.items())]
    if rows:
        new = insert(tx, emails)
        changed = new.on_conflict_do_update(index_elements=["name"], set_={"copy": new.excluded.copy})
        tx.run(changed, rows)


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
