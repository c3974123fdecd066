"""What was held up while nothing ran: touches and written mails with what decides their new times, and writing these down.

Before: `engine.schedule.catch_up` asks for them. After: each has a new due time, and its touch how late it will be then.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from engine.compiler.plan import EmailStep, Window
from engine.database import Tx
from engine.schedule.courses import course
from engine.schedule.late import deadline
from engine.schedule.next_step import Passage, due_again
from engine.schedule.passages import PASSAGE_COLUMNS, TOUCH_COLUMNS, TOUCHES_WITH_PASSAGES, last_mailed, passage_of
from engine.schema import enrolments, leads, sends, touches
from engine.spans import Span
from engine.sql import rows_at_once
from engine.versions import live_rules
from engine.vocabulary import Late, Reason, SendState, Stream, TouchState

WITH_MAIL = (SendState.ATTEMPTING, SendState.ACCEPTED, SendState.UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailed:
    """A mail to a person, sent or with its time, and the gap of its cadence."""

    at: datetime
    gap: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldUp:
    """A touch, or the mail that it wrote. `should_be_at`: when it would have happened; `was_due_at`: by its row, with `late_by`.

    `deadline`: until when it may go; None where it bears any lateness, or goes all the same. `is_new`: not counted yet.
    """

    touch_id: int
    send_id: int | None
    lead_id: int
    is_mail: bool
    is_new: bool
    passage: Passage
    window: Window
    gap: Span
    was_due_at: datetime
    late_by: timedelta
    earliest: datetime
    deadline: datetime | None

    @property
    def should_be_at(self) -> datetime:
        return self.was_due_at - self.late_by

    def mailed(self, at: datetime) -> Mailed:
        return Mailed(at=at, gap=self.gap)


def held_up_touches(tx: Tx, which: sa.ColumnElement[bool]) -> list[HeldUp]:
    """From waiting touches with their passages. One without a time gets the earliest that its cadence allows."""
    chosen = TOUCHES_WITH_PASSAGES.where(which).add_columns(touches.c.reason)
    rows = tx.run(chosen).all()
    courses = {row.enrolment_id: course(tx, row.version_id) for row in rows}
    mailed = last_mailed(tx, {row.enrolment_id: courses[row.enrolment_id] for row in rows if row.due_at is None})
    policy = live_rules(tx).policy
    found = []
    for row in rows:
        way = courses[row.enrolment_id]
        passage, step = passage_of(row, way, policy), way.steps.get(row.step_id)
        was_due_at = row.due_at
        if was_due_at is None and step is not None:
            was_due_at = due_again(
                way,
                step,
                passage,
                on=row.planned_on,
                created_at=row.created_at,
                mailed_at=mailed.get(row.enrolment_id),
                now=row.created_at,
            )
        found.append(held_up(tx, row, passage, step, was_due_at or tx.now, send_id=None))
    return found


def held_up_sends(tx: Tx, which: sa.ColumnElement[bool]) -> list[HeldUp]:
    """From marketing mails that were written and lie ready."""
    chosen = (
        sa.select(
            *TOUCH_COLUMNS, *PASSAGE_COLUMNS, sends.c.id.label("send_id"), sends.c.due_at.label("send_due_at"), sends.c.reason
        )
        .join_from(sends, touches, touches.c.id == sends.c.touch_id)
        .join(enrolments, enrolments.c.id == touches.c.enrolment_id)
        .join(leads, leads.c.id == enrolments.c.lead_id)
        .where(sends.c.state == SendState.READY, sends.c.stream == Stream.MARKETING, which)
        .order_by(enrolments.c.id)
    )
    policy, found = live_rules(tx).policy, []
    for row in tx.run(chosen).all():
        way = course(tx, row.version_id)
        step = way.steps.get(row.step_id)
        found.append(held_up(tx, row, passage_of(row, way, policy), step, row.send_due_at, send_id=row.send_id))
    return found


def held_up(tx: Tx, row: sa.Row[Any], passage: Passage, step: object, was_due_at: datetime, *, send_id: int | None) -> HeldUp:
    way, late_by = course(tx, row.version_id), timedelta(seconds=row.late_by)
    runs_out = isinstance(step, EmailStep) and step.valid_for is not None and step.late == Late.SKIP
    until = deadline(step, was_due_at - late_by, passage.zone) if runs_out and isinstance(step, EmailStep) else None
    return HeldUp(
        touch_id=row.id,
        send_id=send_id,
        lead_id=row.lead_id,
        is_mail=send_id is not None or isinstance(step, EmailStep),
        is_new=row.reason != Reason.CATCH_UP or row.due_at is None,
        passage=passage,
        window=way.plan.window,
        gap=way.plan.gap,
        was_due_at=was_due_at,
        late_by=late_by,
        earliest=max(was_due_at, tx.now),
        deadline=until,
    )


def last_mail_of(tx: Tx, lead_ids: Collection[int], *, but_not: Collection[int]) -> dict[int, list[Mailed]]:
    """The last mail of each cadence to each of these people, sent or with its new time, without those of some touches."""
    found: dict[int, list[Mailed]] = {}
    for some in rows_at_once(lead_ids):
        for row in tx.run(SENT, {"ids": some}):
            found.setdefault(row.lead_id, []).append(Mailed(at=row.attempting_at, gap=course(tx, row.version_id).plan.gap))
        for row in (*tx.run(TIMED, {"ids": some}), *tx.run(WRITTEN, {"ids": some})):
            if row.id not in but_not:
                found.setdefault(row.lead_id, []).append(Mailed(at=row.due_at, gap=course(tx, row.version_id).plan.gap))
    return found


def rewrite(tx: Tx, timed: Sequence[tuple[HeldUp, datetime]]) -> None:
    """Give them their times, by compare-and-set: who was claimed meanwhile goes as it is."""
    run_each(tx, TOUCH_AT, [values(each, at) for each, at in timed if each.send_id is None])
    written = [values(each, at) for each, at in timed if each.send_id is not None]
    run_each(tx, SEND_AT, written)
    run_each(tx, LATER, written)


def note_lateness(tx: Tx, found: Sequence[HeldUp]) -> None:
    """As of now, on the touches."""
    run_each(tx, LATER, [values(each, tx.now) for each in found])


def run_each(tx: Tx, statement: sa.Update, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        names = statement.compile().params
        tx.run(statement, [{name: value for name, value in row.items() if name in names} for row in rows])


def values(each: HeldUp, at: datetime) -> dict[str, Any]:
    late = int((at - each.should_be_at).total_seconds())
    why = Reason.CATCH_UP.value if each.is_mail else None
    return {"touch": each.touch_id, "send": each.send_id, "due": at, "late": max(0, late), "why": why}


SENT = (
    sa.select(sends.c.lead_id, enrolments.c.version_id, sa.func.max(sends.c.attempting_at).label("attempting_at"))
    .join_from(sends, touches, touches.c.id == sends.c.touch_id)
    .join(enrolments, enrolments.c.id == touches.c.enrolment_id)
    .where(sends.c.lead_id.in_(sa.bindparam("ids", expanding=True)), sends.c.state.in_(WITH_MAIL))
    .group_by(sends.c.lead_id, enrolments.c.version_id)
)
TIMED = (
    sa.select(touches.c.id, enrolments.c.lead_id, enrolments.c.version_id, touches.c.due_at)
    .join_from(touches, enrolments, enrolments.c.id == touches.c.enrolment_id)
    .where(
        enrolments.c.lead_id.in_(sa.bindparam("ids", expanding=True)),
        touches.c.state == TouchState.WAITING,
        touches.c.reason == Reason.CATCH_UP,
        touches.c.due_at.is_not(None),
    )
)
WRITTEN = (
    sa.select(touches.c.id, sends.c.lead_id, enrolments.c.version_id, sends.c.due_at)
    .join_from(sends, touches, touches.c.id == sends.c.touch_id)
    .join(enrolments, enrolments.c.id == touches.c.enrolment_id)
    .where(
        sends.c.lead_id.in_(sa.bindparam("ids", expanding=True)),
        sends.c.state == SendState.READY,
        sends.c.reason == Reason.CATCH_UP,
        sends.c.due_at.is_not(None),
    )
)
TOUCH_AT = (
    sa.update(touches)
    .where(touches.c.id == sa.bindparam("touch"), touches.c.state == TouchState.WAITING)
    .values(due_at=sa.bindparam("due"), late_by=sa.bindparam("late"), reason=sa.bindparam("why"))
)
SEND_AT = (
    sa.update(sends)
    .where(sends.c.id == sa.bindparam("send"), sends.c.state == SendState.READY)
    .values(due_at=sa.bindparam("due"), reason=sa.bindparam("why"))
)
LATER = sa.update(touches).where(touches.c.id == sa.bindparam("touch")).values(late_by=sa.bindparam("late"))
