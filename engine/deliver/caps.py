"""Caps: how many marketing mails a person may get, and the first day on which one more is allowed.

Pure. Days are the lead's own local dates; a week is the 7 days, and a month the 30 days, that end with the day in question, so
that a cap cannot be doubled around a boundary. `engine.deliver.gate` counts and asks.
"""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from engine.compiler.plan import Caps

LONGEST_SPAN = 30
MOST_DAYS_AHEAD = 2  # of one zone before another: while it is Sunday on Samoa it may be Tuesday on Kiritimati


def has_room(counted: Sequence[date], caps: Caps, day: date) -> bool:
    """Whether one more mail on `day` keeps every cap; `counted` are the days of those that count already."""
    return all(within(counted, day, span) < limit for limit, span, _name in limits_of(caps))


def limits_of(caps: Caps) -> Iterator[tuple[int, int, str]]:
    """(how many, in how many days, what those are called) of each cap that there is."""
    for limit, span, name in ((caps.per_day, 1, "day"), (caps.per_week, 7, "week"), (caps.per_month, LONGEST_SPAN, "month")):
        if limit is not None:
            yield limit, span, name


def within(counted: Sequence[date], day: date, span: int) -> int:
    """Later ones too: one who lives, or was thought to live, farther east had them on what is tomorrow here, and a span that
    ends then has this day in it.
    """
    before = day - timedelta(days=span)
    return sum([before < counted_on for counted_on in counted])


def next_day_with_room(counted: Sequence[date], caps: Caps, day: date) -> date:
    """The first later day with room. A month of nothing frees every cap; a cap of 0 is looked at again after that."""
    days = (day + timedelta(days=ahead) for ahead in range(1, LONGEST_SPAN + MOST_DAYS_AHEAD + 1))
    return next((later for later in days if has_room(counted, caps, later)), day + timedelta(days=LONGEST_SPAN))
