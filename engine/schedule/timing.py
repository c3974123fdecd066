"""When a step is due: calendar arithmetic in a lead's own zone, as a pure function.

Before: the compiler reads `at:`, `after:` and windows into `Timing` and `Window`. After: `engine.schedule.next_step` asks this
module for each step that it comes to. Days and months always count from the anchor, so month ends never drift.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from engine.compiler.plan import Timing, Window
from engine.spans import NO_DAYS_OFF, DaysOff, Span

MIDNIGHT = time(0)
DAYS_TO_LOOK_AHEAD = 400  # a house may shut for a season, and a window of one weekday fall into a clock change after it


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """`on`: the local date by the cadence alone, before shifts and windows. `due_at`: when it is to happen."""

    on: date
    due_at: datetime


def planned(
    timing: Timing,
    *,
    anchor_at: datetime,
    shift_days: int,
    previous_on: date | None,
    previous_at: datetime | None,
    zone: ZoneInfo,
    window: Window | None,
    gap: Span | None,
    now: datetime,
    mailed_at: datetime | None = None,
    days_off: DaysOff = NO_DAYS_OFF,
) -> Planned:
    """Plan one step.

    `at` counts from the anchor's local date; `after` from `previous_on`, or for hours and minutes from `previous_at` (the first
    step has neither and counts from the anchor). `shift_days` come on top. The result is never before `now`, never sooner
    than `gap` after `mailed_at`, and within `window`; None lifts any of the three. Business days skip `days_off`, and the window
    is shut on them.
    """
    anchored = timing.base == "at" or previous_on is None or previous_at is None
    from_at = anchor_at + timedelta(days=shift_days) if anchored else previous_at
    from_on = local_date(anchor_at, zone) if anchored else previous_on
    assert from_at is not None and from_on is not None
    if timing.span.seconds:
        wanted = timing.span.after(from_at, zone, days_off)
        on = local_date(wanted, zone) - timedelta(days=shift_days)
    else:
        on = timing.span.after_day(from_on, days_off)
        wanted = wanted_at(timing, on + timedelta(days=shift_days), from_at, zone, window)
    due_at = allowed_at(wanted, timing.clock, zone, window, gap, now, mailed_at, days_off)
    return Planned(on=on, due_at=due_at)


def wanted_at(timing: Timing, day: date, from_at: datetime, zone: ZoneInfo, window: Window | None) -> datetime:
    """The instant on `day` that the cadence asks for: its clock time, else the opening; a span of nothing asks for at once."""
    if timing.clock is not None:
        return first_instant(day, timing.clock, zone)
    if timing.span:
        return first_instant(day, window.opens if window else MIDNIGHT, zone)
    return max(first_instant(day, MIDNIGHT, zone), from_at)


def allowed_at(
    wanted: datetime,
    clock: time | None,
    zone: ZoneInfo,
    window: Window | None,
    gap: Span | None,
    now: datetime,
    mailed_at: datetime | None,
    days_off: DaysOff = NO_DAYS_OFF,
) -> datetime:
    """The first instant from `wanted` on at which nothing forbids the step."""
    earliest = max(wanted, now)
    if gap and mailed_at is not None:
        earliest = max(earliest, end_of_gap(gap, mailed_at, zone, days_off))
    return earliest if window is None else into_window(earliest, window, zone, clock=clock, days_off=days_off)


def end_of_gap(gap: Span, mailed_at: datetime, zone: ZoneInfo, days_off: DaysOff = NO_DAYS_OFF) -> datetime:
    """Whole days are calendar days: a mail late on Monday and the next early on Tuesday are one day apart."""
    if gap.is_whole_days:
        return first_instant(gap.after_day(local_date(mailed_at, zone), days_off), MIDNIGHT, zone)
    return gap.after(mailed_at, zone, days_off)


def into_window(
    instant: datetime,
    window: Window,
    zone: ZoneInfo,
    *,
    clock: time | None = None,
    days_off: DaysOff = NO_DAYS_OFF,
) -> datetime:
    """`instant` itself when the lead's clock shows an open time, else the next opening, or the next `clock` if that is open."""
    local = instant.astimezone(zone)
    if is_open(local, window, days_off):
        return instant
    openings = openings_of(window, clock)
    for ahead in range(DAYS_TO_LOOK_AHEAD):
        day = local.date() + timedelta(days=ahead)
        if day.weekday() not in window.weekdays:
            continue
        for opens in openings:
            opening = first_instant(day, opens, zone)
            if opening >= instant and is_open(opening.astimezone(zone), window, days_off):
                return opening
    raise ValueError(f"{window} does not open within {DAYS_TO_LOOK_AHEAD} days of {instant} in {zone.key}")


def is_open(local: datetime, window: Window, days_off: DaysOff) -> bool:
    clock = local.time()
    if local.weekday() not in window.weekdays or not window.opens <= clock < window.closes:
        return False
    if window.quiet and is_quiet(clock, window):
        return False
    return not (days_off and window.holidays and local.date() in days_off)


def is_quiet(clock: time, window: Window) -> bool:
    """Hours whose end is not after their beginning pass midnight."""
    return any(begins <= clock < ends if begins < ends else clock >= begins or clock < ends for begins, ends in window.quiet)


def openings_of(window: Window, clock: time | None) -> Sequence[time]:
    """The times of day at which it may open, in their order: `clock` alone where that is open, else every end of a silence."""
    if clock is not None and window.opens <= clock < window.closes and not is_quiet(clock, window):
        return (clock,)
    if not window.quiet:
        return (window.opens,)
    return sorted({window.opens, *(ends for _begins, ends in window.quiet if window.opens < ends < window.closes)})


def local_date(instant: datetime, zone: ZoneInfo) -> date:
    return instant.astimezone(zone).date()


@lru_cache(maxsize=65_536)
def first_instant(day: date, clock: time, zone: ZoneInfo) -> datetime:
    """The first instant at which the zone's clock shows `clock` on `day`, or has jumped past it. UTC.

    Python maps a time that a clock change skips to one as much later as the change is long; we want the first that exists.
    """
    wall = datetime.combine(day, clock)
    early = wall.replace(tzinfo=zone).astimezone(UTC)  # fold=0: the first of two
    if early.astimezone(zone).replace(tzinfo=None) == wall:
        return early
    return change_between(wall.replace(tzinfo=zone, fold=1).astimezone(UTC), early, zone)


def change_between(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The first second with the offset that holds at `after`; a skipped time read with fold=1 lies before it (PEP 495)."""
    offset = after.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
        if middle.astimezone(zone).utcoffset() == offset:
            after = middle
        else:
            before = middle
    return after
