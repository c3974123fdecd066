"""Everybody inside the cadences, put together by what decides their dates: so that a walk is done once for many people.

Before: live enrolments with their open touches. After: `engine.calendar.forecast` walks each group. Of an address only the domain
is looked at, and kept as a count. Times are taken as of the quarter of an hour; zones in which all happens alike count as one.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from engine.calendar.walk import At, Place, Road, caught_up
from engine.compiler.plan import Policy, WaitStep
from engine.database import Tx
from engine.schedule.courses import course
from engine.schedule.next_step import Passage, Took
from engine.schedule.passages import PASSAGE_COLUMNS, last_mailed, passage_of
from engine.schedule.timing import first_instant, local_date
from engine.schema import consents, enrolments, leads, suppressions, touches
from engine.sql import rows_at_once
from engine.versions import live_rules
from engine.vocabulary import LIVE_ENROLMENT, OPEN_TOUCH, Consent, EnrolmentState, Reason, Scope, TouchState, topic_scope

NOON = time(12)
QUARTER = timedelta(minutes=15)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """Everybody inside. `together`: of people in several cadences, the groups (by number) that they are in, with their count."""

    groups: list[Group]
    together: Counter[tuple[int, ...]]
    people: int
    passages: int
    standing_still: Counter[str]  # by cadence; sales has them


def people_inside(tx: Tx, *, until: datetime) -> Inside:
    """Read everybody, of every version. Writes nothing."""
    return Gathering(tx, until).everybody()


class Gathering:
    """One reading of the live enrolments, with what it needs to know of the rest of the database."""

    def __init__(self, tx: Tx, until: datetime) -> None:
        self.tx, self.until = tx, until
        self.policy = live_rules(tx).policy
        self.roads: dict[int, Road] = {}
        self.past = tx.now - QUARTER
        self.groups: dict[tuple[Any, ...], int] = {}
        self.found: list[Group] = []
        self.clocks: dict[tuple[timedelta | None, ...], ZoneInfo] = {}
        self.known_zones: dict[str, ZoneInfo] = {}

    def everybody(self) -> Inside:
        rows = self.tx.run(ROWS).all()
        moving = [row for row in rows if row.enrolment_state == EnrolmentState.ACTIVE]
        self.earliest = min([self.tx.now, *(row.anchor_at for row in moving)])
        self.prepare(moving)
        where: dict[int, list[int]] = {}
        for row in moving:
            where.setdefault(row.lead_id, []).append(self.put(row))
        return Inside(
            groups=self.found,
            together=Counter(tuple(sorted(numbers)) for numbers in where.values() if len(numbers) > 1),
            people=len({row.lead_id for row in rows}),
            passages=len(rows),
            standing_still=Counter(
                self.road(row.version_id).name for row in rows if row.enrolment_state != EnrolmentState.ACTIVE
            ),
        )

    def prepare(self, rows: list[Any]) -> None:
        """What only few rows need is asked for those only."""
        plans = {row.version_id: self.road(row.version_id).course.plan for row in rows}
        again = {row.enrolment_id for row in rows if row.passage > 1 and not plans[row.version_id].repeat}
        self.before = done_before(self.tx, again)
        self.had = steps_had(self.tx, {row.enrolment_id for row in rows if plans[row.version_id].on_change == "migrate"})
        just = {row.enrolment_id: self.road(row.version_id).course for row in rows if self.may_be_held(row)}
        self.mailed = last_mailed(self.tx, just)
        self.stops = scopes_by_address(self.tx)
        self.said = consents_said(self.tx, {plan.topic for plan in plans.values()}, self.policy)

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
        passage = passage_of(row, road.course, self.policy)
        stopped = self.stopped(row, road.course.plan.topic)
        before, had = self.before.get(row.enrolment_id, frozenset()), self.had.get(row.enrolment_id, ())
        at = caught_up(road, passage, row.step_id, self.at(row, road), self.tx.now)
        passage, at = self.on_common_clock(road, passage, at)
        anchor = (passage.anchor_at, passage.shift_days, passage.zone.key, id(passage.days_off))
        key = (row.version_id, row.step_id, at, anchor, stopped, before, had)
        number = self.groups.get(key)
        if number is None:
            number = self.groups[key] = len(self.found)
            place = Place(
                road=road, passage=passage, step_id=row.step_id, at=at, stopped=stopped, sent_before=before, taken=had
            )  # fmt: skip
            self.found.append(Group(place=place))
        self.found[number].domains[domain_of(row.email)] += 1
        return number

    def at(self, row: Any, road: Road) -> At:
        """Only waits ask when they began; for all others it is the same."""
        is_wait = isinstance(road.course.steps.get(row.step_id), WaitStep)
        mailed_at = self.mailed.get(row.enrolment_id)
        due_at = row.due_at if row.due_at and row.due_at >= self.tx.now else None
        return At(
            row.planned_on,
            quarter(due_at) if due_at else self.past,
            quarter(row.since) if is_wait else self.past,
            quarter(mailed_at) if mailed_at else None,
        )

    def on_common_clock(self, road: Road, passage: Passage, at: At) -> tuple[Passage, At]:
        """The same passage, as all have it whose dates are the same.

        Where a cadence counts in days, all zones have the same days by their own clocks, and UTC stands for them all.
        """
        if not road.is_by_day:
            zone = self.one_of_alike(passage.zone)
            return replace(passage, anchor_at=self.anchor_of(road, passage.anchor_at, zone), zone=zone), at
        zone = passage.zone
        anchor_at = datetime.combine(local_date(passage.anchor_at, zone), NOON, UTC)
        mailed_at = at.mailed_at and on_the_wall(at.mailed_at, zone)
        since = at.since if at.since == self.past else on_the_wall(at.since, zone)
        at = At(at.on, on_the_wall(at.due_at, zone), since, mailed_at)
        return replace(passage, anchor_at=anchor_at, zone=EVERYWHERE), at

    def anchor_of(self, road: Road, anchor_at: datetime, zone: ZoneInfo) -> datetime:
        """Only hours and minutes count from the very instant; everything else from its date."""
        if any(timing.base == "at" and timing.span.seconds for timing in road.course.timings.values()):
            return quarter(anchor_at)
        return first_instant(local_date(anchor_at, zone), NOON, zone)

    def stopped(self, row: Any, topic: str) -> str | None:
        if not row.email or not row.address_key:
            return Reason.NO_ADDRESS.value
        if self.stops.get(row.address_key, frozenset()) & {Scope.EVERYTHING.value, Scope.MARKETING.value, topic_scope(topic)}:
            return Reason.SUPPRESSED.value
        held = self.policy.unknown_consent == "hold"
        said = self.said.get((row.lead_id, topic), Consent.UNKNOWN)
        return Reason.CONSENT.value if said == Consent.REFUSED or (held and said == Consent.UNKNOWN) else None

    def one_of_alike(self, zone: ZoneInfo) -> ZoneInfo:
        """The first zone met whose clock shows the same from the earliest anchor to the last day asked for."""
        if zone.key not in self.known_zones:
            steps = int((self.until - self.earliest) / SAMPLES_EVERY) + 4
            instants = (self.earliest + number * SAMPLES_EVERY for number in range(-3, steps))
            shown = tuple(instant.astimezone(zone).utcoffset() for instant in instants)
            self.known_zones[zone.key] = self.clocks.setdefault(shown, zone)
        return self.known_zones[zone.key]


def domain_of(email: str | None) -> str:
    return email.rpartition("@")[2].lower() if email else NO_DOMAIN


@lru_cache(maxsize=16_384)
def on_the_wall(instant: datetime, zone: ZoneInfo) -> datetime:
    """What the clock there shows, told as if it were UTC."""
    return instant.astimezone(zone).replace(tzinfo=UTC)


@lru_cache(maxsize=16_384)
def quarter(instant: datetime) -> datetime:
    """The last quarter of an hour up to the instant."""
    seconds = instant.timestamp()
    return datetime.fromtimestamp(seconds - seconds % QUARTER.total_seconds(), UTC)


def done_before(tx: Tx, enrolment_ids: set[int]) -> dict[int, frozenset[str]]:
    """For each of these passages the steps that earlier ones of the same lead and cadence did."""
    this, earlier = enrolments.alias("this"), enrolments.alias("earlier")
    found: dict[int, set[str]] = {}
    for some in rows_at_once(sorted(enrolment_ids)):
        chosen = (
            sa.select(this.c.id, touches.c.step_id)
            .join(earlier, sa.and_(earlier.c.lead_id == this.c.lead_id, earlier.c.cadence == this.c.cadence))
            .join(touches, touches.c.enrolment_id == earlier.c.id)
            .where(this.c.id.in_(some), earlier.c.passage < this.c.passage, touches.c.state == TouchState.DONE)
        )
        for row in tx.run(chosen):
            found.setdefault(row.id, set()).add(row.step_id)
    return {enrolment_id: frozenset(steps) for enrolment_id, steps in found.items()}


def steps_had(tx: Tx, enrolment_ids: set[int]) -> dict[int, tuple[tuple[str, Took], ...]]:
    """For passages that may have moved to another order of steps: those they had, and how these went."""
    found: dict[int, list[tuple[str, Took]]] = {}
    for some in rows_at_once(sorted(enrolment_ids)):
        chosen = sa.select(touches.c.enrolment_id, touches.c.step_id, touches.c.reason, touches.c.arm).where(
            touches.c.enrolment_id.in_(some), touches.c.ended_at.is_not(None)
        )
        for row in tx.run(chosen):
            found.setdefault(row.enrolment_id, []).append((row.step_id, took_of(row.reason, row.arm)))
    return {enrolment_id: tuple(sorted(steps)) for enrolment_id, steps in found.items()}


def took_of(reason: str | None, arm: str | None) -> Took:
    return arm or ("otherwise" if reason in (Reason.BRANCH, Reason.TIMEOUT) else "next")


def scopes_by_address(tx: Tx) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for row in tx.run(sa.select(suppressions.c.address_key, suppressions.c.scope)):
        found.setdefault(row.address_key, set()).add(row.scope)
    return {address_key: frozenset(scopes) for address_key, scopes in found.items()}


def consents_said(tx: Tx, topics: set[str], policy: Policy) -> Mapping[tuple[int, str], str]:
    """Refusals; and where unknown consent holds mail back, what everybody said."""
    chosen = sa.select(consents.c.lead_id, consents.c.topic, consents.c.state).where(consents.c.topic.in_(topics))
    if policy.unknown_consent != "hold":
        chosen = chosen.where(consents.c.state == Consent.REFUSED)
    return {(row.lead_id, row.topic): row.state for row in tx.run(chosen)}
