"""How long something takes, in a marketer's words: `3 business days`, `2 months`, `10 minutes`.

Nothing comes before this module. The compiler, the conditions (`within=`) and the schedule read their durations with
`parse_span`, so there is one grammar; `str` of a span is read back as the same span.
"""

import re
from calendar import monthrange
from collections.abc import Container
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from difflib import get_close_matches

EXAMPLES = "write it like `10 minutes`, `4 hours`, `3 days`, `2 weeks`, `3 business days`, `2 months` or `1 year`"
LONGEST_IN_DAYS = 36_600

DaysOff = Container[date]  # public holidays and the like, on which nobody works
NO_DAYS_OFF: DaysOff = frozenset()

# unit: (the part of a span it counts in, how many of those), the longest unit of a part first
UNITS: dict[str, tuple[str, int]] = {
    "year": ("months", 12),
    "month": ("months", 1),
    "week": ("days", 7),
    "day": ("days", 1),
    "business day": ("business_days", 1),
    "hour": ("seconds", 3600),
    "minute": ("seconds", 60),
    "second": ("seconds", 1),
}
DAYS_OF_PART = {"months": 31.0, "days": 1.0, "business_days": 1.4, "seconds": 1 / 86_400}

_ITEM = re.compile(r"(?P<count>\d+)\s+(?P<unit>business\s+[a-z]+|[a-z]+)")
_BETWEEN = re.compile(r"\s*,?\s*(?:and\s+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A length of time whose months and days are the calendar's and whose seconds are the clock's.

    Moving by it goes in that order: months, days, business days (Monday to Friday without days off), seconds. Raises
    ValueError for a negative part or for more than about a hundred years.
    """

    months: int = 0
    days: int = 0
    business_days: int = 0
    seconds: int = 0

    def __post_init__(self) -> None:
        if min(self.months, self.days, self.business_days, self.seconds) < 0:
            raise ValueError("a span of time cannot be negative")
        if sum(getattr(self, part) * days for part, days in DAYS_OF_PART.items()) > LONGEST_IN_DAYS:
            raise ValueError("a span of time cannot be longer than a hundred years")

    def after(self, instant: datetime, zone: tzinfo, days_off: DaysOff = NO_DAYS_OFF) -> datetime:
        """`instant` moved forward by this span, in UTC; the wall time in `zone` stays through a change of clocks."""
        return self._from(instant, zone, days_off, forward=True)

    def before(self, instant: datetime, zone: tzinfo) -> datetime:
        """`instant` moved back by this span, in UTC; the wall time in `zone` stays through a change of clocks."""
        return self._from(instant, zone, NO_DAYS_OFF, forward=False)

    def after_day(self, day: date, days_off: DaysOff = NO_DAYS_OFF) -> date:
        """The calendar day this span after `day`. The seconds do not count: see `is_whole_days`."""
        return self._move_day(day, 1, days_off)

    @property
    def is_whole_days(self) -> bool:
        """Whether it is counted on the calendar alone, so that moving a date by it loses nothing."""
        return self.seconds == 0

    def __bool__(self) -> bool:
        """False for a span of no length."""
        return bool(self.months or self.days or self.business_days or self.seconds)

    def __str__(self) -> str:
        parts = ("months", "days", "business_days", "seconds")
        return " ".join(_in_words(part, getattr(self, part)) for part in parts if getattr(self, part)) or "0 days"

    def _from(self, instant: datetime, zone: tzinfo, days_off: DaysOff, *, forward: bool) -> datetime:
        sign = 1 if forward else -1
        local = instant.astimezone(zone)
        moved_day = self._move_day(local.date(), sign, days_off)
        if moved_day != local.date():
            local = datetime.combine(moved_day, local.time(), zone)
        return local.astimezone(UTC) + sign * timedelta(seconds=self.seconds)

    def _move_day(self, day: date, sign: int, days_off: DaysOff) -> date:
        day = _move_months(day, sign * self.months) + timedelta(days=sign * self.days)
        return _move_business_days(day, self.business_days, sign, days_off)


def parse_span(text: str) -> Span:
    """The span that `text` says, such as `3 business days` or `1 month and 3 days`. Raises ValueError with examples."""
    parts = {part: 0 for part in DAYS_OF_PART}
    for count, unit in _items(text):
        part, size = UNITS[unit]
        parts[part] += count * size
    return Span(**parts)


def _items(text: str) -> list[tuple[int, str]]:
    rest, items = text.strip().lower(), []
    while found := _ITEM.match(rest):
        items.append((_count(found["count"], text), _unit(found["unit"], text)))
        rest = rest[found.end() :]
        between = _BETWEEN.match(rest)
        if not rest or between is None or between.end() == 0:
            break
        rest = rest[between.end() :] or "?"
    if rest or not items:
        raise ValueError(f"{text!r} is not a span of time; {EXAMPLES}")
    return items


def _count(digits: str, text: str) -> int:
    if len(digits) > 12:
        raise ValueError(f"{text!r} is longer than a hundred years")
    return int(digits)


def _unit(word: str, text: str) -> str:
    word = re.sub(r"\s+", " ", word)
    unit = word if word in UNITS else word.removesuffix("s")
    if unit in UNITS:
        return unit
    close = get_close_matches(unit, UNITS, n=1)
    hint = f" (did you mean {close[0] + 's'!r}?)" if close else ""
    raise ValueError(f"{text!r} is not a span of time: {word!r} is not a unit{hint}; {EXAMPLES}")


def _in_words(part: str, amount: int) -> str:
    """`amount` of one part in the longest unit that fits without a rest."""
    unit, size = next((u, s) for u, (p, s) in UNITS.items() if p == part and amount % s == 0)
    count = amount // size
    return f"{count} {unit}" + ("" if count == 1 else "s")


def _move_months(day: date, months: int) -> date:
    """The same day of another month, or that month's last when it is shorter."""
    if not months:
        return day
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def _move_business_days(day: date, count: int, sign: int, days_off: DaysOff) -> date:
    """From a day off, counting starts on the working day behind it, so one after Saturday is Monday."""
    if not count:
        return day
    forth = timedelta(days=sign)
    while _is_off(day, days_off):
        day -= forth
    weeks, rest = divmod(count, 5) if not days_off else (0, count)
    day += timedelta(weeks=sign * weeks)
    for _ in range(rest):
        day += forth
        while _is_off(day, days_off):
            day += forth
    return day


def _is_off(day: date, days_off: DaysOff) -> bool:
    return day.weekday() > 4 or day in days_off
