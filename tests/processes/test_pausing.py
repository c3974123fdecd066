"""A person holds mail back and lets it go, in any order: nothing goes out meanwhile, nothing is lost, doubled or disordered."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
import sqlalchemy as sa

from engine.clock import VirtualClock
from engine.database import Database, Tx
from engine.deliver.wire import Accepted, Flight, Outcome, Recheck
from engine.pauses import pauses_seen
from engine.processes.dispatcher import dispatch, mend
from engine.processes.lanes import Lane
from engine.processes.live_again import at_work
from engine.processes.verbs import VERBS
from engine.runtime import Runtime
from engine.schedule.pause import keep_still, pause, resume
from engine.schema import enrolments, sends
from engine.settings import Settings
from engine.tokens import Tokens
from engine.vocabulary import LIVE_ENROLMENT, TERMINAL_SEND, PauseKind, Stream
from tests.crash.given import add_work, apply_lessons
from tests.deliver.given import settings_for
from tests.factories import SECRET

LEASE = timedelta(hours=1)
WHAT = (
    (PauseKind.ALL, ""),
    (PauseKind.MARKETING, ""),
    (PauseKind.CADENCE, "lessons"),
    (PauseKind.RELAY, "main"),
    (PauseKind.DOMAIN, "mail.example"),
)
LESSONS, ORDERS, ROUNDS = 4, 2, 40


def test_no_order_of_pauses_loses_or_doubles_a_mail(
    tmp_path: Path, database: Database, clock: VirtualClock, pytestconfig: pytest.Config
) -> None:
    apply_lessons(database, tmp_path)
    for seed in range(60 if pytestconfig.getoption("--full") else 1):
        shop = Shop(database=database, settings=settings_for(tmp_path), clock=clock)
        live_through_pauses(shop, Random(seed))

        marketing = [(lead_id, email) for lead_id, email, stream in shop.arrived if stream == Stream.MARKETING]
        orders = [each for each in shop.arrived if each[2] == Stream.TRANSACTIONAL]
        assert len(marketing) == len(set(marketing)) == 3 * 2 * LESSONS, f"seed {seed}"
        assert len(orders) == len(set(orders)) == 2 * ORDERS, f"seed {seed}"
        assert all(in_order(marketing, lead_id) for lead_id, _email in marketing), f"seed {seed}"
        assert shop.broken == [], f"seed {seed}"


def in_order(marketing: Sequence[tuple[int, str]], lead_id: int) -> bool:
    return [email for each, email in marketing if each == lead_id] == ["lesson-1", "lesson-2", "lesson-3"]


def live_through_pauses(shop: "Shop", chance: Random) -> None:
    with at_work(shop.database) as worker_id:
        shop.worker_id = worker_id
        for number in range(ROUNDS):
            if number in (0, ROUNDS // 2):
                add_work(shop.runtime(), lessons=LESSONS, orders=ORDERS, hands=1)
            with shop.database.write() as tx:
                press(tx, chance)
            shop.work()
            shop.clock.move_to(shop.clock.now() + timedelta(seconds=chance.choice((1, 20, 120, 3_600))))
        with shop.database.write() as tx:
            for kind, name in WHAT:
                resume(tx, kind, name)
        for _ in range(24 * 5):
            shop.work()
            shop.clock.move_to(shop.clock.now() + timedelta(hours=1))
            if shop.is_over():
                return


def press(tx: Tx, chance: Random) -> None:
    kind, name = chance.choice(WHAT)
    if chance.random() < 0.5:
        pause(tx, kind, name)
    else:
        resume(tx, kind, name)
    if chance.random() < 0.5:
        keep_still(tx)


@dataclass(slots=True, kw_only=True)
class Shop:
    """The product under a virtual clock. Its wire notes what arrived, and what arrived although it was held back."""

    database: Database
    settings: Settings
    clock: VirtualClock
    worker_id: str = ""
    arrived: list[tuple[int, str, str]] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    taken: list[tuple[Lane, list[tuple[int, int]]]] = field(default_factory=list)

    def work(self) -> None:
        """All that is due and not held back."""
        mend(self.database)
        while dispatch(self.database, self.take, lease=LEASE).published:
            while self.taken:
                lane, claims = self.taken.pop(0)
                VERBS[lane.noun.name](self.runtime(), claims)

    def take(self, lane: Lane, claims: list[tuple[int, int]]) -> None:
        self.taken.append((lane, claims))

    def runtime(self) -> Runtime:
        return Runtime(
            settings=self.settings, database=self.database, tokens=Tokens((SECRET,)), wire=self, worker_id=self.worker_id,
            has_lease=lambda: True, publish=lambda _noun, _claims: None,
        )  # fmt: skip

    def fly(self, flights: Sequence[Flight], recheck: Recheck) -> list[Outcome]:
        theirs = sends.c.id.in_([each.send_id for each in flights])
        with self.database.read() as tx:
            held = pauses_seen(tx)
            for row in tx.run(sa.select(sends.c.lead_id, sends.c.email, sends.c.stream, sends.c.touch_id).where(theirs)):
                self.arrived.append((row.lead_id, row.email, row.stream))
                cadence = "lessons" if row.touch_id else None
                if held.stops(Stream(row.stream), cadence=cadence, domain=flights[0].domain) or held.stops_relay("main"):
                    self.broken.append(f"{row.email} at {self.clock.now()}")
        return [Accepted(code=250, reply="2.0.0 taken") for _ in flights]

    def close(self) -> None:
        pass

    def is_over(self) -> bool:
        open_sends = sa.select(sends.c.id).where(sends.c.state.not_in(TERMINAL_SEND))
        live = sa.select(enrolments.c.id).where(enrolments.c.state.in_(LIVE_ENROLMENT))
        with self.database.read() as tx:
            return not any(tx.run(each.limit(1)).first() for each in (live, open_sends))
