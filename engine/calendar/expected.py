"""What the calendar expects: mails by day, cadence and step, and what becomes of everybody. Pure.

Before: `engine.calendar.forecast` adds up all walks into it. After: every form of the calendar reads it.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from engine.calendar.arrivals import Rate
from engine.calendar.odds import Odds
from engine.compiler.plan import CadencePlan

OTHER_DOMAINS = "all others"
TRACE = 1e-6


@dataclass(slots=True, kw_only=True)
class Forecast:
    """What is to be expected. Days are ordinals from `begins` to before `ends`; amounts are expected values, so no whole numbers.

    `sends`: by (day, cadence, step), after the caps. `newcomers`: of them those to people still to come, by (day, cadence).
    `pushed`: mails that a window, a holiday or a gap moved there, by (day, cadence, what). `domains`: by domain and day.
    `unsent`: mails that people come to and do not get, by (cadence, step, reason). `ended`: where people are in the end, by
    (cadence, reason). `capped`: mails that a cap held back, by (day for which they were planned, cap, cadences); `delayed`:
    those that go later for it, by cadence.
    """

    begins: date
    ends: date
    plans: dict[str, CadencePlan]
    odds: Odds
    new: Mapping[str, Rate]
    held_back: tuple[str, ...] = ()  # by a person, now; no day is moved for it, but who stands still is not walked
    people: int = 0
    passages: int = 0
    drops: bool = False  # whether what a cap holds back is left out for good
    groups: int = 0
    inside: Counter[str] = field(default_factory=Counter)
    standing_still: Counter[str] = field(default_factory=Counter)
    sends: dict[tuple[int, str, str], float] = field(default_factory=lambda: defaultdict(float))
    pushed: dict[tuple[int, str, str], float] = field(default_factory=lambda: defaultdict(float))
    domains: dict[str, dict[int, float]] = field(default_factory=dict)
    unsent: dict[tuple[str, str, str], float] = field(default_factory=lambda: defaultdict(float))
    ended: dict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))
    reached: dict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))
    newcomers: dict[tuple[int, str], float] = field(default_factory=lambda: defaultdict(float))
    delayed: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    capped: dict[tuple[int, str, tuple[str, ...]], float] = field(default_factory=lambda: defaultdict(float))

    @property
    def days(self) -> range:
        return range(self.begins.toordinal(), self.ends.toordinal())

    def by_day(self) -> dict[str, dict[int, float]]:
        """Mails by cadence and day."""
        found: dict[str, dict[int, float]] = {name: defaultdict(float) for name in self.plans}
        for (day, cadence, _step), mails in self.sends.items():
            found.setdefault(cadence, defaultdict(float))[day] += mails
        return found

    def newcomers_by_day(self) -> dict[str, dict[int, float]]:
        """Mails to people who are still to come, by cadence and day."""
        found: dict[str, dict[int, float]] = {}
        for (day, cadence), mails in self.newcomers.items():
            if mails > TRACE:
                found.setdefault(cadence, {})[day] = mails
        return found

    def by_date(self) -> dict[int, dict[tuple[str, str], float]]:
        """Mails by day, then by (cadence, step)."""
        found: dict[int, dict[tuple[str, str], float]] = {}
        for (day, cadence, step), mails in self.sends.items():
            found.setdefault(day, {})[cadence, step] = mails
        return found

    def totals(self) -> dict[int, float]:
        """Mails by day."""
        found: dict[int, float] = defaultdict(float)
        for (day, _cadence, _step), mails in self.sends.items():
            found[day] += mails
        return found

    def forget_traces(self) -> None:
        """What is left of a day's mails when all of them were moved away is nothing."""
        self.sends = {key: mails for key, mails in self.sends.items() if mails > TRACE}
