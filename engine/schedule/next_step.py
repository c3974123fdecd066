"""Where a passage goes next and when: the one walk over a cadence's steps, without a database.

Before: `engine.schedule.timing` knows dates. After: `engine.schedule.progress` writes what this says; the calendar, `explain`
and the simulator ask the same function, so they cannot disagree with what happens.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TypeAlias
from zoneinfo import ZoneInfo

from engine.compiler.plan import BranchStep, CadencePlan, EmailStep, SplitStep, Step, Timing, WaitStep
from engine.schedule.draw import arm_named
from engine.schedule.timing import Planned, allowed_at, local_date, planned, wanted_at
from engine.spans import NO_DAYS_OFF, DaysOff
from engine.vocabulary import Reason

Took: TypeAlias = str  # NEXT, OTHERWISE, or the name of a split's arm
NEXT: Took = "next"
OTHERWISE: Took = "otherwise"  # of a branch or a wait
NOTHING_TAKEN: Mapping[str, Took] = {}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Course:
    """One version of a cadence made ready to be walked. `timings`: each step's, its time of day filled in."""

    plan: CadencePlan
    steps: dict[str, Step]
    timings: dict[str, Timing]

    def after(self, step_id: str, took: Took) -> Step | None:
        """The step that follows; None at the end, and for a step that this version has not."""
        step = self.steps.get(step_id)
        if step is None:
            return None
        followed = way_on(step, took)
        return None if followed is None else self.steps[followed]


def way_taken(reason: str | None, arm: str | None) -> Took:
    """How a step went, by what its touch says."""
    return arm or (OTHERWISE if reason in (Reason.BRANCH, Reason.TIMEOUT) else NEXT)


def way_on(step: Step, took: Took) -> str | None:
    """The id of the step that follows. An arm that this version has not, like a holdout, goes on where the arms meet."""
    match step:
        case SplitStep():
            arm = arm_named(step, took)
            return step.next if arm is None or arm.holdout else arm.next
        case BranchStep() | WaitStep() if took == OTHERWISE:
            return step.otherwise
        case _:
            return step.next


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """What decides the dates of one lead's way through: where it began, how long it stood still, whose clock counts, and on
    which days nobody works there (none of them where the cadence does not care).
    """

    anchor_at: datetime
    shift_days: int
    zone: ZoneInfo
    days_off: DaysOff = NO_DAYS_OFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The step that a passage has just left. `on`: its planned date; `mailed_at`: when the passage last sent a mail."""

    step_id: str
    took: Took
    on: date
    at: datetime
    mailed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """`step` None: the cadence is at its end. `passed`: steps left out on the way, for they were sent before, with dates."""

    passed: tuple[tuple[str, date], ...]
    step: Step | None
    planned: Planned | None


def course_of(plan: CadencePlan) -> Course:
    return Course(
        plan=plan,
        steps={step.id: step for step in plan.steps},
        timings={step.id: timing_of(step, plan) for step in plan.steps},
    )


def timing_of(step: Step, plan: CadencePlan) -> Timing:
    """Only mail obeys the window, but whatever has a day and no time happens when the window would open."""
    timing = step.timing
    if isinstance(step, EmailStep) or timing.clock is not None or not timing.span:
        return timing
    return replace(timing, clock=plan.window.opens)


def next_step(
    course: Course,
    passage: Passage,
    ended: Ended | None,
    *,
    now: datetime,
    sent_before: frozenset[str] = frozenset(),
    taken: Mapping[str, Took] = NOTHING_TAKEN,
) -> Next:
    """The step after `ended` (None: the first one) and its dates.

    Emails in `sent_before` are passed over and told. Steps in `taken` are passed over in silence, the way they went then: this
    very passage had them, in an order that the version it has moved to no longer has.
    """
    step = course.plan.steps[0] if ended is None else course.after(ended.step_id, ended.took)
    on = None if ended is None else date_of_end(course, passage, ended)
    passed = []
    while step is not None:
        found = plan_step(course, step, passage, previous_on=on, ended=ended, now=now)
        if step.id in sent_before and isinstance(step, EmailStep):
            passed.append((step.id, found.on))
        elif step.id not in taken:
            return Next(passed=tuple(passed), step=step, planned=found)
        on = found.on
        step = course.after(step.id, taken.get(step.id, NEXT))
    return Next(passed=tuple(passed), step=None, planned=None)


def date_of_end(course: Course, passage: Passage, ended: Ended) -> date:
    """The date that the following step counts from: the planned one, or an earlier one where a wait ended before its time."""
    if not isinstance(course.steps.get(ended.step_id), WaitStep):
        return ended.on
    return min(ended.on, local_date(ended.at, passage.zone) - timedelta(days=passage.shift_days))


def plan_step(
    course: Course, step: Step, passage: Passage, *, previous_on: date | None, ended: Ended | None, now: datetime
) -> Planned:
    """One step's dates, given the planned date and the end of the one before."""
    previous_at = (now if ended is None else ended.at) if previous_on is not None else None
    is_email = isinstance(step, EmailStep)
    found = planned(
        course.timings[step.id],
        anchor_at=passage.anchor_at,
        shift_days=passage.shift_days,
        previous_on=previous_on,
        previous_at=previous_at,
        zone=passage.zone,
        window=course.plan.window if is_email else None,
        gap=course.plan.gap if is_email else None,
        mailed_at=None if ended is None else ended.mailed_at,
        now=now,
        days_off=passage.days_off,
    )
    return found if not isinstance(step, WaitStep) else plan_wait(course, step, passage, found, now)


def plan_wait(course: Course, step: WaitStep, passage: Passage, start: Planned, now: datetime) -> Planned:
    """A wait's date is that of its timeout. One with a condition looks at it when it begins; a pause is due at its end."""
    end = end_of_wait(course, step, passage, start, now)
    return end if step.condition is None else Planned(on=end.on, due_at=start.due_at)


def end_of_wait(course: Course, step: WaitStep, passage: Passage, start: Planned, now: datetime) -> Planned:
    return planned(
        timeout_of(course, step),
        anchor_at=passage.anchor_at,
        shift_days=passage.shift_days,
        previous_on=start.on,
        previous_at=start.due_at,
        zone=passage.zone,
        window=None,
        gap=None,
        now=now,
        days_off=passage.days_off,
    )


def timeout_of(course: Course, step: WaitStep) -> Timing:
    return Timing(base="after", span=step.timeout, clock=course.plan.window.opens)


def timeout_at(course: Course, step: WaitStep, passage: Passage, *, on: date, created_at: datetime) -> datetime:
    """When the wait of a touch times out, worked out again from what its row says: its planned date and its beginning."""
    if step.timeout.is_whole_days:
        timing, day = timeout_of(course, step), on + timedelta(days=passage.shift_days)
        return wanted_at(timing, day, created_at, passage.zone, None)
    began_on = local_date(created_at, passage.zone) - timedelta(days=passage.shift_days)
    start = planned(
        course.timings[step.id],
        anchor_at=passage.anchor_at,
        shift_days=passage.shift_days,
        previous_on=began_on,
        previous_at=created_at,
        zone=passage.zone,
        window=None,
        gap=None,
        now=created_at,
        days_off=passage.days_off,
    )
    return end_of_wait(course, step, passage, start, created_at).due_at


def due_again(
    course: Course,
    step: Step,
    passage: Passage,
    *,
    on: date,
    created_at: datetime,
    mailed_at: datetime | None,
    now: datetime,
) -> datetime:
    """When an open touch is due after its passage stood still: its planned date with the days it stood. Never before now."""
    if isinstance(step, WaitStep):
        waits_for = step.condition is not None
        return now if waits_for else max(now, timeout_at(course, step, passage, on=on, created_at=created_at))
    timing, is_email = course.timings[step.id], isinstance(step, EmailStep)
    window = course.plan.window if is_email else None
    if timing.span.seconds:
        wanted = timing.span.after(created_at, passage.zone, passage.days_off)
    else:
        wanted = wanted_at(timing, on + timedelta(days=passage.shift_days), created_at, passage.zone, window)
    gap = course.plan.gap if is_email else None
    return allowed_at(wanted, timing.clock, passage.zone, window, gap, now, mailed_at, passage.days_off)
