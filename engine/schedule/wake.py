"""Waking waits: an event may be what a lead's open wait is waiting for, so the wait looks again now.

Before: `engine.reactions` has an event. After: the dispatcher claims the touch and `engine.advance` asks its condition.
"""

from collections.abc import Collection

import sqlalchemy as sa

from engine.compiler.plan import Step, WaitStep
from engine.database import Tx
from engine.prepared import Prepared
from engine.schedule.courses import course
from engine.schema import enrolments, touches
from engine.sql import rows_at_once
from engine.vocabulary import EnrolmentState, TouchState

ASKABLE = (TouchState.WAITING, TouchState.CLAIMED)


def wake_waits(tx: Tx, lead_ids: Collection[int]) -> int:
    """Make the open waits of these leads due at once; returns how many. Safe to repeat.

    A wait that is being asked at this moment may not have seen the event, so it is taken back and asked again.
    """
    return sum(wake(tx, waiting_for_something(tx, some)) for some in rows_at_once(lead_ids))


def waiting_for_something(tx: Tx, lead_ids: Collection[int]) -> list[int]:
    found = []
    for row in STANDING.rows(tx, ids=lead_ids):
        step = course(tx, row.version_id).steps.get(row.step_id)
        if step is not None and waits_for_something(step):
            found.append(row.id)
    return found


def waits_for_something(step: Step) -> bool:
    return isinstance(step, WaitStep) and step.condition is not None


def wake(tx: Tx, touch_ids: Collection[int]) -> int:
    if not touch_ids:
        return 0
    return WAKE.run(tx, ids=touch_ids, at=tx.now)


STANDING = Prepared(
    sa.select(touches.c.id, touches.c.step_id, enrolments.c.version_id)
    .join_from(touches, enrolments, enrolments.c.id == touches.c.enrolment_id)
    .where(
        enrolments.c.lead_id.in_(sa.bindparam("ids", expanding=True)),
        enrolments.c.state == EnrolmentState.ACTIVE,
        touches.c.state.in_(ASKABLE),
    )
)
WAKE = Prepared(
    sa.update(touches)
    .where(touches.c.id.in_(sa.bindparam("ids", expanding=True)), touches.c.state.in_(ASKABLE))
    .values(state=TouchState.WAITING, due_at=sa.bindparam("at"), epoch=touches.c.epoch + 1, worker_id=None, lease_until=None)
)
