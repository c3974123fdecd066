"""Everybody inside the cadences, put together by what decides their dates: so that a walk is done once for many people.

Before: live enrolments with their open touches. After: `engine.calendar.forecast` walks each group. Of an address only the domain
is looked at, and kept as a count. Times are taken as of the quarter of an hour; zones in which all happens alike count as one.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from engine.calendar.past import TakenSteps, consents_said, mails_had, scopes_by_address, shut_to, steps_had
from engine.calendar.road import Road, entered_by
from engine.calendar.walk import At, Place, caught_up
from engine.compiler.plan import CadencePlan, WaitStep
from engine.database import Tx
from engine.schedule.courses import course
from engine.schedule.next_step import Passage
from engine.schedule.passages import PASSAGE_COLUMNS, done_in_earlier_passages, last_mailed, passage_of
from engine.schedule.timing import first_instant, local_date
from engine.schema import enrolments, leads, touches
from engine.spans import DaysOff
from engine.versions import live_rules
from engine.vocabulary import LIVE_ENROLMENT, OPEN_TOUCH, Consent, EnrolmentState, Reason, Scope, topic_scope

NOON = time(12)
QUARTER = 15  # minutes
LONGEST_GAP = timedelta(days=62)
SAMPLES_EVERY = timedelta(hours=6)
NO_DOMAIN = "(no address)"
EVERYWHERE = ZoneInfo("UTC")

ROWS = (
    sa.select(
        touches.c.step_id, touches.c.due_at, touches.c.planned_on, touches.c.created_at.label("since"),
        leads.c.email, leads.c.address_key, *PASSAGE_COLUMNS,
    )
    .join_from(enrolments, touches, sa.and_(touches.c.enrolment_id == enrolments.c.id, touches.c.state.in_(OPEN_TOUCH)))
    .join(leads, leads.c.id == enrolments.c.lead_id)
    .where(enrolments.c.state.in_(LIVE_ENROLMENT))
)  # fmt: skip


@dataclass(slots=True, kw_only=True)
class Group:
    """People at one place. `domains`: how many of them have an address there."""

    place: Place
    domains: Counter[str] = field(default_factory=Counter)

    @property
    def people(self) -> int:
        return self.domains.total()


@dataclass(slots=True)
class Party:
    """People who are in the same groups. `counted`: the mails of the last month that count towards their caps, by day."""

    people: int = 0
    counted: Counter[int] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """Everybody inside. `parties`: by the groups (by number) that a person is in; most are in one."""

    groups: list[Group]
    parties: dict[tuple[int, ...], Party]
    people: int
    passages: int
    standing_still: Counter[str]  # by cadence; sales has them, or somebody paused it


def people_inside(tx: Tx, plans: Mapping[str, CadencePlan], *, until: datetime) -> Inside:
    """Read everybody, of every version. `plans`: the cadences that take people in now. Writes nothing."""
    return Gathering(tx, plans, until).everybody()


class Gathering:
    """One reading of the live enrolments, with what it needs to know of the rest of the database."""

    def __init__(self, tx: Tx, plans: Mapping[str, CadencePlan], until: datetime) -> None:
        self.tx, self.plans, self.until = tx, plans, until
        self.policy = live_rules(tx).policy
        self.roads: dict[int, Road] = {}
        self.past = tx.now - timedelta(minutes=QUARTER)
        self.groups: dict[tuple[Any, ...], int] = {}
        self.found: list[Group] = []
        self.known_dates: dict[tuple[Any, ...], tuple[At, datetime]] = {}
        self.clocks: dict[tuple[timedelta | None, ...], ZoneInfo] = {}
        self.known_zones: dict[str, ZoneInfo] = {}
        self.places: dict[tuple[int, str | None], tuple[ZoneInfo, DaysOff]] = {}
        rule = self.policy.holidays
        self.holidays_by_lead = rule.country_field is not None or rule.region_field is not None

    def everybody(self) -> Inside:
        rows = self.tx.run(ROWS).all()
        moving = [row for row in rows if row.enrolment_state == EnrolmentState.ACTIVE]
        self.earliest = min([self.tx.now, *(row.anchor_at for row in moving)])
        self.prepare(moving)
        where: dict[int, list[int]] = {}
        addresses: dict[int, str] = {}
        for row in moving:
            where.setdefault(row.lead_id, []).append(self.put(row))
            addresses[row.lead_id] = row.address_key
        return Inside(
            groups=self.found,
            parties=self.parties(where, addresses),
            people=len({row.lead_id for row in rows}),
            passages=len(rows),
            standing_still=Counter(
                self.road(row.version_id).name for row in rows if row.enrolment_state != EnrolmentState.ACTIVE
            ),
        )

    def parties(self, where: Mapping[int, list[int]], addresses: Mapping[int, str]) -> dict[tuple[int, ...], Party]:
        had = mails_had(self.tx, self.policy.caps)
        found: dict[tuple[int, ...], Party] = {}
        for lead_id, numbers in where.items():
            party = found.setdefault(tuple(sorted(numbers)), Party())
            party.people += 1
            if days := had.get(addresses[lead_id]):
                party.counted.update(days)
        return found

    def prepare(self, rows: list[Any]) -> None:
        """What only few rows need is asked for those only."""
        plans = {row.version_id: self.road(row.version_id).course.plan for row in rows}
        again = {row.enrolment_id for row in rows if row.passage > 1 and not plans[row.version_id].repeat}
        self.before = done_in_earlier_passages(self.tx, again)
        self.had = self.ahead(
            rows, steps_had(self.tx, {row.enrolment_id for row in rows if plans[row.version_id].on_change == "migrate"})
        )
        just = {row.enrolment_id: self.road(row.version_id).course for row in rows if self.may_be_held(row)}
        self.mailed = last_mailed(self.tx, just)
        self.stops = scopes_by_address(self.tx)
        self.said = consents_said(self.tx, {plan.topic for plan in plans.values()}, self.policy)
        self.shut = shut_to(self.tx, entered_from(plans.values()), self.plans)

    def ahead(self, rows: list[Any], had: dict[int, TakenSteps]) -> dict[int, TakenSteps]:
        """Of the steps that passages had, those that they would come to again."""
        found = {}
        for row in rows:
            if taken := had.get(row.enrolment_id):
                coming = self.road(row.version_id).behind(row.step_id)
                found[row.enrolment_id] = tuple(each for each in taken if each[0] in coming)
        return found

    def may_be_held(self, row: Any) -> bool:
        """Whether the gap behind an earlier mail may still matter: an email's own due time has it in it already."""
        step = self.road(row.version_id).course.steps.get(row.step_id)
        return step is not None and step.kind != "email" and row.since > self.tx.now - LONGEST_GAP

    def road(self, version_id: int) -> Road:
        if version_id not in self.roads:
            self.roads[version_id] = Road(course=course(self.tx, version_id))
        return self.roads[version_id]

    def put(self, row: Any) -> int:
        """The number of the group that this passage belongs to."""
        road = self.road(row.version_id)
        zone, days_off = self.where(row, road)
        at, anchor_at = self.dates(row, road, zone, days_off)
        clock = EVERYWHERE if road.is_by_day else self.one_of_alike(zone)
        stopped = self.stopped(row, road.course.plan.topic)
        before, had = self.before.get(row.enrolment_id, frozenset()), self.had.get(row.enrolment_id, ())
        shut = self.shut.get(row.lead_id, ()) if road.enters else ()
        key = (row.version_id, row.step_id, at, anchor_at, row.shift_days, clock.key, id(days_off), stopped, before, had, shut)
        number = self.groups.get(key)
        if number is None:
            number = self.groups[key] = len(self.found)
            passage = Passage(anchor_at=anchor_at, shift_days=row.shift_days, zone=clock, days_off=days_off)
            place = Place(
                road=road, passage=passage, step_id=row.step_id, at=at, stopped=stopped, sent_before=before, taken=had,
                shut=shut,
            )  # fmt: skip
            self.found.append(Group(place=place))
        self.found[number].domains[domain_of(row.email)] += 1
        return number

    def where(self, row: Any, road: Road) -> tuple[ZoneInfo, DaysOff]:
        """Whose clock and whose holidays count; looked up once where they do not depend on more of the lead than its zone."""
        if self.holidays_by_lead:
            passage = passage_of(row, road.course, self.policy)
            return passage.zone, passage.days_off
        key = (row.version_id, row.zone)
        if key not in self.places:
            passage = passage_of(row, road.course, self.policy)
            self.places[key] = passage.zone, passage.days_off
        return self.places[key]

    def dates(self, row: Any, road: Road, zone: ZoneInfo, days_off: DaysOff) -> tuple[At, datetime]:
        """Those of the open touch, and the anchor; reckoned once for all who share them."""
        since = row.since if isinstance(road.course.steps.get(row.step_id), WaitStep) else None  # nothing else asks for it
        mailed_at = self.mailed.get(row.enrolment_id)
        key = (
            row.version_id, row.step_id, row.due_at, row.planned_on, since, mailed_at, row.anchor_at, row.shift_days, zone.key,
            id(days_off),
        )  # fmt: skip
        if key not in self.known_dates:
            at = self.at(row, road, zone, days_off, since, mailed_at)
            self.known_dates[key] = at, anchor_of(road, row.anchor_at, zone)
        return self.known_dates[key]

    def at(
        self, row: Any, road: Road, zone: ZoneInfo, days_off: DaysOff, since: datetime | None, mailed_at: datetime | None
    ) -> At:
        """Where the cadence counts in days, by the wall clock, which all zones share."""
        now, shown = self.tx.now, on_the_wall if road.is_by_day else quarter_of
        if mailed_at is not None and road.gap_is_over_after is not None and now - mailed_at > road.gap_is_over_after:
            mailed_at = None
        due_at = row.due_at
        if due_at is None or due_at < now:
            passage = Passage(anchor_at=row.anchor_at, shift_days=row.shift_days, zone=zone, days_off=days_off)
            due_at = caught_up(road, passage, row.step_id, At(row.planned_on, self.past, row.since, mailed_at), now).due_at
        return At(
            row.planned_on,
            shown(due_at, zone),
            self.past if since is None else shown(since, zone),
            None if mailed_at is None else shown(mailed_at, zone),
        )

    def stopped(self, row: Any, topic: str) -> str | None:
        if not row.email or not row.address_key:
            return Reason.NO_ADDRESS.value
        said = self.said.get((row.lead_id, topic), Consent.UNKNOWN)
        if said == Consent.REFUSED or (said == Consent.UNKNOWN and self.policy.unknown_consent == "hold"):
            return Reason.CONSENT.value
        is_stopped = self.stops.get(row.address_key, frozenset()) & {Scope.EVERYTHING, Scope.MARKETING, topic_scope(topic)}
        return Reason.SUPPRESSED.value if is_stopped else None

    def one_of_alike(self, zone: ZoneInfo) -> ZoneInfo:
        """The first zone met whose clock shows the same from the earliest anchor to the last day asked for."""
        if zone.key not in self.known_zones:
            steps = int((self.until - self.earliest) / SAMPLES_EVERY) + 4
            instants = (self.earliest + number * SAMPLES_EVERY for number in range(-3, steps))
            shown = tuple(instant.astimezone(zone).utcoffset() for instant in instants)
            self.known_zones[zone.key] = self.clocks.setdefault(shown, zone)
        return self.known_zones[zone.key]


def entered_from(plans: Iterable[CadencePlan]) -> dict[str, set[str]]:
    """By cadence, those whose steps enter it."""
    found: dict[str, set[str]] = {}
    for plan in plans:
        for name in entered_by(plan):
            found.setdefault(name, set()).add(plan.name)
    return found


def domain_of(email: str | None) -> str:
    return email.rpartition("@")[2].lower() if email else NO_DOMAIN


def anchor_of(road: Road, anchor_at: datetime, zone: ZoneInfo) -> datetime:
    """Only hours and minutes count from the very instant; everything else from its date."""
    if road.is_by_day:
        return datetime.combine(local_date(anchor_at, zone), NOON, UTC)
    if any(timing.base == "at" and timing.span.seconds for timing in road.course.timings.values()):
        return quarter_of(anchor_at, zone)
    return first_instant(local_date(anchor_at, zone), NOON, zone)


def on_the_wall(instant: datetime, zone: ZoneInfo) -> datetime:
    """What the clock there shows, as of the quarter of an hour, told as if it were UTC."""
    local = instant.astimezone(zone)
    return local.replace(minute=local.minute - local.minute % QUARTER, second=0, microsecond=0, tzinfo=UTC, fold=0)


def quarter_of(instant: datetime, _zone: ZoneInfo) -> datetime:
    """The instant as of the quarter of an hour."""
    return instant.replace(minute=instant.minute - instant.minute % QUARTER, second=0, microsecond=0)
