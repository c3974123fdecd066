"""The calendar: the mails to be expected on each day of the coming months, added up over all walks.

    gather people into groups → walk each group once → add up → move what the caps hold back → walk who comes in

Before: `engine.calendar.groups` and `engine.calendar.observe` have read the database. After: the terminal, the page and the files
show it. Days are those of the reader. Writes nothing.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

import sqlalchemy as sa

from engine.calendar.arrivals import rates
from engine.calendar.capping import Way, moved_by_caps
from engine.calendar.expected import OTHER_DOMAINS, Forecast
from engine.calendar.groups import Inside, people_inside
from engine.calendar.observe import observed
from engine.calendar.odds import Odds
from engine.calendar.road import Road
from engine.calendar.walk import Walked, begin, walk
from engine.compiler.plan import CadencePlan
from engine.database import Tx
from engine.errors import UsageError
from engine.schedule.courses import course, days_off_of, zone_of
from engine.schedule.next_step import Passage
from engine.schedule.timing import first_instant, local_date
from engine.schema import cadences
from engine.spans import Span
from engine.story.held_back import held_back
from engine.versions import live_rules
from engine.vocabulary import Reason

MOST_DOMAINS = 12
IN_A_WEEK, SATURDAY, WEEKEND_AND_MONDAY = 7, 5, 3

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What somebody wants to know. `stated`: odds that go before the observed ones. `new`: people who come in a week, by cadence;
    `observe_new`: into the others as many as before.
    """

    months: int = 24
    stated: Odds = field(default_factory=Odds)
    new: Mapping[str, float] = field(default_factory=dict)
    observe_new: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Who walks together. `mixture`: the shares of their domains. `been`: the cadences they came through."""

    name: str
    zone: str
    mixture: Mapping[str, float]
    been: frozenset[str]
    is_new: bool


class Coming(NamedTuple):
    """People who come into a cadence at an instant."""

    name: str
    zone: str
    at: datetime
    been: frozenset[str]
    is_new: bool


def forecast(tx: Tx, asked: Asked, *, progress: Progress = lambda _done, _of: None) -> Forecast:
    """What is to be expected from now on, of everybody who is inside. Raises DatabaseError before the first `apply`."""
    begins = local_date(tx.now, zone_of(None, "", live_rules(tx).policy))
    ends = Span(months=asked.months).after_day(begins)
    roads = current_roads(tx)
    current = {name: road.course.plan for name, road in roads.items()}
    inside = people_inside(tx, current, until=tx.now + (ends - begins) + timedelta(days=40))
    plans = {group.place.road.name: group.place.road.course.plan for group in inside.groups} | current
    odds = put_before(asked.stated, observed(tx, versions_of(inside, roads)))
    new = rates(tx, list(current.values()), asked.new, observe=asked.observe_new)
    found = Forecast(begins=begins, ends=ends, plans=plans, odds=odds, new=new, held_back=held_back(tx))
    adding = Adding(tx, found, roads, inside)
    adding.those_inside(progress)
    adding.those_to_come()
    adding.those_entered()
    found.forget_traces()
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

    def __init__(self, tx: Tx, found: Forecast, roads: Mapping[str, Road], inside: Inside) -> None:
        self.tx, self.found, self.roads, self.inside = tx, found, roads, inside
        self.policy = live_rules(tx).policy
        found.drops = self.policy.between.loser == "drop"
        self.until = found.ends - timedelta(days=1)
        everywhere = Counter[str]()
        for group in inside.groups:
            everywhere.update(group.domains)
        self.large = {domain for domain, _people in everywhere.most_common(MOST_DOMAINS)}
        self.mixture = {domain: people / everywhere.total() for domain, people in self.shown(everywhere).items()}
        self.to_come: dict[Coming, float] = defaultdict(float)

    def those_inside(self, progress: Progress) -> None:
        found, inside = self.found, self.inside
        found.people, found.passages, found.groups = inside.people, inside.passages, len(inside.groups)
        found.standing_still = inside.standing_still
        found.inside = Counter(inside.standing_still)
        parts, ways = [], []
        for number, group in enumerate(inside.groups):
            place, plan = group.place, group.place.road.course.plan
            walked = walk(place, found.odds, now=self.tx.now, until=self.until)
            mixture = {domain: count / group.people for domain, count in self.shown(group.domains).items()}
            part = Part(name=plan.name, zone=place.passage.zone.key, mixture=mixture, been=frozenset({plan.name}), is_new=False)
            self.add(part, walked, group.people)
            found.inside[plan.name] += group.people
            parts.append(part)
            ways.append(self.way_of(place.road, place.passage, walked))
            progress(number + 1, len(inside.groups))
        for numbers, party in inside.parties.items():
            counted = {day: mails / party.people for day, mails in party.counted.items()}
            self.move([parts[number] for number in numbers], [ways[number] for number in numbers], party.people, counted)

    def those_to_come(self) -> None:
        """Those who will come in, as many every day, those of a weekend on Monday; they live where the workspace does and write
        from the same domains as those inside.
        """
        for name, rate in self.found.new.items():
            if name not in self.roads:
                raise UsageError(f"nobody can come into {name!r}; there are: {', '.join(self.roads)}")
            zone = zone_of(None, self.roads[name].course.plan.brand, self.policy)
            for day in self.found.days:
                at = first_instant(date.fromordinal(day), time(10), zone)
                if at > self.tx.now and at.weekday() < SATURDAY:
                    days = 1 if at.weekday() else WEEKEND_AND_MONDAY
                    self.enter(Coming(name, zone.key, at, frozenset(), True), rate.in_a_week * days / IN_A_WEEK)

    def those_entered(self) -> None:
        """Those whom a step of another cadence lets in, and those whom their steps let in …"""
        while self.to_come:
            coming, self.to_come = self.to_come, defaultdict(float)
            for each, people in coming.items():
                self.enter(each, people)

    def enter(self, coming: Coming, people: float) -> None:
        """Nobody comes into a cadence for the second time on one way: where cadences enter each other, `reentry` forbids it."""
        road, at = self.roads.get(coming.name), coming.at
        if road is None or coming.name in coming.been or local_date(at, zone_of(coming.zone, "", self.policy)) > self.until:
            return
        plan = road.course.plan
        zone = zone_of(coming.zone, plan.brand, self.policy)
        passage = Passage(anchor_at=at, shift_days=0, zone=zone, days_off=days_off_of({}, plan, self.policy))
        walked = begin(road, passage, self.found.odds, at=at, until=self.until)
        been = coming.been | {coming.name}
        part = Part(name=coming.name, zone=coming.zone, mixture=self.mixture, been=been, is_new=coming.is_new)
        self.add(part, walked, people)
        self.move([part], [self.way_of(road, passage, walked)], people, {})

    def way_of(self, road: Road, passage: Passage, walked: Walked) -> Way:
        plan = road.course.plan
        now = self.roads[plan.name].course.plan if plan.name in self.roads else plan
        stays = self.found.odds.after_mail(plan.name).stays
        return Way(
            plan=plan, priority=now.priority, days_off=passage.days_off, stays=stays, before=road.before, sends=walked.sends
        )  # fmt: skip

    def add(self, part: Part, walked: Walked, people: float) -> None:
        """As planned."""
        found, name = self.found, part.name
        for (day, step), mails in walked.sends.items():
            self.count(part, step, day, mails * people)
        for (day, what), mails in walked.pushed.items():
            found.pushed[day, name, what] += mails * people
        for (step, reason), mails in walked.unsent.items():
            found.unsent[name, step, reason] += mails * people
        for step, share in walked.reached.items():
            found.reached[name, step] += share * people
        for reason, share in walked.ended.items():
            found.ended[name, reason] += share * people
        for cadence, at, share in walked.entered:
            self.to_come[Coming(cadence, part.zone, at, part.been, part.is_new)] += share * people

    def move(self, parts: Sequence[Part], ways: Sequence[Way], people: float, counted: Mapping[int, float]) -> None:
        """What the caps change for people who are in all these at once."""
        found, names = self.found, tuple(sorted({part.name for part in parts}))
        for moved in moved_by_caps(self.policy, ways, counted, last=self.until.toordinal()):
            part, mails = parts[moved.way], moved.mails * people
            self.count(part, moved.step, moved.day, -mails)
            if moved.cap is not None:
                found.capped[moved.day, moved.cap, names] += mails
            if moved.to is None:
                found.unsent[part.name, moved.step, Reason.CAP.value] += mails
            else:
                self.count(part, moved.step, moved.to, mails)
                found.delayed[part.name] += mails

    def count(self, part: Part, step: str, day: int, mails: float) -> None:
        found = self.found
        found.sends[day, part.name, step] += mails
        if part.is_new:
            found.newcomers[day, part.name] += mails
        for domain, share in part.mixture.items():
            into = found.domains.setdefault(domain, {})
            into[day] = into.get(day, 0.0) + mails * share

    def shown(self, domains: Mapping[str, float]) -> dict[str, float]:
        """The largest domains by name, the others as one."""
        kept: dict[str, float] = {}
        for domain, people in domains.items():
            name = domain if domain in self.large else OTHER_DOMAINS
            kept[name] = kept.get(name, 0) + people
        return kept
