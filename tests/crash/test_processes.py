"""Whole processes killed at random, again and again: the mail server's own journal, joined with the ledger, explains itself.

In the usual run there are a few kills; `make crash` runs many. A failure prints its seed: `--seed N` runs that one again.
"""

import json
import random
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from redis import Redis

from engine.claim import NOUNS, take_up_again
from engine.database import Database
from engine.deliver.transactional import request_email
from engine.schedule.enrol import enrol_leads
from engine.schema import sends
from engine.simulate.sink import Sink, running
from engine.tokens import from_address
from engine.vocabulary import TERMINAL_SEND, SendState, Stream
from tests.deliver.given import add_workspace
from tests.factories import SECRET, TOKENS, add_event, add_lead
from tests.services.handraiser import running as running_command
from tests.services.handraiser import settings_of_a_test

LEADS, ORDERS = 120, 6  # more of them at each round
POINTS = (
    "rows-claimed", "job-published", "job-taken", "touch-begun", "touch-decided-before-commit", "touch-decided-after-commit",
    "send-begun", "before-mark", "after-mark", "before-dot", "after-dot", "after-250", "before-record", "after-record",
)  # fmt: skip
PATIENCE = 90


@dataclass(kw_only=True)
class Place:
    """Processes over one database and one mail server, which takes its time, so that a kill finds mail in flight."""

    database: Database
    url: str
    folder: Path
    sink: Sink
    chance: random.Random
    commands: Sequence[str] = ("up",)
    redis_url: str | None = None
    kills: list[str] = field(default_factory=list)
    expected: int = 0

    def environment(self, **settings: str) -> dict[str, str]:
        shared = {"BROKER_URL": self.redis_url} if self.redis_url else {}
        leases = {"QUEUE_LEASE_SECONDS": "2", "WORKER_LEASE_SECONDS": "3", "LOG_LEVEL": "WARNING"}
        return settings_of_a_test(
            DATABASE_URL=self.url, SMTP_URL=self.sink.url, SECRET_KEY=SECRET, **shared, **leases, **settings
        )

    def fill(self) -> None:
        """Make some more mail due: lessons for new leads, and orders of a few of them."""
        with self.database.write() as tx:
            leads = [add_lead(tx, fields={"first_name": "Ada", "rooms": 3}) for _ in range(LEADS)]
            enrol_leads(tx, "lessons", leads, anchor_at=tx.now - timedelta(hours=1))
            for lead_id in leads[:ORDERS]:
                data = {"number": f"CR-{lead_id}", "ship_to": "1 Mill Lane"}
                request_email(tx, add_event(tx, type="order_placed", lead_id=lead_id, data=data), "order_placed", lead_id, data)
        self.expected += LEADS + ORDERS

    def round(self) -> None:
        """Start everything; one process dies at a point of its own or is killed from outside, and then all others are."""
        self.fill()
        doomed = self.chance.choice(self.commands)
        armed = f"{self.chance.choice(POINTS)}:{self.chance.randint(1, 6)}" if self.chance.random() < 0.7 else ""
        self.kills.append(f"{doomed} {armed or 'from outside'}")
        with ExitStack() as stack:
            for command in self.commands[1:]:
                stack.callback(stack.enter_context(self.started(command)).kill)
            try:
                victim = stack.enter_context(self.started(doomed, CRASH_AT=armed))
            except RuntimeError:  # it died before it could say that it runs
                return
            stack.callback(victim.kill)
            wait_for_death(victim, seconds=self.chance.uniform(0.05, 1.5))
            if self.redis_url and self.chance.random() < 0.5:
                Redis.from_url(self.redis_url).flushall()

    def started(self, command: str, **settings: str) -> AbstractContextManager[subprocess.Popen[bytes]]:
        return running_command(command, workspace=self.folder, environment=self.environment(**settings))

    def finish(self) -> None:
        """Run in peace until every mail has come to its end."""
        with ExitStack() as stack:
            for command in self.commands:
                stack.enter_context(self.started(command))
            deadline = time.monotonic() + PATIENCE
            while self.unfinished():
                assert time.monotonic() < deadline, f"{self.unfinished()} mails have come to no end"
                time.sleep(0.2)

    def unfinished(self) -> int:
        with self.database.write() as tx:
            for noun in NOUNS.values():
                take_up_again(tx, noun)  # what a person does who finds rows set aside
            tx.run(sa.update(sends).where(sends.c.state == SendState.READY).values(due_at=tx.now))  # waits are over
            ended = sa.select(sa.func.count()).select_from(sends).where(sends.c.state.in_(TERMINAL_SEND))
            return self.expected - int(tx.run(ended).scalar_one())


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    url = request.getfixturevalue(f"{request.param}_url")
    seed = request.config.getoption("--seed")
    seed = random.randrange(10**6) if seed is None else seed
    print(f"seed {seed}")
    database = Database.open(url)
    with database.write() as tx:
        add_workspace(tx)
    more = {"commands": ("dispatcher", "worker", "worker"), "redis_url": request.getfixturevalue("redis_url")}
    with running(Sink(journal=tmp_path / "journal")) as sink:
        shared = more if request.param == "postgres" else {}
        yield Place(database=database, url=url, folder=tmp_path, sink=sink, chance=random.Random(seed), **shared)
    database.close()


def test_killed_processes_lose_nothing_and_send_nothing_twice(place: Place, request: pytest.FixtureRequest) -> None:
    for _ in range(25 if request.config.getoption("--full") else 2):
        place.round()
    place.finish()

    print(place.kills)
    assert unexplained(place) == []


def unexplained(place: Place) -> list[str]:
    """Rows of the journal or of the ledger that the other cannot explain."""
    kept = journal(place.sink)
    with place.database.read() as tx:
        rows = {row.id: row for row in tx.run(sa.select(sends)).all()}
    found = [f"the ledger does not know mail {send_id}" for send_id in kept if send_id not in rows]
    for send_id, row in rows.items():
        copies = kept.get(send_id, [])
        may_repeat = row.stream == Stream.TRANSACTIONAL and row.unknowns
        if row.state == SendState.ACCEPTED and not copies:
            found.append(f"{row.source} is accepted and never arrived")
        if len(copies) > (2 if may_repeat else 1) or len(set(copies)) > 1:
            found.append(f"{row.source} ({row.state}) arrived {len(copies)} times")
        if row.state not in (SendState.ACCEPTED, SendState.UNKNOWN):
            found.append(f"{row.source} is {row.state}, {row.reason}")
    return found


def journal(sink: Sink) -> dict[int, list[str]]:
    """{send id: the hash of each copy that the server kept}."""
    kept: dict[int, list[str]] = {}
    assert sink.journal is not None
    for line in sink.journal.read_text().splitlines() if sink.journal.exists() else []:
        entry = json.loads(line)
        kept.setdefault(TOKENS.open(from_address(entry["token"])).send_id, []).append(entry["sha256"])
    return kept


def wait_for_death(process: subprocess.Popen[bytes], *, seconds: float) -> None:
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
