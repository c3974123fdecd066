"""What a passage would still be sent if nothing more happened to it: the same walk that the engine takes, ahead of time. Pure.

Before: `engine.schedule.next_step` says what follows a step. After: `engine.schedule.fates` sets the forecasts before and after
an edit side by side. What only the moment can tell stays out: caps, refused mail, and what people will do.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from engine.compiler.plan import (
    BranchStep,
    EmailStep,
    GoalStep,
    LeaveStep,
    RaiseStep,
    SplitStep,
    Step,
    WaitStep,
)
from engine.schedule.next_step import NEXT, OTHERWISE, Course, Ended, Passage, Took, next_step, timeout_at
from engine.schedule.timing import Planned, into_window

Holds = Callable[[str, datetime], bool]  # (condition, when)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What a passage's lead answers to the conditions ahead, and which arm it draws at a split.

    `wait_holds` is asked at waits that are still to begin, for which nothing has happened yet. `asked`: of an open wait, whether
    what it waits for has come already. `takes_mail`: whether the lead may be sent marketing mail at all.
    """

    holds: Holds
    wait_holds: Holds
    arm: Callable[[SplitStep], Took]
    is_over: Callable[[datetime], bool]
    asked: bool = False
    takes_mail: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Where a passage stands: an open touch, or none (`step_id` None) where its cadence is at its end.

    `is_open`: it was there before. `is_sending`: its mail is on its way.
    """

    step_id: str | None
    planned: Planned | None
    created_at: datetime
    mailed_at: datetime | None
    taken: Mapping[str, Took] = field(default_factory=dict)
    sent_before: frozenset[str] = frozenset()
    is_open: bool = True
    is_sending: bool = False


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail that is to come."""

    step_id: str
    email: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Stop:
    """A step on the way, with the mail that it sends. `mailed_at`: the last mail before it; `created_at`: when it was reached."""

    step_id: str
    planned: Planned
    mailed_at: datetime | None
    created_at: datetime
    mail: Mail | None


def forecast(course: Course, passage: Passage, start: Start, outlook: Outlook, *, now: datetime) -> tuple[Mail, ...]:
    """The mails to come, in their order, if nobody does anything from `now` on."""
    return tuple(stop.mail for stop in walk(course, passage, start, outlook, now=now) if stop.mail is not None)


def walk(course: Course, passage: Passage, start: Start, outlook: Outlook, *, now: datetime) -> Iterator[Stop]:
    """The steps to come."""
    step = None if start.step_id is None else course.steps.get(start.step_id)
    planned, created_at, mailed_at = start.planned, start.created_at, start.mailed_at
    asked, is_sending = start.is_open and outlook.asked, start.is_sending
    while step is not None and planned is not None:
        at = due(course, step, passage, planned, now, is_sending=is_sending)
        if outlook.is_over(at):
            return
        mail = mail_of(course, step, outlook, at)
        yield Stop(step.id, planned, mailed_at, created_at, mail)
        mailed_at = mailed_at if mail is None else at
        left = leaving(course, step, passage, planned, outlook, at, created_at, asked=asked)
        if left is None:
            return
        took, at = left
        ended = Ended(step_id=step.id, took=took, on=planned.on, at=at, mailed_at=mailed_at)
        coming = next_step(course, passage, ended, now=at, sent_before=start.sent_before, taken=start.taken)
        step, planned, created_at, asked, is_sending = coming.step, coming.planned, at, False, False


def mail_of(course: Course, step: Step, outlook: Outlook, at: datetime) -> Mail | None:
    if not isinstance(step, EmailStep) or not outlook.takes_mail or step.shadow or course.plan.shadow:
        return None
    return Mail(step.id, step.email, at)


def due(course: Course, step: Step, passage: Passage, planned: Planned, now: datetime, *, is_sending: bool) -> datetime:
    """When the step is carried out: a mail that is late waits for its window."""
    at = max(planned.due_at, now)
    if not isinstance(step, EmailStep) or is_sending:
        return at
    return into_window(at, course.plan.window, passage.zone, clock=step.timing.clock, days_off=passage.days_off)


def leaving(
    course: Course,
    step: Step,
    passage: Passage,
    planned: Planned,
    outlook: Outlook,
    at: datetime,
    created_at: datetime,
    *,
    asked: bool,
) -> tuple[Took, datetime] | None:
    """Which way the passage leaves a step that it comes to at `at`, and when; None: it goes no further."""
    match step:
        case BranchStep():
            return (NEXT if outlook.holds(step.condition, at) else OTHERWISE), at
        case WaitStep() if step.condition is not None:
            if asked or outlook.wait_holds(step.condition, at):
                return NEXT, at
            timeout = timeout_at(course, step, passage, on=planned.on, created_at=created_at)
            return OTHERWISE, max(at, timeout)
        case GoalStep():
            return None if step.condition is None or outlook.holds(step.condition, at) else (NEXT, at)
        case SplitStep():
            return outlook.arm(step), at
        case LeaveStep() | RaiseStep():
            return None
        case _:
            return NEXT, at
