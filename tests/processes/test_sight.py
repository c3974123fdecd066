"""After an outage nobody is taken for dead before he could have said that he lives."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa

from engine.claim import SEND, begin, take_due
from engine.clock import VirtualClock
from engine.database import Database
from engine.processes import dispatcher
from engine.processes.dispatcher import mend, run_dispatcher
from engine.processes.sight import RENEWING_SECONDS, Sight
from engine.schema import sends
from engine.vocabulary import SendState
from tests.factories import add_send, add_worker

LEASE = timedelta(seconds=30)


class Seconds:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def sight_and_rounds() -> tuple[Sight, Callable[[float], bool]]:
    seconds = Seconds()
    sight = Sight(seconds)

    def round_after(pause: float) -> bool:
        seconds.now += pause
        return sight.is_clear()

    return sight, round_after


def test_a_dispatcher_that_looks_again_and_again_sees_clearly_from_the_start() -> None:
    _sight, round_after = sight_and_rounds()

    assert [round_after(0.5) for _ in range(3)] == [True] * 3


def test_after_an_outage_sight_is_clear_once_everybody_has_renewed() -> None:
    sight, round_after = sight_and_rounds()

    sight.lose()

    assert [round_after(1) for _ in range(6)] == [False] * 4 + [True] * 2
    assert RENEWING_SECONDS == 5


def test_a_round_that_comes_late_is_like_an_outage() -> None:
    _sight, round_after = sight_and_rounds()

    assert [round_after(60), round_after(1), round_after(4)] == [False, False, True]


def test_where_every_round_is_slow_the_dead_are_found_all_the_same() -> None:
    _sight, round_after = sight_and_rounds()

    assert [round_after(8) for _ in range(3)] == [False, True, True]


def test_what_a_silent_process_holds_stays_its_own_right_after_an_outage(database: Database, clock: VirtualClock) -> None:
    with database.write() as tx:
        add_worker(tx, id="silent", lease_until=tx.now + LEASE)
        add_send(tx)
        begin(tx, SEND, take_due(tx, SEND, limit=1, lease=LEASE), worker_id="silent")
        in_flight = add_send(tx, state=SendState.ATTEMPTING, worker_id="silent", due_at=tx.now)
    clock.move_to(clock.now() + timedelta(minutes=2))

    mend(database, knows_the_dead=False)
    right_after = states(database)
    mend(database)

    assert right_after == [SendState.CLAIMED, SendState.ATTEMPTING]
    assert states(database) == [SendState.READY, SendState.UNKNOWN]
    assert in_flight


def test_the_loop_loses_sight_when_the_database_is_away(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    known: list[bool] = []
    stop = threading.Event()

    def mend_badly(_database: Database, _chores: object, *, watch: object, knows_the_dead: bool) -> None:
        known.append(knows_the_dead)
        if len(known) == 2:
            stop.set()
        raise sa.exc.OperationalError("BEGIN", {}, Exception("the server is starting up"))

    monkeypatch.setattr(dispatcher, "mend", mend_badly)
    run_dispatcher(database, lambda _lane, _claims: None, lease=LEASE, stop=stop)

    assert known == [True, False]


def states(database: Database) -> list[str]:
    with database.read() as tx:
        return [row.state for row in tx.run(sa.select(sends.c.state).order_by(sends.c.id))]
