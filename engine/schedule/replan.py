"""Working out due times again from the local dates that touches carry, when what they were worked out with was wrong.

Before: the clock came back from a jump, or a zone has new rules (`engine.schedule.zone_rules`). After: touches are due when their
cadence says. Nobody's planned date moves by it.
"""

from collections.abc import Sequence
from datetime import timedelta

import sqlalchemy as sa

from engine.database import Tx
from engine.schedule.courses import course
from engine.schedule.next_step import due_again
from engine.schedule.passages import TOUCHES_WITH_PASSAGES, TouchRow, last_mailed, passage_of
from engine.schema import touches
from engine.sql import rows_at_once
from engine.versions import live_rules
from engine.vocabulary import TouchState

SKEW = timedelta(minutes=5)  # between clocks that are right


def plan_future_again(tx: Tx) -> int:
    """For touches that were made at a time which has not come yet; returns how many."""
    made_ahead = sa.select(touches.c.id).where(touches.c.state == TouchState.WAITING, touches.c.created_at > tx.now + SKEW)
    ids = list(tx.run(made_ahead).scalars())
    moved = 0
    for some in rows_at_once(ids):
        tx.run(sa.update(touches).where(touches.c.id.in_(some)).values(created_at=tx.now))
        moved += plan_again(tx, some)
    return moved


def plan_again(tx: Tx, touch_ids: Sequence[int]) -> int:
    """New due times for these waiting touches; returns how many differ. Those without a due time, or overdue, keep it."""
    rows = [TouchRow._make(row) for row in tx.run(TOUCHES_WITH_PASSAGES.where(touches.c.id.in_(touch_ids)))]
    policy = live_rules(tx).policy
    courses = {row.enrolment_id: course(tx, row.version_id) for row in rows}
    mailed = last_mailed(tx, courses)
    moved = []
    for row in rows:
        way = courses[row.enrolment_id]
        step = way.steps.get(row.step_id)
        if step is None or row.due_at is None or row.due_at <= tx.now:
            continue
        due_at = due_again(
            way,
            step,
            passage_of(row, way, policy),
            on=row.planned_on,
            created_at=row.created_at,
            mailed_at=mailed.get(row.enrolment_id),
            now=tx.now,
        )
        if due_at != row.due_at:
            moved.append({"row_id": row.id, "due": due_at})
    if moved:
        tx.run(MOVE, moved)
    return len(moved)


MOVE = (
    sa.update(touches)
    .where(touches.c.id == sa.bindparam("row_id"), touches.c.state == TouchState.WAITING)
    .values(due_at=sa.bindparam("due"))
)
