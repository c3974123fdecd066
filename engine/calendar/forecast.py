"""The calendar: the mails to be expected on each day of the coming months, added up over all walks.

    gather people into groups → walk each group once → add up → walk who comes in → look for collisions

Before: `engine.calendar.groups` and `engine.calendar.observe` have read the database. After: the terminal, the page and the files
show it. Days are those of the reader. Writes nothing.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

import sqlalchemy as sa

from engine.calendar.capping import over_caps
from engine.calendar.groups import Inside, people_inside
from engine.calendar.observe import observed
from engine.calendar.odds import Odds
from engine.calendar.walk import Road, Walked, begin, walk
from engine.compiler.plan import CadencePlan
from engine.database import Tx
from engine.errors import UsageError
from engine.schedule.courses import course, days_off_of, zone_of
from engine.schedule.next_step import Passage
from engine.schedule.timing import first_instant, local_date
from engine.schema import cadences
from engine.spans import Span
from engine.versions import live_rules

MOST_DOMAINS = 12
OTHER_DOMAINS = "all others"
LONGEST_CHAIN = 20  # cadences that enter one another
IN_A_WEEK = 7

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What somebody wants to know. `stated`: odds that go before the observed ones. `new`: people who come in a week.

    Both by cadence.
    """

    months: int = 24
    stated: Odds = field(default_factory=Odds)
    new: Mapping[str, float] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Forecast:
    """What is to be expected. Days are ordinals from `begins` to before `ends`; amounts are expected values, so no whole numbers.

    `sends`: by (day, cadence, step). `pushed`: of them those that a window, a holiday or a gap moved there, by (day, cadence,
    what). `domains`: by domain and day. `unsent`: mails that people come to and do not get, by (cadence, step, reason). `ended`:
    where people are in the end, by (cadence, reason). `capped`: mails over what one may get, by (day, cap, cadences).
    """

    begins: date
    ends: date
    plans: dict[str, CadencePlan]
    odds: Odds
    new: Mapping[str, float]
    people: int = 0
    passages: int = 0
    groups: int = 0
    inside: Counter[str] = field(default_factory=Counter)
    standing_still: Counter[str] = field(default_factory=Counter)
    sends: dict[tuple[int, str, str], float] = field(default_factory=lambda: defaultdict(float))
    pushed: dict[tuple[int, str, str], float] = field(default_factory=lambda: defaultdict(float))
    domains: dict[str, dict[int, float]] = field(default_factory=dict)
    unsent: dict[tuple[str, str, str], float] = field(default_factory=lambda: defaultdict(float))
    ended: dict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))
    reached: dict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))
    newcomers: dict[str, float] = field(default_factory=lambda: defaultdict(float))  # their mails, by cadence
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


def forecast(tx: Tx, asked: Asked, *, progress: Progress = lambda _done, _of: None) -> Forecast:
    """What is to be expected from now on, of everybody who is inside. Raises DatabaseError before the first `apply`."""
    begins = local_date(tx.now, zone_of(None, "", live_rules(tx).policy))
    ends = Span(months=asked.months).after_day(begins)
    inside = people_inside(tx, until=tx.now + (ends - begins) + timedelta(days=40))
    roads = current_roads(tx)
    plans = {group.place.road.name: group.place.road.course.plan for group in inside.groups} | {
        name: road.course.plan for name, road in roads.items()
    }
    odds = put_before(asked.stated, observed(tx, versions_of(inside, roads)))
    found = Forecast(begins=begins, ends=ends, plans=plans, odds=odds, new=asked.new)
    adding = Adding(tx, found, roads, inside, asked)
    adding.those_inside(progress)
    adding.those_to_come()
    adding.those_entered()
    return found


def put_before(stated: Odds, others: Odds) -> Odds:
    return Odds(steps={**others.steps, **stated.steps}, leaving={**others.leaving, **stated.leaving})


def current_roads(tx: Tx) -> dict[str, Road]:
    """The versions that a new passage gets."""
    chosen = sa.select(cadences.c.name, cadences.c.version_id).where(cadences.c.version_id.is_not(None)).order_by(cadences.c.name)
    return {row.name: Road(course=course(tx, row.version_id)) for row in tx.run(chosen)}


def versions_of(inside: Inside, roads: Mapping[str, Road]) -> list[CadencePlan]:
    """Every version that somebody walks on."""
    known = {id(road): road for road in (*(group.place.road for group in inside.groups), *roads.values())}
    return [road.course.plan for road in known.values()]


class Adding:
    """Walks everybody and adds up what is found."""

    def __init__(self, tx: Tx, found: Forecast, roads: Mapping[str, Road], inside: Inside, asked: Asked) -> None:
        self.tx, self.found, self.roads, self.inside, self.asked = tx, found, roads, inside, asked
        self.policy = live_rules(tx).policy
        self.until = found.ends - timedelta(days=1)
        everywhere = Counter[str]()
        for group in inside.groups:
            everywhere.update(group.domains)
        self.large = {domain for domain, _people in everywhere.most_common(MOST_DOMAINS)}
        self.mixture = {domain: people / everywhere.total() for domain, people in self.shown(everywhere).items()}
        self.to_come: dict[tuple[str, str, datetime], float] = defaultdict(float)

    def those_inside(self, progress: Progress) -> None:
        found, inside = self.found, self.inside
        found.people, found.passages, found.groups = inside.people, inside.passages, len(inside.groups)
        found.standing_still = inside.standing_still
        found.inside = Counter(inside.standing_still)
        walks = []
        for number, group in enumerate(inside.groups):
            place = group.place
            walked = walk(place, found.odds, now=self.tx.now, until=self.until)
            self.add(place.road.name, walked, group.people, self.shown(group.domains), place.passage.zone.key)
            found.inside[place.road.name] += group.people
            walks.append((place.road.name, days_of(walked)))
            progress(number + 1, len(inside.groups))
        self.look_at_caps(walks)

    def look_at_caps(self, walks: Sequence[tuple[str, Mapping[int, float]]]) -> None:
        """Those in one cadence only, and those in several, who get the mails of all of them."""
        alone = Counter({(number,): group.people for number, group in enumerate(self.inside.groups)})
        for numbers, people in self.inside.together.items():
            alone.subtract({(number,): people for number in numbers})
        for numbers, people in [*alone.items(), *self.inside.together.items()]:
            names = tuple(sorted({walks[number][0] for number in numbers}))
            for (day, cap), mails in over_caps(self.policy.caps, [walks[number][1] for number in numbers]).items():
                self.found.capped[day, cap, names] += mails * people

    def those_to_come(self) -> None:
        """Those who will come in, as many every day; they live where the workspace does and write from the same domains."""
        for name, in_a_week in self.asked.new.items():
            if name not in self.roads:
                raise UsageError(f"nobody can come into {name!r}; there are: {', '.join(self.roads)}")
            zone = zone_of(None, self.roads[name].course.plan.brand, self.policy)
            for day in self.found.days:
                at = first_instant(date.fromordinal(day), time(10), zone)
                if at > self.tx.now:
                    self.enter(name, zone.key, at, in_a_week / IN_A_WEEK)

    def those_entered(self) -> None:
        """Those whom a step of another cadence lets in, and those whom their steps let in …"""
        for _link in range(LONGEST_CHAIN):
            coming, self.to_come = self.to_come, defaultdict(float)
            for (name, zone, at), people in coming.items():
                self.enter(name, zone, at, people)

    def enter(self, name: str, zone_key: str, at: datetime, people: float) -> None:
        road = self.roads.get(name)
        if road is None or local_date(at, zone_of(zone_key, "", self.policy)) > self.until:
            return
        zone = zone_of(zone_key, road.course.plan.brand, self.policy)
        days_off = days_off_of({}, road.course.plan, self.policy)
        passage = Passage(anchor_at=at, shift_days=0, zone=zone, days_off=days_off)
        walked = begin(road, passage, self.found.odds, at=at, until=self.until)
        self.found.newcomers[name] += people * sum(walked.sends.values())
        self.add(name, walked, people, {domain: people * share for domain, share in self.mixture.items()}, zone_key)

    def add(self, name: str, walked: Walked, people: float, domains: Mapping[str, float], zone: str) -> None:
        found = self.found
        for (day, step), mails in walked.sends.items():
            found.sends[day, name, step] += mails * people
        for (day, what), mails in walked.pushed.items():
            found.pushed[day, name, what] += mails * people
        for (step, reason), mails in walked.unsent.items():
            found.unsent[name, step, reason] += mails * people
        for step, part in walked.reached.items():
            found.reached[name, step] += part * people
        for reason, part in walked.ended.items():
            found.ended[name, reason] += part * people
        for cadence, at, part in walked.entered:
            self.to_come[cadence, zone, at] += part * people
        for day, mails in days_of(walked).items():
            for domain, count in domains.items():
                into = found.domains.setdefault(domain, defaultdict(float))
                into[day] += mails * count

    def shown(self, domains: Mapping[str, float]) -> dict[str, float]:
        """The largest domains by name, the others as one."""
        kept: dict[str, float] = {}
        for domain, people in domains.items():
            name = domain if domain in self.large else OTHER_DOMAINS
            kept[name] = kept.get(name, 0) + people
        return kept


def days_of(walked: Walked) -> dict[int, float]:
    found: dict[int, float] = {}
    for (day, _step), mails in walked.sends.items():
        found[day] = found.get(day, 0.0) + mails
    return found
