"""What became of each step of a passage, and why, in words: times are in the lead's own zone.

Before: rows of touches, sends and posts. After: `engine.cli.lead_story` tells the whole of a lead, `handraiser test` why a
mail did not come.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from engine.compiler.plan import EmailStep, Policy
from engine.database import Tx
from engine.deliver.collateral import told as told_collateral
from engine.schedule.next_step import Course
from engine.schedule.passages import PASSAGE_COLUMNS, passage_of
from engine.schedule.why import OpenTouch, why_then
from engine.schema import enrolments, leads, posts, sends, tasks, touches
from engine.story.ahead import Expected
from engine.story.room import who_took_it
from engine.story.words import POST_WHY, in_words, server_in_words, through
from engine.vocabulary import OPEN_TOUCH, Reason, SendState, TouchState

Row = sa.Row[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldStep:
    """One step. `when`: when it ended, or is due; None: no date. `because`: why then, or why not; `reason`: that as one word.

    `relay`: through which its mail went last.
    """

    step: str
    state: str
    planned_on: str
    when: str | None
    because: tuple[str, ...]
    relay: str | None
    server: str | None
    reason: str | None = None
    email: str | None = None
    arm: str | None = None  # of a split
    language: str | None = None  # of the mail
    variant: str | None = None  # the arm of the mail
    begun_on: date | None = None  # when the step before it ended


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldPassage:
    """One way through a cadence. `came_in`: how; `ahead`: the mails after the open step, if nothing happens."""

    cadence: str
    number: int
    state: str
    because: str | None
    began: str
    came_in: str
    steps: tuple[ToldStep, ...]
    ahead: tuple[Expected, ...] = ()


def told_steps(tx: Tx, rows: Sequence[Row], way: Course, policy: Policy, local: ZoneInfo) -> Iterator[ToldStep]:
    """The steps that the passage has come to, in their order. `rows`: of `steps_of`."""
    mailed_at = None
    for row in rows:
        step = told_step(row, way, policy, mailed_at, local)
        more = (*who_took_it(tx, row, policy), *lateness(row))
        yield replace(step, because=(*step.because, *more))
        if row.sent_at is not None and row.send_state in (SendState.ACCEPTED, SendState.UNKNOWN):
            mailed_at = row.ended_at


def steps_of(tx: Tx, enrolment_id: int) -> Sequence[Row]:
    chosen = (
        sa.select(
            touches.c.id.label("touch_id"), touches.c.step_id, touches.c.state, touches.c.reason, touches.c.due_at,
            touches.c.planned_on, touches.c.ended_at,
            touches.c.created_at, sends.c.state.label("send_state"), sends.c.reason.label("send_reason"),
            sends.c.due_at.label("send_due_at"), sends.c.ended_at.label("sent_at"), sends.c.smtp_code, sends.c.smtp_reply,
            sends.c.smtp_phase, sends.c.relay,
            touches.c.arm, posts.c.webhook, posts.c.state.label("post_state"), posts.c.reason.label("post_reason"),
            posts.c.attempts, posts.c.status_code, posts.c.answer, posts.c.due_at.label("post_due_at"), sends.c.email,
            sends.c.waited_for, sends.c.address_key, sends.c.collateral, touches.c.late_by,
            sends.c.language, sends.c.arm.label("variant"),
            tasks.c.id.label("task_id"), tasks.c.rep.label("task_rep"), tasks.c.state.label("task_state"),
            tasks.c.due_at.label("task_due_at"), tasks.c.ended_at.label("task_ended_at"), tasks.c.said,
            *PASSAGE_COLUMNS,
        )
        .join_from(touches, enrolments, enrolments.c.id == touches.c.enrolment_id)
        .join(leads, leads.c.id == enrolments.c.lead_id)
        .join(sends, sends.c.touch_id == touches.c.id, isouter=True)
        .join(posts, posts.c.touch_id == touches.c.id, isouter=True)
        .join(tasks, tasks.c.touch_id == touches.c.id, isouter=True)
        .where(touches.c.enrolment_id == enrolment_id)
        .order_by(touches.c.id)
    )  # fmt: skip
    return tx.run(chosen).all()


def told_step(row: Row, way: Course, policy: Policy, mailed_at: datetime | None, local: ZoneInfo) -> ToldStep:
    # What a person settled ended for the touch by what was known then.
    reason = row.send_reason if row.send_state == SendState.ACCEPTED else row.send_reason or row.reason
    step = way.steps.get(row.step_id)
    return ToldStep(
        step=row.step_id,
        state=in_reports(row.send_state or row.state),
        planned_on=str(row.planned_on),
        when=at(row.sent_at or row.ended_at or row.send_due_at or row.due_at, local),
        because=(
            *why_its_date(row, way, policy, mailed_at),
            *waited(row.waited_for, reason),
            *([in_words(reason)] if reason else ()),
            *version_in_words(row.language, row.variant, policy.language),
            *([with_it] if (with_it := told_collateral(row.collateral)) else []),
            *through(row.relay),
            *what_followed(row, local),
        ),
        relay=row.relay,
        server=server_in_words(row.smtp_code, row.smtp_reply, row.smtp_phase),
        reason=reason,
        email=step.email if isinstance(step, EmailStep) else row.email,
        arm=row.arm,
        language=row.language,
        variant=row.variant,
        begun_on=row.created_at.astimezone(local).date(),
    )


def why_its_date(row: Row, way: Course, policy: Policy, mailed_at: datetime | None) -> Sequence[str]:
    """Of what is still to come, all that decides its date; of a mail that went out, what moved it."""
    step = way.steps.get(row.step_id)
    is_open = row.state in OPEN_TOUCH and (row.due_at is not None or row.state != TouchState.WAITING)
    went_out = isinstance(step, EmailStep) and row.send_state == SendState.ACCEPTED
    if step is None or not (is_open or went_out):
        return ()
    touch = OpenTouch(on=row.planned_on, created_at=row.created_at, due_at=row.due_at, mailed_at=mailed_at)
    told = why_then(way, step, passage_of(row, way, policy), touch)
    return told if is_open or len(told) > 1 else ()


def waited(reason: str | None, now: str | None) -> Iterator[str]:
    """Why a mail went out later than it was written. Of those that wait `now` for the same it is said elsewhere."""
    if reason == now:
        return
    if reason == Reason.LATE:
        yield in_words(reason)
    elif reason is not None:
        yield f"it had to wait: {in_words(reason).partition(';')[0]}"


def version_in_words(language: str | None, arm: str | None, usual: str) -> Iterator[str]:
    """Which version of an email it was, where that is not the only one."""
    if language not in (None, usual):
        yield f"in the language {language}"
    if arm is not None:
        yield f"it drew the arm {arm} of the email"


def lateness(row: Row) -> Iterator[str]:
    if row.late_by:
        yield f"late by our own fault: {hours_of(timedelta(seconds=row.late_by))}"


def hours_of(late_by: timedelta) -> str:
    days, hours = late_by.days, late_by.seconds // 3_600
    said = [f"{number} {unit}{'' if number == 1 else 's'}" for number, unit in ((days, "day"), (hours, "hour")) if number]
    return " and ".join(said) or "less than an hour"


def what_followed(row: Row, local: ZoneInfo) -> Iterator[str]:
    """The arm that a split drew, and what became of a post or a task."""
    if row.arm is not None:
        yield f"drew the arm {row.arm}"
    if row.task_id is not None:
        yield task_in_words(row, local)
    if row.post_state is None:
        return
    why = f", {POST_WHY.get(row.post_reason) or in_words(row.post_reason)}" if row.post_reason else ""
    again = f"; tried again on {at(row.post_due_at, local)}" if row.attempts and row.post_due_at else ""
    tries = f"{row.attempts} {'try' if row.attempts == 1 else 'tries'}"
    yield f"the post to {row.webhook} is {row.post_state} after {tries}{why}{again}"
    if row.answer:
        yield f"{row.webhook} said: {' '.join(str(part) for part in (row.status_code, row.answer) if part)}"


def task_in_words(row: Row, local: ZoneInfo) -> str:
    when = f"since {at(row.task_ended_at, local)}" if row.task_ended_at else f"due {at(row.task_due_at, local)}"
    said = f": “{row.said}”" if row.said else ""
    return f"task {row.task_id} of {row.task_rep} is {row.task_state.replace('_', ' ')}, {when}{said}"


def in_reports(state: str) -> str:
    """ "Sent" means accepted, and a marketer says sent."""
    return "sent" if state == SendState.ACCEPTED else state


def at(instant: datetime | None, local: ZoneInfo) -> str | None:
    return f"{instant.astimezone(local):%a %d %b %Y %H:%M}" if instant else None
