"""A trial: work is added, processes die over it, everything is worked off, and the oracle judges.

Before: `tests.crash.product` and `tests.crash.given`. After: the tests, each a story told with these verbs.
"""

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from redis import Redis

from engine.claim import NOUNS
from engine.database import Database
from engine.deliver.places import MOST_IN_DOUBT
from engine.schema import sends, touches, workers
from engine.vocabulary import SendState, Stream
from tests.crash.given import add_work, apply_lessons, is_anything_open, ledger, let_time_pass, receiver_over, unfinished
from tests.crash.oracle import Verdict, join, read_journal
from tests.crash.passages import complaints_about_orphans, complaints_about_passages, complaints_about_posts
from tests.crash.points import Point
from tests.crash.product import QUIT_WITHIN, Process, Product, mail_server
from tests.factories import SECRET, TOKENS
from tests.posts.receiver import Receiver, receiving
from tests.services.handraiser import settings_of_a_test

JOURNAL = "accepted.jsonl"
CONNECTIONS = 2  # to the mail server, from one process
ANY_MOMENT = "any moment, from outside"
PATIENCE = 300  # seconds for all work to be over, on a machine that has other things to do
LOOK_EVERY = 0.1
SHORT_LEASES = {"QUEUE_LEASE_SECONDS": "3", "WORKER_LEASE_SECONDS": "2"}


@dataclass(slots=True, kw_only=True)
class Death:
    """One killed process, and the sends that it had marked and not recorded; `awaited`: how many of them somebody waits for."""

    at: str
    in_doubt: frozenset[int]
    awaited: int
    threads: int

    @property
    def is_bounded(self) -> bool:
        """Nurture by its connections, and what somebody waits for by the threads that carry it."""
        return len(self.in_doubt) - self.awaited <= MOST_IN_DOUBT * CONNECTIONS and self.awaited <= self.threads


@dataclass(slots=True, kw_only=True)
class Trial:
    """A database, a mail server, and the product that dies between them."""

    database: Database
    product: Product
    journal: Path
    receiver: Receiver
    deaths: list[Death] = field(default_factory=list)
    freezes: int = 0
    recovered_in: list[float] = field(default_factory=list)  # seconds from the end of each outage until mail went out again
    nobody_looks: bool = False  # at rows that were set aside: everything must go on by itself
    has_forgotten: bool = False  # its database was put back and gives numbers out again: they do not say which mail is which

    def add_work(self, *, lessons: int = 12, orders: int = 6, hands: int = 2) -> None:
        receiver = receiver_over(self.database, self.product.folder, self.product.environment)
        add_work(receiver, lessons=lessons, orders=orders, hands=hands)

    def die_at(self, point: Point, passes: int) -> bool:
        """Run until the process that passes there has died at that pass. False: all work was over before it did."""
        role = self.product.role_of(point.role)
        self.end_role(role)
        process = self.product.start(role, crash_at=f"{point.name}:{passes}")
        self.product.start_all()
        self.wait_until(lambda: not process.is_alive() or self.is_over())
        if process.is_alive():
            return False
        assert process.exitcode == -9, f"{role} ended by itself: {process.exitcode}\n{self.product.last_words()}"
        self.note_death(process, f"{point.name}")
        return True

    def stop_at(self, point: Point) -> int | None:
        """Run until the process that passes there was asked to stop, there, and has stopped; its status. None: it never was."""
        role = self.product.role_of(point.role)
        if self.product.is_running(role):
            self.product.drain(role)
        process = self.product.start(role, crash_at=f"{point.name}:1:stop")
        self.product.start_all()
        self.wait_until(lambda: not process.is_alive() or self.is_over())
        if process.is_alive() and self.worker_of(process):
            return None
        process.join(QUIT_WITHIN)
        return process.exitcode

    def die_in(self, role: str, seconds: float) -> None:
        """Run, and kill it from outside after so long."""
        self.run_for(seconds)
        self.end_role(role)

    def run_for(self, seconds: float) -> None:
        self.product.start_all()
        ends_at = time.monotonic() + seconds
        self.wait_until(lambda: time.monotonic() >= ends_at)

    def run_until_present(self, role: str) -> None:
        """Run until that process has said that it is there: from then on it knows what to do when it is asked to stop."""
        self.product.start_all()
        self.wait_until(lambda: self.worker_of(self.product.running[role]) is not None)

    def run_until_all_work(self) -> None:
        """For trials in which nobody is killed."""
        self.product.start_all()
        self.wait_until(self.product.all_work)

    def freeze_at(self, point: Point, role: str) -> bool:
        """Run until that process stands still at that point. False: all work was over before it did."""
        self.product.start(role, crash_at=f"{point.name}:1:pause")
        self.product.start_all()
        self.wait_until(lambda: self.product.is_frozen(role) or self.is_over())
        return self.product.is_frozen(role)

    def end_role(self, role: str) -> None:
        """Kill what still runs of it, from outside."""
        if self.product.is_running(role):
            self.product.kill(role)
            self.note_death(self.product.running[role], ANY_MOMENT)

    def end_all(self) -> None:
        for role in self.product.roles:
            self.end_role(role)

    def note_death(self, process: Process, at: str) -> None:
        died = self.worker_of(process)
        doubtful = sa.select(sends.c.id, sends.c.stream).where(sends.c.state == SendState.ATTEMPTING, sends.c.worker_id == died)
        with self.database.read() as tx:
            found = tx.run(doubtful).all()
        awaited = sum(row.stream != Stream.MARKETING for row in found)
        in_doubt = frozenset(row.id for row in found)
        self.deaths.append(Death(at=at, in_doubt=in_doubt, awaited=awaited, threads=self.product.threads_of[process.pid]))

    def rows_of(self, worker_ids: Collection[str]) -> dict[str, int]:
        """How many rows each of these holds."""
        found: Counter[str] = Counter()
        with self.database.read() as tx:
            for noun in NOUNS.values():
                held = sa.select(noun.table.c.worker_id).where(noun.table.c.worker_id.in_(worker_ids))
                found.update(row.worker_id for row in tx.run(held))
        return dict(found)

    def worker_of(self, process: Process) -> str | None:
        """Its id in `workers`; None when it was never there, or has taken its leave."""
        with self.database.read() as tx:
            found: str | None = tx.run(sa.select(workers.c.id).where(workers.c.pid == process.pid)).scalar()
            return found

    def employ_two_workers(self) -> None:
        """Where processes share the work. One alone stays alone."""
        if "worker" in self.product.roles:
            self.product.roles = ("dispatcher", "worker", "worker-2")

    def empty_queues(self) -> None:
        """Redis loses all that it knew. One process alone has its queues in its own memory and loses them when it dies."""
        broker_url = self.product.environment.get("HANDRAISER_BROKER_URL")
        if broker_url:
            Redis.from_url(broker_url).flushall()

    def finish(self) -> None:
        """Run undisturbed until nothing is left to do."""
        self.product.start_all()
        self.wait_until(self.is_over)

    def seconds_to_go_on(self) -> float:
        """Until the next mail is accepted, or none is left to send."""
        began, before = time.monotonic(), self.accepted()
        self.wait_until(lambda: self.accepted() > before or self.is_over())
        return round(time.monotonic() - began, 1)

    def accepted(self) -> int:
        with self.database.read() as tx:
            found: int = tx.run(sa.select(sa.func.count()).where(sends.c.state == SendState.ACCEPTED)).scalar_one()
            return found

    def is_over(self) -> bool:
        return not is_anything_open(self.database)

    def lateness(self) -> list[timedelta]:
        """Of every mail that is over: from when it was asked for until it was; the smallest first."""
        asked = sa.case((sends.c.touch_id.is_(None), sends.c.created_at), else_=touches.c.created_at)
        mails = sends.outerjoin(touches, touches.c.id == sends.c.touch_id)
        chosen = sa.select(asked.label("asked_at"), sends.c.ended_at).select_from(mails)
        with self.database.read() as tx:
            return sorted(row.ended_at - row.asked_at for row in tx.run(chosen.where(sends.c.ended_at.is_not(None))))

    def judge(self) -> Verdict:
        return join(ledger(self.database), read_journal(self.journal), TOKENS)

    def figures(self) -> dict[str, object]:
        """What came of it, for the report."""
        verdict = self.judge()
        return {
            "database": "SQLite" if self.database.is_sqlite else "PostgreSQL",
            "sends": verdict.sends,
            "unknown": verdict.unknown,
            "resent": verdict.resent,
            "duplicates": verdict.duplicates,
            "lost": verdict.lost,
            "unexplained": len(self.complaints()),
            "has_forgotten": self.has_forgotten,
            "freezes": self.freezes,
            "recovered_in": self.recovered_in,
            "deaths": [self.figures_of(death) for death in self.deaths],
        }

    def figures_of(self, death: Death) -> dict[str, object]:
        """What became of the sends that were in doubt when it died."""
        entries = [entry for entry in ledger(self.database) if entry.send_id in death.in_doubt]
        return {
            "at": death.at,
            "in_doubt": len(entries),
            "unknown": sum(entry.state == SendState.UNKNOWN for entry in entries),
            "resent": sum(entry.state == SendState.ACCEPTED for entry in entries),
        }

    def complaints(self) -> list[str]:
        """Of everything that the ledger, the mail server and the passages cannot explain together."""
        received = [headers["webhook-id"] for _path, headers, _body in self.receiver.got]
        about_posts = complaints_about_posts(self.database, received)
        about_rows = [*complaints_about_passages(self.database), *complaints_about_orphans(self.database)]
        return [*self.judge().complaints, *about_rows, *about_posts]

    def wait_until(self, holds: Callable[[], bool]) -> None:
        """Meanwhile time passes: what waits for its hour becomes due."""
        deadline = time.monotonic() + PATIENCE
        while not holds():
            let_time_pass(self.database, somebody_looks=not self.nobody_looks)
            if time.monotonic() > deadline:
                left = "\n".join(unfinished(self.database, most=5))
                raise AssertionError(f"not over in {PATIENCE} s:\n{left}\n{self.judge()}\n{self.product.last_words()}")
            time.sleep(LOOK_EVERY)


@contextmanager
def judged(request: pytest.FixtureRequest, on_trial: Trial) -> Iterator[Trial]:
    """Its figures go into the report, if its test comes to its end."""
    yield on_trial
    request.node.user_properties.append(("crash", on_trial.figures()))


@contextmanager
def trial(folder: Path, database_url: str, broker_url: str | None, *, mail_port: int | None = None) -> Iterator[Trial]:
    """One process over SQLite; a dispatcher and a worker where a broker is given. `mail_port`: of a mail server of the test's
    own, which keeps its journal in the same place.
    """
    journal = folder / JOURNAL
    with nullcontext(mail_port) if mail_port else mail_server(journal) as port, receiving() as receiver:
        settings = {
            "DATABASE_URL": database_url,
            "SMTP_URL": f"smtp://127.0.0.1:{port}?connections={CONNECTIONS}",
            "SECRET_KEY": SECRET,
            "WEBHOOK_ALLOW": "127.0.0.1",
            **SHORT_LEASES,
            **({"BROKER_URL": broker_url} if broker_url else {}),
        }
        roles = ("dispatcher", "worker") if broker_url else ("up",)
        product = Product(folder=folder, environment=settings_of_a_test(**settings), roles=roles)
        database = Database.open(database_url)
        try:
            apply_lessons(database, folder, webhook=receiver.url)
            yield Trial(database=database, product=product, journal=journal, receiver=receiver)
        finally:
            product.end()
            database.close()
