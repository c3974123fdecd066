"""A worker killed at each named point, then another: the server's own journal, joined with the ledger, has no unexplained row."""

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from engine.claim import SEND, sweep
from engine.clock import VirtualClock
from engine.database import Database
from engine.deliver.pool import MICRO_BATCH, Reuse
from engine.deliver.record import settle_lost
from engine.deliver.transactional import request_email
from engine.schema import sends, touches, workers
from engine.simulate.sink import Sink, running
from engine.tokens import from_address
from engine.vocabulary import SendState, Stream
from tests.deliver.given import add_mail, add_workspace
from tests.factories import TOKENS, add_event, add_lead

ROOT = Path(__file__).parents[2]
POINTS = ("send-begun", "before-mark", "after-mark", "before-dot", "after-dot", "after-250", "before-record", "after-record")
MARKETING, ORDERS = 60, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A ledger full of mails that are due, and a mail server with a journal."""

    database: Database
    url: str
    sink: Sink
    folder: Path

    def work(self, worker_id: str, crash_at: str = "") -> int:
        """Run a worker until it ends; its exit status."""
        command = [sys.executable, "-m", "tests.deliver.mortal_worker", self.url, self.sink.url, worker_id, str(self.folder)]
        done = subprocess.run([*command, crash_at], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        return done.returncode


@pytest.fixture
def place(request: pytest.FixtureRequest, clock: VirtualClock, tmp_path: Path) -> Iterator[Place]:
    clock.instant = datetime.now(UTC) - timedelta(minutes=1)  # the workers run by their own clocks
    url = request.getfixturevalue(f"{request.param}_url")
    database = Database.open(url, clock=clock)
    with database.write() as tx:
        version_id = add_workspace(tx)
        for _ in range(MARKETING):
            add_mail(tx, version_id, worker=None, state=SendState.READY, lease_until=None)
        for number in range(ORDERS):
            lead_id = add_lead(tx)
            event_id = add_event(tx, type="order_placed", lead_id=lead_id, data={"number": f"CR-{number}"})
            request_email(tx, event_id, "order_placed", lead_id, {"number": f"CR-{number}", "ship_to": "1 Mill Lane"})
    with running(Sink(journal=tmp_path / "journal")) as sink:
        yield Place(database=database, url=url, sink=sink, folder=tmp_path)
    database.close()


CASES = [("sqlite", point) for point in POINTS] + [("postgres", point) for point in ("after-mark", "after-dot", "before-record")]


@pytest.mark.parametrize(("place", "point"), CASES, indirect=["place"])
def test_a_killed_worker_loses_nothing_and_sends_nothing_twice(place: Place, point: str) -> None:
    assert place.work("first", f"{point}:2") == -signal.SIGKILL

    recover(place.database)
    assert place.work("second") == 0

    join(place)


def recover(database: Database) -> None:
    """What the dispatcher does when a worker's lease has run out; and two minutes pass."""
    with database.write() as tx:
        tx.run(sa.delete(workers))
        in_a_queue = sends.c.state == SendState.CLAIMED, sends.c.worker_id.is_(None)
        tx.run(sa.update(sends).where(*in_a_queue).values(lease_until=tx.now - timedelta(seconds=1)))
        sweep(tx, SEND)
        settle_lost(tx)
        tx.run(sa.update(sends).where(sends.c.state == SendState.READY).values(due_at=tx.now))


def join(place: Place) -> None:
    """Every row of the journal and of the ledger explains the other."""
    kept = journal(place.sink)
    with place.database.read() as tx:
        rows = {row.id: row for row in tx.run(sa.select(sends)).all()}
        open_touches = Counter(tx.run(sa.select(touches.c.state).where(touches.c.state != "done")).scalars())
    assert set(kept) <= set(rows), "a mail that the ledger does not know"
    assert {row.state for row in rows.values()} <= {SendState.ACCEPTED, SendState.UNKNOWN}
    for send_id, row in rows.items():
        copies = kept.get(send_id, [])
        if row.state == SendState.ACCEPTED:
            assert len(copies) in ((1,) if not row.unknowns else (1, 2)), f"{row.source} was kept {len(copies)} times"
        assert len(copies) <= 1 or (row.stream == Stream.TRANSACTIONAL and len(set(copies)) == 1), "a copy that is not identical"
    unknown = [row for row in rows.values() if row.state == SendState.UNKNOWN]
    assert len(unknown) <= MICRO_BATCH * Reuse().connections
    assert open_touches == {"waiting": MARKETING}, "a passage that does not go on"


def journal(sink: Sink) -> dict[int, list[str]]:
    """{send id: the hash of each copy that the server kept}."""
    kept: dict[int, list[str]] = {}
    assert sink.journal is not None
    for line in sink.journal.read_text().splitlines():
        entry = json.loads(line)
        kept.setdefault(TOKENS.open(from_address(entry["token"])).send_id, []).append(entry["sha256"])
    return kept
