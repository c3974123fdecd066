"""Caps, gaps, windows, quiet hours, a provider's limit and a relay's warm-up over months of virtual time, with many workers, of
whom some die.

Three cadences of one mail a day compete for people in many zones over a change of clocks. Jobs get lost, come twice and
come in any order; a worker may die before or after its mail left. What arrived is judged by the wire's own notes, not by the
ledger.
Full size: `pytest tests/deliver/test_caps_over_months.py --full`.
"""

import random
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from engine.claim import CLAIMED, NOUNS, Claim
from engine.clock import VirtualClock
from engine.compiler.plan import CadencePlan, Caps, EmailStep, Timing, Window
from engine.compiler.relay import DomainLimit, Relay, WarmUp
from engine.database import Database
from engine.deliver.wire import Accepted, Flight, Outcome, Recheck
from engine.processes.dispatcher import tick
from engine.processes.lanes import Lane
from engine.processes.verbs import VERBS
from engine.runtime import Runtime
from engine.schedule.enrol import enrol_leads
from engine.schema import relay_days, sends, touches, workers
from engine.settings import MAIN
from engine.spans import parse_span
from engine.vocabulary import CAP_HOLDING_SEND
from tests.deliver.given import a_cadence, add_cadence, add_workspace, an_artifact, settings_for
from tests.factories import TOKENS, add_lead, add_worker, plain_copy

CAPS = Caps(per_day=1, per_week=4, per_month=14)
WINDOW = Window(weekdays=(0, 1, 2, 3, 4), opens=time(9), closes=time(17), quiet=((time(12), time(13)),))
ZONES = (
    "Europe/London", "America/New_York", "Asia/Kolkata", "Pacific/Auckland", "America/Los_Angeles", "Asia/Tokyo", "Europe/Berlin",
    "America/Sao_Paulo", "Africa/Cairo", "Australia/Lord_Howe", "Asia/Kathmandu", "America/St_Johns", "Pacific/Kiritimati",
    "Pacific/Pago_Pago", "Europe/Moscow", "Africa/Lagos", "Asia/Dubai", "Asia/Tehran", "Australia/Adelaide", "Atlantic/Azores",
    "America/Denver", "America/Chicago", "America/Halifax", "America/Bogota", "America/Caracas", "America/Santiago",
    "Africa/Casablanca", "Africa/Johannesburg", "Asia/Jerusalem", "Asia/Karachi", "Asia/Dhaka", "Asia/Yangon", "Asia/Bangkok",
    "Asia/Shanghai", "Australia/Perth", "Australia/Eucla", "Australia/Sydney", "Pacific/Noumea", "Pacific/Chatham",
    "Pacific/Apia",
)  # fmt: skip
START = datetime(2026, 3, 2, tzinfo=UTC)  # clocks change on 8 March in America, on 29 March in Europe
LEASE = timedelta(minutes=10)
HOUR = timedelta(hours=1)
DOMAIN = "mail.example"
GAP = timedelta(days=2)
HOME = ZoneInfo("Europe/London")  # of the workspace, by which a relay's days are counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    zones: int
    people_per_zone: int
    days: int
    workers: int
    per_hour: int  # that their provider bears
    first_day: int  # how many mails the relay, which is new, carries then; a fifth more each day


SMALL = Size(zones=6, people_per_zone=1, days=12, workers=8, per_hour=1, first_day=3)
FULL = Size(zones=40, people_per_zone=4, days=90, workers=32, per_hour=8, first_day=25)


class Killed(BaseException):
    """Ends a worker as a kill would: nothing behind it is carried out."""


@dataclass(slots=True, kw_only=True)
class MortalWire:
    """Takes every mail and notes it, unless its worker dies on the way: before the mail left or after."""

    clock: VirtualClock
    dice: random.Random
    arrived: list[tuple[int, str, datetime]] = field(default_factory=list)  # (send id, address, when)

    def fly(self, flights: Sequence[Flight], recheck: Recheck) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for flight in flights:
            self.perhaps_die()
            self.arrived.append((flight.send_id, flight.recipient, self.clock.now()))
            self.perhaps_die()
            outcomes.append(Accepted(code=250, reply="2.0.0 taken"))
        return outcomes

    def perhaps_die(self) -> None:
        if self.dice.random() < 0.08:
            raise Killed

    def close(self) -> None:
        """There is nothing to close."""


@dataclass(slots=True, kw_only=True)
class Crew:
    """Workers that share one queue of jobs, which loses some, doubles some and keeps no order."""

    database: Database
    wire: MortalWire
    folder: Path
    size: int
    dice: random.Random
    jobs: list[tuple[Lane, list[Claim]]] = field(default_factory=list)
    born: int = 0
    deaths: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def publish(self, lane: Lane, claims: list[Claim]) -> None:
        copies = self.dice.choice((0, 1, 1, 1, 1, 1, 1, 1, 1, 2))
        self.jobs += [(lane, claims[at : at + 5]) for at in range(0, len(claims), 5) for _ in range(copies)]

    def work(self) -> None:
        """Until nothing is queued and nothing is due."""
        while tick(self.database, self.publish, lease=LEASE) or self.jobs:
            self.dice.shuffle(self.jobs)
            threads = [threading.Thread(target=self.worker) for _ in range(min(self.size, len(self.jobs)))]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    def worker(self) -> None:
        runtime = self.new_runtime()
        try:
            while (job := self.next_job()) is not None:
                lane, claims = job
                VERBS[lane.noun.name](runtime, claims)
        except Killed:
            with self.database.write() as tx:
                tx.run(sa.update(workers).where(workers.c.id == runtime.worker_id).values(lease_until=tx.now - LEASE))
            self.deaths += 1

    def next_job(self) -> tuple[Lane, list[Claim]] | None:
        with self.lock:
            return self.jobs.pop() if self.jobs else None

    def new_runtime(self) -> Runtime:
        with self.lock:
            self.born += 1
            name = f"worker-of-the-crew-{self.born}"
        with self.database.write() as tx:
            add_worker(tx, id=name, lease_until=tx.now + timedelta(days=1))
        return Runtime(
            settings=settings_for(self.folder), database=self.database, tokens=TOKENS, wire=self.wire, worker_id=name,
            has_lease=lambda: True, publish=lambda _noun, _claims: None,
        )  # fmt: skip


@pytest.mark.both_databases
def test_over_months_nobody_gets_a_mail_too_many_too_soon_or_at_a_wrong_hour(
    database: Database, clock: VirtualClock, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    size = FULL if request.config.getoption("--full") else SMALL
    seed = request.config.getoption("--seed") or random.randrange(10**6)
    print(f"seed {seed}, {size}")
    dice = random.Random(seed)
    clock.move_to(START)
    zones = add_people(database, size)
    wire = MortalWire(clock=clock, dice=dice)
    crew = Crew(database=database, wire=wire, folder=tmp_path, size=size.workers, dice=dice)

    for now in instants(database, START + timedelta(days=size.days)):
        clock.move_to(max(now, clock.now()))
        crew.work()

    mails = by_person(wire, zones)
    print(f"{len(wire.arrived)} mails, {places_taken(database)} places taken, {crew.deaths} workers died")
    assert broken_rules(mails) == []
    assert too_close(database, wire, zones) == []
    assert too_many_in_an_hour(wire, size.per_hour) == []
    assert too_many_in_a_day(wire, warm_up(size)) == []
    assert fullest_day(database, warm_up(size)) == 1, "the relay carries what it may"
    assert crew.deaths > 0
    possible = size.days / 30 * CAPS.per_month * len(zones)
    assert places_taken(database) > 0.85 * possible, "no room that the caps leave gets lost"


def add_people(database: Database, size: Size) -> dict[str, ZoneInfo]:
    """Everybody is in all three cadences; in each zone two people share an address. {address: zone}"""
    with database.write() as tx:
        add_workspace(tx, caps=CAPS, window=WINDOW, **new_relay(size))
        for name, priority in (("first", 9), ("second", 5), ("third", 0)):
            add_cadence(tx, daily(name, priority, size.days))
        found, people = {}, []
        for zone in ZONES[: size.zones]:
            for number in range(size.people_per_zone):
                address = f"{zone.replace('/', '.').lower()}.{number}@{DOMAIN}"
                found[address] = ZoneInfo(zone)
                people.append(add_lead(tx, email=address, zone=zone))
            people.append(add_lead(tx, key=f"shares {zone}", email=address, zone=zone))
        for cadence in ("first", "second", "third"):
            enrol_leads(tx, cadence, people)
    return found


def new_relay(size: Size) -> dict[str, object]:
    """As `relays.yaml` would have it."""
    relay = Relay(name=MAIN, warm_up=warm_up(size))
    return {"relays": (relay,), "limits": {DOMAIN: DomainLimit(per_hour=size.per_hour)}}


def warm_up(size: Size) -> WarmUp:
    return WarmUp(starts_on=START.date(), mails=size.first_day, grows=0.2, until=10 * size.first_day)


def daily(name: str, priority: int, days: int) -> CadencePlan:
    """A mail for each day, two days apart at least; those of every third day ask for a time in the quiet hour."""
    hours = [None if day % 3 else time(12, 30) for day in range(days)]
    steps = [
        EmailStep(
            id=f"{name}-{day}", timing=Timing(base="at", span=parse_span(f"{day} days"), clock=hours[day]), email="lesson",
            copy=plain_copy(an_artifact().hash), next=f"{name}-{day + 1}" if day + 1 < days else None,
        )
        for day in range(days)
    ]  # fmt: skip
    return replace(a_cadence(WINDOW), name=name, priority=priority, steps=tuple(steps), gap=parse_span("2 days"))


def instants(database: Database, until: datetime) -> Iterator[datetime]:
    """The due times, one after the other, as the rows have them then; and the ends of leases, where a queue lost rows."""
    while True:
        with database.read() as tx:
            asked = [
                sa.select(sa.func.min(column)).where(noun.table.c.state == state)
                for noun in NOUNS.values()
                for column, state in ((noun.table.c.due_at, noun.open_state), (noun.table.c.lease_until, CLAIMED))
            ]
            found = [tx.run(each).scalar() for each in asked]
        soonest = min((instant for instant in found if instant is not None), default=None)
        if soonest is None or soonest > until:
            return
        yield soonest + timedelta(microseconds=1)


def by_person(wire: MortalWire, zones: dict[str, ZoneInfo]) -> dict[str, list[datetime]]:
    """When each address got mail, on its own clock."""
    found: dict[str, list[datetime]] = defaultdict(list)
    for _send_id, address, at in wire.arrived:
        found[address].append(at.astimezone(zones[address]))
    return found


def too_close(database: Database, wire: MortalWire, zones: dict[str, ZoneInfo]) -> list[str]:
    """Mails of one passage with less than the gap between their days."""
    with database.read() as tx:
        chosen = sa.select(sends.c.id, touches.c.enrolment_id).join(touches, touches.c.id == sends.c.touch_id)
        passages = {row.id: row.enrolment_id for row in tx.run(chosen)}
    days: dict[int, list[date]] = defaultdict(list)
    for send_id, address, at in wire.arrived:
        days[passages[send_id]].append(at.astimezone(zones[address]).date())
    return [
        f"passage {passage}: {one} and {other}"
        for passage, theirs in days.items()
        for one, other in pairwise(sorted(theirs))
        if other - one < GAP
    ]


def too_many_in_an_hour(wire: MortalWire, most: int) -> list[tuple[datetime, datetime]]:
    """Within whatever hour."""
    times = sorted(at for _send_id, _address, at in wire.arrived)
    return [(first, last) for first, last in zip(times, times[most:], strict=False) if last - first < HOUR]


def too_many_in_a_day(wire: MortalWire, warm_up: WarmUp) -> list[tuple[date, int]]:
    """Days of the workspace's own zone on which the new relay carried more than it may."""
    days = Counter(at.astimezone(HOME).date() for _send_id, _address, at in wire.arrived)
    return [(day, mails) for day, mails in days.items() if (most := warm_up.allowed_on(day)) is not None and mails > most]


def fullest_day(database: Database, warm_up: WarmUp) -> float:
    """The largest share of a day's mails that was used up, among the days of warming up."""
    with database.read() as tx:
        days = tx.run(sa.select(relay_days.c.day, relay_days.c.mails)).all()
    return max(row.mails / most for row in days if (most := warm_up.allowed_on(row.day)) is not None)


def places_taken(database: Database) -> int:
    """Mails that count towards caps: those that arrived, and those that perhaps did."""
    with database.read() as tx:
        counted = sa.select(sa.func.count()).select_from(sends).where(sends.c.state.in_(CAP_HOLDING_SEND))
        return int(tx.run(counted).scalar_one())


def broken_rules(mails: dict[str, list[datetime]]) -> list[str]:
    return [
        f"{address}: {what} on {local}"
        for address, locals_ in mails.items()
        for local in locals_
        for what in broken_at(local, [each.date() for each in locals_])
    ]


def broken_at(local: datetime, days: list[date]) -> Iterator[str]:
    """What is wrong with a mail at that local time, beside mails on those days."""
    limits = ((1, CAPS.per_day), (7, CAPS.per_week), (30, CAPS.per_month))
    for span, limit in limits:
        if limit is not None and sum(local.date() - timedelta(days=span) < day <= local.date() for day in days) > limit:
            yield f"more than {limit} in {span} days"
    if local.weekday() > 4 or not time(9) <= local.time() < time(17):
        yield "outside the window"
    if time(12) <= local.time() < time(13):
        yield "in the quiet hour"
