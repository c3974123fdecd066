"""Moving the people inside a cadence to its new version.

Before: `engine.schedule.apply` has put the version in force. After: their next touches come from it. A change of words alone
moves everyone on the same steps; a change of steps moves, where the cadence says `migrate`, those whose open step it still has.
"""

from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa

from engine.compiler.plan import CadencePlan, structure_hash_of
from engine.database import Tx
from engine.schedule.courses import course
from engine.schedule.next_step import NEXT, Course, Ended, Passage, plan_step
from engine.schedule.passages import TouchRow, last_mailed, load_waiting, passage_of
from engine.schedule.timing import Planned
from engine.schema import cadence_versions, enrolments, touches
from engine.sql import rows_at_once
from engine.versions import live_rules
from engine.vocabulary import LIVE_ENROLMENT, OPEN_TOUCH, EnrolmentState, TouchState


def move_passages(tx: Tx, version_id: int, cadence: CadencePlan) -> int:
    """Pin to this version whoever may move; returns how many. The caller commits."""
    same = cadence_versions.c.structure_hash == structure_hash_of(cadence)
    moved = len(pin(tx, version_id, cadence, of_versions(cadence, same)))
    if cadence.on_change == "migrate":
        at_its_steps = sa.exists().where(
            touches.c.enrolment_id == enrolments.c.id,
            touches.c.state.in_(OPEN_TOUCH),
            touches.c.step_id.in_([step.id for step in cadence.steps]),
        )
        migrated = pin(tx, version_id, cadence, sa.and_(of_versions(cadence, ~same), at_its_steps))
        for some in rows_at_once(migrated):
            plan_anew(tx, some)
        moved += len(migrated)
    return moved


def of_versions(cadence: CadencePlan, which: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    return enrolments.c.version_id.in_(sa.select(cadence_versions.c.id).where(cadence_versions.c.cadence == cadence.name, which))


def pin(tx: Tx, version_id: int, cadence: CadencePlan, which: sa.ColumnElement[bool]) -> list[int]:
    moving = (
        sa.update(enrolments)
        .where(
            enrolments.c.cadence == cadence.name,
            enrolments.c.state.in_(LIVE_ENROLMENT),
            enrolments.c.version_id != version_id,
            which,
        )
        .values(version_id=version_id)
        .returning(enrolments.c.id)
    )
    return [row.id for row in tx.run(moving)]


def plan_anew(tx: Tx, enrolment_ids: Collection[int]) -> None:
    """The waiting touches keep their steps and get the dates that the new version gives these."""
    rows = load_waiting(tx, enrolment_ids)
    before = last_ended(tx, enrolment_ids)
    policy = live_rules(tx).policy
    courses = {row.enrolment_id: course(tx, row.version_id) for row in rows}
    mailed = last_mailed(tx, courses)
    changes = []
    for row in rows:
        way = courses[row.enrolment_id]
        passage = passage_of(row, way, policy)
        found = dates(tx, row, way, passage, before.get(row.enrolment_id), mailed)
        due_at = None if row.enrolment_state == EnrolmentState.SUSPENDED else found.due_at
        changes.append({"row_id": row.id, "on_day": found.on, "due": due_at})
    write_dates(tx, changes)


def dates(tx: Tx, row: TouchRow, way: Course, passage: Passage, previous: sa.Row[Any] | None, mailed: dict[int, Any]) -> Planned:
    step = way.steps[row.step_id]
    if previous is None:
        return plan_step(way, step, passage, previous_on=None, ended=None, now=tx.now)
    ended = Ended(
        step_id=previous.step_id,
        took=NEXT,
        on=previous.planned_on,
        at=previous.ended_at,
        mailed_at=mailed.get(row.enrolment_id),
    )
    return plan_step(way, step, passage, previous_on=previous.planned_on, ended=ended, now=tx.now)


def last_ended(tx: Tx, enrolment_ids: Collection[int]) -> dict[int, sa.Row[Any]]:
    """Each passage's touch before the open one."""
    chosen = (
        sa.select(touches.c.enrolment_id, touches.c.step_id, touches.c.planned_on, touches.c.ended_at)
        .where(touches.c.enrolment_id.in_(enrolment_ids), touches.c.ended_at.is_not(None))
        .order_by(touches.c.id)
    )
    return {row.enrolment_id: row for row in tx.run(chosen)}


def write_dates(tx: Tx, changes: Sequence[dict[str, Any]]) -> None:
    if changes:
        tx.run(
            sa.update(touches)
            .where(touches.c.id == sa.bindparam("row_id"), touches.c.state == TouchState.WAITING)
            .values(planned_on=sa.bindparam("on_day"), due_at=sa.bindparam("due")),
            changes,
        )
