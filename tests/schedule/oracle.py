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
        on = add_days(start_on, case.timing.span)
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
            earliest = max(earliest, first_showing(add_days(local(mailed, case).date(), case.gap), time(0), case))
    if case.window is None or shows_open(earliest, case):
        return earliest
    return min(opening for opening in openings(earliest, case) if opening >= earliest and shows_open(opening, case))


def openings(earliest: w.Instant, case: Case) -> list[w.Instant]:
    assert case.window is not None
    clock = case.timing.clock
    usual = clock is None or not case.window.opens <= clock < case.window.closes
    day = local(earliest, case).date()
    return [first_showing(day.add(days=n), case.window.opens if usual else clock, case) for n in range(30)]


def shows_open(instant: w.Instant, case: Case) -> bool:
    shown = local(instant, case)
    weekday = shown.date().day_of_week().value - 1
    return weekday in case.window.weekdays and case.window.opens <= shown.time().to_stdlib() < case.window.closes


def add_days(day: w.Date, span: Span) -> w.Date:
    day = day.add(months=span.months).add(days=span.days)
    if span.business_days:
        while day.day_of_week().value > 5:
            day = day.subtract(days=1)
    for _ in range(span.business_days):
        day = day.add(days=1)
        while day.day_of_week().value > 5:
            day = day.add(days=1)
    return day


def add_span(instant: w.Instant, span: Span, case: Case) -> w.Instant:
    shown = local(instant, case)
    day = add_days(shown.date(), span)
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
    return Window(weekdays=weekdays, opens=opens, closes=closes)


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
