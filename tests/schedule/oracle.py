"""A second opinion on `engine.schedule.timing`: the same rules, spelt with another date library.

`tests/schedule/test_timing.py` compares the two over drawn cases; this file run by itself compares them over as many as asked:

    python -m tests.schedule.oracle --draws 1000000 --seed 1
"""

import argparse
import random
import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

import whenever as w

from engine.compiler.plan import Timing, Window
from engine.schedule.timing import planned
from engine.spans import Span

ZONES = sorted(available_timezones() - {"localtime", "Factory"})
FIRST, LAST = datetime(2020, 1, 1, tzinfo=UTC), datetime(2040, 12, 31, tzinfo=UTC)
CLOCKS = [time(0), time(0, 30), time(1, 30), time(2), time(2, 15), time(2, 30), time(3), time(9), time(14, 30), time(23, 45)]


@dataclass(frozen=True, kw_only=True)
class Case:
    timing: Timing
    anchor_at: datetime
    shift_days: int
    previous_on: date | None
    previous_at: datetime | None
    zone: str
    window: Window | None
    gap: Span | None
    mailed_at: datetime | None
    now: datetime
    days_off: frozenset[date]


def by_engine(case: Case) -> tuple[date, datetime]:
    arguments = {name: getattr(case, name) for name in case.__dataclass_fields__ if name != "zone"}
    found = planned(zone=ZoneInfo(case.zone), **arguments)
    return found.on, found.due_at


def by_oracle(case: Case) -> tuple[date, datetime]:
    from_anchor = case.timing.base == "at" or case.previous_on is None
    start_at = w.Instant(case.anchor_at).add(hours=24 * case.shift_days) if from_anchor else w.Instant(case.previous_at)
    start_on = local(w.Instant(case.anchor_at), case).date() if from_anchor else w.Date(case.previous_on)
    if case.timing.span.seconds:
        wanted = add_span(start_at, case.timing.span, case)
        on = local(wanted, case).date().subtract(days=case.shift_days)
    else:
        on = add_days(start_on, case.timing.span, case)
        wanted = wanted_on(on.add(days=case.shift_days), start_at, case)
    return on.to_stdlib(), first_allowed(wanted, case).to_stdlib().astimezone(UTC)


def wanted_on(day: w.Date, start_at: w.Instant, case: Case) -> w.Instant:
    if case.timing.clock is not None:
        return first_showing(day, case.timing.clock, case)
    if case.timing.span == Span():
        return max(first_showing(day, time(0), case), start_at)
    return first_showing(day, case.window.opens if case.window else time(0), case)


def first_allowed(wanted: w.Instant, case: Case) -> w.Instant:
    """The earliest of: the first moment at which nothing else forbids it, and every later opening."""
    earliest = max(wanted, w.Instant(case.now))
    if case.gap and case.mailed_at:
        mailed = w.Instant(case.mailed_at)
        if case.gap.seconds:
            earliest = max(earliest, add_span(mailed, case.gap, case))
        else:
            earliest = max(earliest, first_showing(add_days(local(mailed, case).date(), case.gap, case), time(0), case))
    if case.window is None or shows_open(earliest, case):
        return earliest
    days = (openings(earliest, case, ahead) for ahead in range(400))
    return next(min(found) for day in days if (found := [each for each in day if each >= earliest and shows_open(each, case)]))


def openings(earliest: w.Instant, case: Case, ahead: int) -> list[w.Instant]:
    assert case.window is not None
    clock = case.timing.clock
    usual = clock is None or not case.window.opens <= clock < case.window.closes or in_silence(clock, case.window)
    times = {case.window.opens} | {ends for _begins, ends in case.window.quiet} if usual else {clock}
    return [first_showing(local(earliest, case).date().add(days=ahead), each, case) for each in times]


def shows_open(instant: w.Instant, case: Case) -> bool:
    shown = local(instant, case)
    weekday, clock = shown.date().day_of_week().value - 1, shown.time().to_stdlib()
    if case.window.holidays and shown.date().to_stdlib() in case.days_off:
        return False
    in_window = weekday in case.window.weekdays and case.window.opens <= clock < case.window.closes
    return in_window and not in_silence(clock, case.window)


def in_silence(clock: time, window: Window) -> bool:
    """Counted in minutes of a day of which the silence may be cut in two by midnight."""
    minute = clock.hour * 60 + clock.minute + clock.second / 60 + clock.microsecond / 6e7
    for begins, ends in window.quiet:
        first, last = begins.hour * 60 + begins.minute, ends.hour * 60 + ends.minute
        pieces = [(first, last)] if first < last else [(first, 1440), (0, last)]
        if any(start <= minute < end for start, end in pieces):
            return True
    return False


def add_days(day: w.Date, span: Span, case: Case) -> w.Date:
    day = day.add(months=span.months).add(days=span.days)
    if span.business_days:
        while is_free(day, case):
            day = day.subtract(days=1)
    for _ in range(span.business_days):
        day = day.add(days=1)
        while is_free(day, case):
            day = day.add(days=1)
    return day


def is_free(day: w.Date, case: Case) -> bool:
    return day.day_of_week().value > 5 or day.to_stdlib() in case.days_off


def add_span(instant: w.Instant, span: Span, case: Case) -> w.Instant:
    shown = local(instant, case)
    day = add_days(shown.date(), span, case)
    if day != shown.date():
        instant = day.at(shown.time()).assume_tz(case.zone, disambiguation="compatible").to_instant()
    return instant.add(seconds=span.seconds)


def first_showing(day: w.Date, clock: time, case: Case) -> w.Instant:
    wanted = day.at(w.Time(clock))
    try:
        return wanted.assume_tz(case.zone, disambiguation="raise").to_instant()
    except w.RepeatedTime:
        return wanted.assume_tz(case.zone, disambiguation="earlier").to_instant()
    except w.SkippedTime:
        before = wanted.assume_tz(case.zone, disambiguation="earlier").to_instant().timestamp()
        after = wanted.assume_tz(case.zone, disambiguation="later").to_instant().timestamp()
        while after - before > 1:
            middle = (before + after) // 2
            shows = local(w.Instant.from_timestamp(middle), case) >= wanted
            before, after = (before, middle) if shows else (middle, after)
        return w.Instant.from_timestamp(after)


def local(instant: w.Instant, case: Case) -> w.PlainDateTime:
    return instant.to_tz(case.zone).to_plain()


def draw(chance: random.Random) -> Case:
    zone, timing = chance.choice(ZONES), draw_timing(chance)
    anchor_at = moment(chance, FIRST, LAST) if chance.random() < 0.7 else before_a_change(chance, zone, timing.span)
    previous_at = chance.choice([None, moment(chance, anchor_at, anchor_at + timedelta(days=400))])
    previous_on = previous_at and previous_at.date() + timedelta(days=chance.choice([-3, -1, 0, 0, 0, 1, 5]))
    return Case(
        timing=timing,
        anchor_at=anchor_at,
        shift_days=chance.choice([0, 0, 0, 1, 13, 200]),
        previous_on=previous_on,
        previous_at=previous_at,
        zone=zone,
        window=draw_window(chance),
        gap=chance.choice([None, Span(days=1), Span(days=3), Span(seconds=7_200), Span(business_days=2)]),
        mailed_at=previous_at and chance.choice([None, previous_at, previous_at - timedelta(hours=chance.randrange(200))]),
        now=chance.choice([FIRST, previous_at or anchor_at, moment(chance, anchor_at, anchor_at + timedelta(days=500))]),
        days_off=draw_days_off(chance, anchor_at.date()),
    )


def draw_timing(chance: random.Random) -> Timing:
    clock = chance.choice([None, chance.choice(CLOCKS)])
    return Timing(base=chance.choice(["at", "after"]), span=draw_span(chance), clock=clock)


def before_a_change(chance: random.Random, zone: str, span: Span) -> datetime:
    """An anchor from which the span leads to a day on which the zone's clocks change, so that the rare case is drawn often."""
    change = chance.choice(changes(zone))
    return change - timedelta(days=span.days + 30 * span.months, seconds=chance.randrange(-43_200, 43_200))


@cache
def changes(zone: str) -> list[datetime]:
    """The days between the first and the last on which the zone's offset is another than the day before."""
    days = [FIRST + timedelta(days=n) for n in range((LAST - FIRST).days)]
    offsets = [day.astimezone(ZoneInfo(zone)).utcoffset() for day in days]
    return [day for day, was, is_now in zip(days, offsets, offsets[1:], strict=False) if was != is_now] or [FIRST]


def draw_span(chance: random.Random) -> Span:
    return chance.choice(
        [
            Span(),
            Span(days=chance.randrange(1, 900)),
            Span(months=chance.randrange(1, 30)),
            Span(business_days=chance.randrange(1, 30)),
            Span(seconds=chance.randrange(1, 400_000)),
            Span(months=1, days=2, seconds=60 * chance.randrange(1, 2_000)),
        ]
    )


def draw_window(chance: random.Random) -> Window | None:
    if chance.random() < 0.2:
        return None
    weekdays = tuple(sorted(chance.sample(range(7), chance.randrange(1, 8))))
    opens, closes = sorted(chance.sample([*CLOCKS, time(17)], 2))
    quiet = draw_quiet(chance, opens, closes) if chance.random() < 0.4 else ()
    return Window(weekdays=weekdays, opens=opens, closes=closes, quiet=quiet, holidays=chance.random() < 0.8)


def draw_quiet(chance: random.Random, opens: time, closes: time) -> tuple[tuple[time, time], ...]:
    """One or two silences, some over midnight, that leave the window at least its opening or its end."""
    minutes = sorted(chance.sample(range(0, 1440, 15), 4))
    edges = [time(minute // 60, minute % 60) for minute in minutes]
    drawn = chance.choice([[(edges[0], edges[1])], [(edges[3], edges[0])], [(edges[0], edges[1]), (edges[2], edges[3])]])
    window = Window(weekdays=(0,), opens=opens, closes=closes, quiet=tuple(drawn))
    ends = (closes.hour * 60 + closes.minute or 1440) - 1
    some_open = any(
        opens.hour * 60 + opens.minute <= minute <= ends and not in_silence(time(minute // 60, minute % 60), window)
        for minute in (opens.hour * 60 + opens.minute, ends, *minutes)
    )
    return tuple(drawn) if some_open else ()


def draw_days_off(chance: random.Random, start: date) -> frozenset[date]:
    """Single days, most often near the anchor, and now and then two weeks in a row."""
    if chance.random() < 0.5:
        return frozenset()
    days = {start + timedelta(days=chance.choice([chance.randrange(20), chance.randrange(900)])) for _ in range(12)}
    holiday = start + timedelta(days=chance.randrange(600))
    return frozenset(days | {holiday + timedelta(days=n) for n in range(chance.choice([0, 0, 14]))})


def moment(chance: random.Random, first: datetime, last: datetime) -> datetime:
    return first + timedelta(seconds=chance.randrange(int((last - first).total_seconds())))


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare the schedule's arithmetic with another date library's.")
    parser.add_argument("--draws", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    chance = random.Random(asked.seed)
    for drawn in range(asked.draws):
        case = draw(chance)
        ours, theirs = by_engine(case), by_oracle(case)
        if ours != theirs:
            print(f"draw {drawn} of seed {asked.seed}: engine {ours}, oracle {theirs}\n{case}")
            return 1
    print(f"{asked.draws} draws over {len(ZONES)} zones agree (seed {asked.seed})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
