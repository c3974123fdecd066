"""Ending passages before their end, letting them stand still, and letting them go on.

Before: an exit, a goal, an opt-out, a hand-off or a person says so (`engine.advance`, `engine.reactions`). After: nothing of a
passage that ended is due any more. The caller commits; everything here may be repeated. Enrolments are locked before their
touches and sends, here and in `engine.schedule.progress`, so that the two never wait for each other in a circle.
"""

from collections.abc import Collection
from itertools import chain
from typing import Any, Literal

import sqlalchemy as sa

from engine.database import Tx
from engine.prepared import Prepared
from engine.schedule.courses import course, zone_named
from engine.schedule.next_step import due_again
from engine.schedule.passages import last_mailed, load_waiting, passage_of
from engine.schedule.timing import local_date
from engine.schema import enrolments, leads, pauses, sends, tasks, touches
from engine.sql import rows_at_once
from engine.versions import live_rules
from engine.vocabulary import (
    LIVE_ENROLMENT,
    OPEN_TOUCH,
    EnrolmentState,
    PauseKind,
    Reason,
    SendState,
    TaskState,
    TouchState,
)

NOT_BEGUN = (SendState.READY, SendState.CLAIMED)
Ending = Literal[EnrolmentState.LEFT, EnrolmentState.FINISHED]


def leave(tx: Tx, enrolment_ids: Collection[int], *, reason: str, state: Ending = EnrolmentState.LEFT) -> None:
    """End these passages: their open touches are left, their mails not yet begun are cancelled, their open tasks dropped with
    what has not yet gone out about them.

    A mail that is on its way to a server right now stays as it is; its touch ends with it, and nothing follows.
    """
    for some in rows_at_once(enrolment_ids):
        ended = end_enrolments(tx, some, reason=reason, state=state)
        if ended:
            cancel_sends(tx, ended)
            leave_touches(tx, ended, reason=reason)
            drop_tasks(tx, ended)


def end_enrolments(tx: Tx, enrolment_ids: Collection[int], *, reason: str, state: Ending) -> list[int]:
    return [row.id for row in END.rows(tx, ids=enrolment_ids, new_state=state, why=reason, at=tx.now)]


def cancel_sends(tx: Tx, enrolment_ids: Collection[int]) -> None:
    CANCEL.run(tx, ids=enrolment_ids, at=tx.now)


def leave_touches(tx: Tx, enrolment_ids: Collection[int], *, reason: str) -> None:
    LEAVE.run(tx, ids=enrolment_ids, why=reason, at=tx.now)


def drop_tasks(tx: Tx, enrolment_ids: Collection[int]) -> None:
    dropped = [row.id for row in DROP.rows(tx, ids=enrolment_ids, at=tx.now)]
    if dropped:
        cancel_unbegun(tx, sends.c.task_id.in_(dropped), reason=Reason.ENROLMENT_ENDED)


def cancel_unbegun(tx: Tx, chosen: sa.ColumnElement[bool], *, reason: Reason) -> None:
    """Of these mails, those on which nobody has begun stay."""
    over = {"state": SendState.CANCELLED, "reason": reason, "ended_at": tx.now}
    freed = {"epoch": sends.c.epoch + 1, "worker_id": None, "lease_until": None}
    tx.run(sa.update(sends).where(chosen, sends.c.state.in_(NOT_BEGUN)).values(**over, **freed))


def suspend(tx: Tx, lead_ids: Collection[int]) -> None:
    """Let every passage of these leads stand still: nothing of it is due until `resume`."""
    for some in rows_at_once(lead_ids):
        if not tx.is_sqlite:  # one whose cadence is just being resumed stands still in our eyes, and would go on
            tx.run(LOCK_LIVE, {"lead_ids": some})
        stand_still(tx, enrolments.c.lead_id.in_(some))


def stand_still(tx: Tx, which: sa.ColumnElement[bool]) -> int:
    """Of these passages those that go on do so no more; returns how many. A thousand at most."""
    stopping = (
        sa.update(enrolments)
        .where(which, enrolments.c.state == EnrolmentState.ACTIVE)
        .values(state=EnrolmentState.SUSPENDED, suspended_at=tx.now)
        .returning(enrolments.c.id)
    )
    stopped = [row.id for row in tx.run(stopping)]
    if stopped:
        hold(tx, stopped)
    return len(stopped)


def hold(tx: Tx, enrolment_ids: Collection[int]) -> None:
    """Take away the due times; a claimed mail is taken back, a claimed touch is put back by whoever holds it."""
    tx.run(
        sa.update(sends)
        .where(sends.c.touch_id.in_(TOUCHES_OF), sends.c.state.in_(NOT_BEGUN))
        .values(
            state=SendState.READY,
            reason=Reason.PAUSED,
            due_at=None,
            epoch=sends.c.epoch + 1,
            worker_id=None,
            lease_until=None,
        ),
        {"ids": list(enrolment_ids)},
    )
    tx.run(
        sa.update(touches)
        .where(touches.c.enrolment_id.in_(enrolment_ids), touches.c.state == TouchState.WAITING)
        .values(due_at=None, reason=Reason.PAUSED)
    )


def resume(tx: Tx, lead_ids: Collection[int]) -> None:
    """Let the passages of these leads go on, later by the days they stood still, so that nothing is overdue. Those of a cadence
    that somebody paused stay as they are.
    """
    for some in rows_at_once(lead_ids):
        go_on(tx, sa.and_(enrolments.c.lead_id.in_(some), enrolments.c.cadence.not_in(PAUSED)))


def go_on(tx: Tx, which: sa.ColumnElement[bool]) -> int:
    """Of these passages those that stand still go on; returns how many. A thousand at most."""
    resumed = reactivate(tx, which)
    if resumed:
        release_sends(tx, resumed)
        plan_again(tx, resumed)
    return len(resumed)


def reactivate(tx: Tx, which: sa.ColumnElement[bool]) -> list[int]:
    """Two statements: PostgreSQL may have to wait for the rows, and only then sees what their last holders did besides."""
    standing = sa.and_(which, enrolments.c.state == EnrolmentState.SUSPENDED)
    locked = sa.select(enrolments.c.id).where(standing).order_by(enrolments.c.id).with_for_update()
    ids = list(tx.run(locked).scalars())
    chosen = (
        sa.select(enrolments.c.id, enrolments.c.suspended_at, leads.c.zone)
        .join(leads, leads.c.id == enrolments.c.lead_id)
        .where(enrolments.c.id.in_(ids), which)
    )
    stood: dict[int, list[int]] = {}
    for row in tx.run(chosen) if ids else ():
        stood.setdefault(days_since(tx, row), []).append(row.id)
    for days, some in stood.items():
        shifted = {"shift_days": enrolments.c.shift_days + days, "state": EnrolmentState.ACTIVE, "suspended_at": None}
        tx.run(sa.update(enrolments).where(enrolments.c.id.in_(some)).values(shifted))
    return sorted(chain.from_iterable(stood.values()))


def days_since(tx: Tx, row: sa.Row[Any]) -> int:
    zone = zone_named(row.zone or "UTC", "UTC")
    return (local_date(tx.now, zone) - local_date(row.suspended_at, zone)).days


def release_sends(tx: Tx, enrolment_ids: Collection[int]) -> None:
    held = sa.and_(sends.c.state == SendState.READY, sends.c.due_at.is_(None))
    released = sa.update(sends).where(sends.c.touch_id.in_(TOUCHES_OF), held).values(due_at=tx.now, reason=None, held_since=None)
    tx.run(released, {"ids": list(enrolment_ids)})


def plan_again(tx: Tx, enrolment_ids: Collection[int]) -> None:
    """Give the open touches their due times again, by their planned dates and the days their passages stood still."""
    rows = load_waiting(tx, enrolment_ids)
    policy = live_rules(tx).policy
    courses = {row.enrolment_id: course(tx, row.version_id) for row in rows}
    mailed = last_mailed(tx, courses)
    due = []
    for row in rows:
        way = courses[row.enrolment_id]
        due_at = tx.now
        if row.step_id in way.steps:
            due_at = due_again(
                way,
                way.steps[row.step_id],
                passage_of(row, way, policy),
                on=row.planned_on,
                created_at=row.created_at,
                mailed_at=mailed.get(row.enrolment_id),
                now=tx.now,
            )
        due.append({"row_id": row.id, "due": due_at})
    if due:
        tx.run(
            sa.update(touches)
            .where(touches.c.id == sa.bindparam("row_id"), touches.c.state == TouchState.WAITING)
            .values(due_at=sa.bindparam("due"), reason=None),
            due,
        )


IDS: sa.BindParameter[int] = sa.bindparam("ids", expanding=True)  # of enrolments
PAUSED = sa.select(pauses.c.name).where(pauses.c.kind == PauseKind.CADENCE)
LOCK_LIVE = (
    sa.select(enrolments.c.id)
    .where(enrolments.c.lead_id.in_(sa.bindparam("lead_ids", expanding=True)), enrolments.c.state.in_(LIVE_ENROLMENT))
    .order_by(enrolments.c.id)
    .with_for_update(key_share=True)
)
# of each the one touch that is with the mail
TOUCHES_OF = sa.select(touches.c.id).where(touches.c.enrolment_id.in_(IDS), touches.c.state == TouchState.SENDING)
END = Prepared(
    sa.update(enrolments)
    .where(enrolments.c.id.in_(IDS), enrolments.c.state.in_(LIVE_ENROLMENT))
    .values(state=sa.bindparam("new_state"), reason=sa.bindparam("why"), ended_at=sa.bindparam("at"))
    .returning(enrolments.c.id)
)
CANCEL = Prepared(
    sa.update(sends)
    .where(sends.c.touch_id.in_(TOUCHES_OF), sends.c.state.in_(NOT_BEGUN))
    .values(
        state=SendState.CANCELLED,
        reason=Reason.ENROLMENT_ENDED,
        ended_at=sa.bindparam("at"),
        epoch=sends.c.epoch + 1,
        worker_id=None,
        lease_until=None,
    )
)
LEAVE = Prepared(
    sa.update(touches)
    .where(
        touches.c.enrolment_id.in_(IDS),
        touches.c.state.in_(OPEN_TOUCH),
        ~sa.exists().where(sends.c.touch_id == touches.c.id, sends.c.state == SendState.ATTEMPTING),  # on its way
    )
    .values(
        state=TouchState.LEFT,
        reason=sa.bindparam("why"),
        ended_at=sa.bindparam("at"),
        due_at=None,
        epoch=touches.c.epoch + 1,
        worker_id=None,
        lease_until=None,
    )
)
DROP = Prepared(
    sa.update(tasks)
    .where(tasks.c.touch_id.in_(sa.select(touches.c.id).where(touches.c.enrolment_id.in_(IDS))), tasks.c.state == TaskState.OPEN)
    .values(state=TaskState.DROPPED, ended_at=sa.bindparam("at"))
    .returning(tasks.c.id)
)
