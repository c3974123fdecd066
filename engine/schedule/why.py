"""Why an open touch is due when it is, in words: the plan, the days it stood still, the gap, the window.

Before: a touch has its date, by `engine.schedule.next_step`. After: `handraiser explain` tells it. The same rules are asked here
one by one, so that each that made a difference can be named.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from engine.compiler.plan import EmailStep, Step, Timing, WaitStep, Window
from engine.schedule.holidays import holiday_name
from engine.schedule.next_step import Course, Passage, timeout_at
from engine.schedule.timing import end_of_gap, into_window, local_date, wanted_at

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTouch:
    """What the row says. `on`: its planned date; `mailed_at`: when its passage last sent a mail."""

    on: date
    created_at: datetime
    due_at: datetime | None
    mailed_at: datetime | None


def why_then(course: Course, step: Step, passage: Passage, touch: OpenTouch) -> list[str]:
    """What led to its date, in the order in which it counts. Only what made a difference is told."""
    if isinstance(step, WaitStep):
        return [why_it_waits(course, step, passage, touch)]
    told = [why_planned(course, step, passage, touch)]
    if passage.shift_days:
        told.append(f"moved by {days(passage.shift_days)}, for which the cadence stood still")
    return told + (what_moved_mail(course, step, passage, touch) if isinstance(step, EmailStep) else [])


def why_it_waits(course: Course, step: WaitStep, passage: Passage, touch: OpenTouch) -> str:
    if step.condition is None:
        return f"a pause of {step.timeout}, until {moment(touch.due_at, passage.zone)}"
    timeout = timeout_at(course, step, passage, on=touch.on, created_at=touch.created_at)
    return f"waits for {step.condition}, until {moment(timeout, passage.zone)} at the latest"


def why_planned(course: Course, step: Step, passage: Passage, touch: OpenTouch) -> str:
    began_on = local_date(passage.anchor_at, passage.zone)
    counts_from_start = step.timing.base == "at" or step.id == course.plan.steps[0].id
    start = f"the beginning on {day(began_on)}" if counts_from_start else "the step before it"
    clock = f" at {step.timing.clock:%H:%M}" if step.timing.clock else ""
    if not step.timing.span:
        return f"planned for {day(touch.on)}{clock}, with {start}"
    return f"planned for {day(touch.on)}{clock}, {step.timing.span} after {start}"


def what_moved_mail(course: Course, step: EmailStep, passage: Passage, touch: OpenTouch) -> list[str]:
    """The step before that ended late, the gap between two mails, and the window."""
    timing, window, zone = course.timings[step.id], course.plan.window, passage.zone
    earliest, told = wanted(timing, passage, touch, window), []
    if local_date(touch.created_at, zone) > local_date(earliest, zone):
        told.append(f"the step before it ended on {moment(touch.created_at, zone)}")
    earliest = max(earliest, touch.created_at)
    gap_ends = end_of_gap(course.plan.gap, touch.mailed_at, zone, passage.days_off) if touch.mailed_at is not None else earliest
    if course.plan.gap and touch.mailed_at is not None and gap_ends > earliest:
        earliest = gap_ends
        told.append(f"not sooner than {course.plan.gap} after the mail of {moment(touch.mailed_at, zone)}")
    opens_at = into_window(earliest, window, zone, clock=timing.clock, days_off=passage.days_off)
    if opens_at != earliest:
        told += why_shut_until(local_date(opens_at, zone), local_date(earliest, zone), window, passage)
    return told


def why_shut_until(opens_on: date, on: date, window: Window, passage: Passage) -> list[str]:
    """Each reason once: a holiday behind a weekend is a second one."""
    shut = [on + timedelta(days=ahead) for ahead in range(max(1, (opens_on - on).days))]
    return list(dict.fromkeys(why_shut(each, window, passage) for each in shut))


def why_shut(on: date, window: Window, passage: Passage) -> str:
    if window.holidays and on in passage.days_off and on.weekday() in window.weekdays:
        name = holiday_name(passage.days_off, on)
        return f"{day(on)} is a holiday" + (f": {name}" if name else "")
    return f"mail goes out {in_words(window)} in {passage.zone.key}"


def wanted(timing: Timing, passage: Passage, touch: OpenTouch, window: Window) -> datetime:
    if timing.span.seconds:
        return timing.span.after(touch.created_at, passage.zone, passage.days_off)
    return wanted_at(timing, touch.on + timedelta(days=passage.shift_days), touch.created_at, passage.zone, window)


def in_words(window: Window) -> str:
    """`Mon–Fri, 09:00–17:00`."""
    weekdays = window.weekdays
    is_run = len(weekdays) > 2 and weekdays == tuple(range(weekdays[0], weekdays[-1] + 1))
    named = f"{WEEKDAYS[weekdays[0]]}–{WEEKDAYS[weekdays[-1]]}" if is_run else ", ".join(WEEKDAYS[each] for each in weekdays)
    quiet = "".join(f", not {begins:%H:%M}–{ends:%H:%M}" for begins, ends in window.quiet)
    return f"{named}, {window.opens:%H:%M}–{window.closes:%H:%M}{quiet}"


def day(of: date) -> str:
    return f"{of:%a %d %b %Y}"


def moment(instant: datetime | None, zone: ZoneInfo) -> str:
    return f"{instant.astimezone(zone):%a %d %b %Y %H:%M}" if instant else "some day"


def days(number: int) -> str:
    return f"{number} day" + ("" if number == 1 else "s")
