"""Where the caps will hold mail back: people who are to get more mails in a day, a week or a month than one person may. Pure.

Before: `engine.calendar.forecast` has the days of each group's mails. After: `engine.calendar.collisions` tells them. The caps
are those that `engine.deliver.gate` counts: the lead's day, its last 7 and its last 30. What people in several cadences are to
get is added up; of mails that are only likely, the expected number over the cap counts.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from engine.compiler.plan import Caps
from engine.deliver.caps import LONGEST_SPAN

Days = Mapping[int, float]
LEAST = 0.01  # of one mail to one person


def over_caps(caps: Caps, walks: Sequence[Days]) -> dict[tuple[int, str], float]:
    """Mails over a cap by (day, which cap), of one person who is on all these walks at once."""
    found: dict[tuple[int, str], float] = defaultdict(float)
    days = sorted({day for walk in walks for day in walk})
    whole = {day: sum(walk.get(day, 0.0) for walk in walks) for day in days}
    if caps.per_day is not None and len(walks) > caps.per_day:
        for day in days:
            over = expected_over([walk[day] for walk in walks if day in walk], caps.per_day)
            if over > LEAST:
                found[day, "day"] += over
    for limit, span, name in ((caps.per_week, 7, "week"), (caps.per_month, LONGEST_SPAN, "month")):
        if limit is not None and sum(whole.values()) > limit:
            for day, over in rolling(days, whole, span, limit):
                found[day, name] += over
    return found


def expected_over(chances: Sequence[float], limit: int) -> float:
    """How many mails over `limit` are to be expected of independent ones: the mean of the excess, by their exact distribution."""
    exactly = [1.0]
    for chance in chances:
        chance = min(chance, 1.0)
        exactly = [
            (exactly[n] * (1 - chance) if n < len(exactly) else 0.0) + (exactly[n - 1] * chance if n else 0.0)
            for n in range(len(exactly) + 1)
        ]
    return sum((n - limit) * likely for n, likely in enumerate(exactly) if n > limit)


def rolling(days: Sequence[int], whole: Days, span: int, limit: int) -> Iterable[tuple[int, float]]:
    """The mails over the cap of each day, given the `span` days that end with it; a mail held back does not count again."""
    kept: list[tuple[int, float]] = []
    for day in days:
        kept = [(earlier, mails) for earlier, mails in kept if earlier > day - span]
        room = max(0.0, limit - sum(mails for _earlier, mails in kept))
        over = whole[day] - room
        kept.append((day, min(whole[day], room)))
        if over > LEAST:
            yield day, over
