"""The dispatcher: everything due is published once, in portions, with a bound on what may lie in a queue."""

import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa

from engine.claim import SEND, TOUCH, Claim, begin, set_aside
from engine.clock import VirtualClock
from engine.database import Database
from engine.processes.dispatcher import (
    BUSY_SECONDS,
    IDLE_SECONDS,
    RUSH_SECONDS,
    dispatch,
    dispatch_at_once,
    pause_after,
    run_dispatcher,
    tick,
)
from engine.processes.lanes import MARKETING, TOUCHES, TRANSACTIONAL, Lane
from engine.schedule.catch_up import LAST_AT_WORK
from engine.schema import installation, touches
from engine.vocabulary import Stream
from tests.factories import add_enrolment, add_lead, add_send, add_touch, add_worker

pytestmark = pytest.mark.both_databases
LEASE = timedelta(seconds=30)


class Published:
    """Where published jobs go in these tests."""

    def __init__(self) -> None:
        self.jobs: list[tuple[Lane, list[Claim]]] = []

    def __call__(self, lane: Lane, claims: list[Claim]) -> None:
        self.jobs.append((lane, claims))

    def sizes(self, lane: Lane) -> list[int]:
        return [len(claims) for found, claims in self.jobs if found is lane]


def test_a_tick_publishes_each_due_row_once_in_its_lane(database: Database) -> None:
    with database.write() as tx:
        lead = add_lead(tx)
        add_touch(tx)
        add_send(tx, lead_id=lead, stream=Stream.MARKETING)
        add_send(tx, lead_id=lead, stream=Stream.TRANSACTIONAL)
        add_send(tx, lead_id=lead, stream=Stream.INTERNAL)
        add_touch(tx, due_at=tx.now + timedelta(hours=1))
    published = Published()

    first, second = tick(database, published, lease=LEASE), tick(database, published, lease=LEASE)

    assert (first, second) == (4, 0)
    assert [published.sizes(lane) for lane in (TRANSACTIONAL, TOUCHES, MARKETING)] == [[2], [1], [1]]


@pytest.mark.parametrize(("due_in", "pause"), [(None, IDLE_SECONDS), (0.3, 0.3), (0.01, RUSH_SECONDS), (3600.0, IDLE_SECONDS)])
def test_an_idle_dispatcher_waits_for_the_next_row_and_not_past_it(
    database: Database, due_in: float | None, pause: float
) -> None:
    with database.write() as tx:
        lead = add_lead(tx)
        if due_in is not None:
            add_send(tx, lead_id=lead, stream=Stream.MARKETING, due_at=tx.now + timedelta(seconds=due_in))
            add_send(tx, lead_id=lead, stream=Stream.INTERNAL, due_at=tx.now + timedelta(seconds=due_in + 0.05))

    looked = dispatch(database, Published(), lease=LEASE)

    assert pause_after(looked, database) == pytest.approx(pause)


@pytest.mark.parametrize(
    ("queued", "due", "pause"),
    [(0, 10, BUSY_SECONDS), (0, TRANSACTIONAL.room // 2, RUSH_SECONDS), (TRANSACTIONAL.room, 10, BUSY_SECONDS)],
)
def test_a_busy_dispatcher_comes_back_sooner_to_a_queue_that_was_half_empty(
    database: Database, queued: int, due: int, pause: float
) -> None:
    add_orders(database, queued)
    dispatch(database, Published(), lease=LEASE)
    add_orders(database, due)

    looked = dispatch(database, Published(), lease=LEASE)

    assert pause_after(looked, database) == pause


def add_orders(database: Database, number: int) -> None:
    with database.write() as tx:
        lead = add_lead(tx)
        for _ in range(number):
            add_send(tx, lead_id=lead, stream=Stream.TRANSACTIONAL)


def test_no_more_rows_are_claimed_than_a_queue_has_room_for(database: Database) -> None:
    add_orders(database, TRANSACTIONAL.room + 5)
    published = Published()

    counts = [tick(database, published, lease=LEASE) for _ in range(2)]

    assert counts == [TRANSACTIONAL.room, 0]
    assert max(published.sizes(TRANSACTIONAL)) == TRANSACTIONAL.portion


def test_a_queue_is_filled_up_with_whole_portions(database: Database) -> None:
    with database.write() as tx:
        add_worker(tx, id="a")
    add_orders(database, TRANSACTIONAL.room + 2 * TRANSACTIONAL.portion)
    published = Published()
    tick(database, published, lease=LEASE)
    first, second = (claims for _lane, claims in published.jobs[:2])
    counts = []

    for begun in (first[1:], first[:1] + second[1:], second[:1]):
        with database.write() as tx:
            begin(tx, SEND, begun, worker_id="a")
        counts.append(tick(database, published, lease=LEASE))

    assert counts == [0, TRANSACTIONAL.portion, TRANSACTIONAL.portion]


def test_a_row_that_failed_before_travels_alone(database: Database) -> None:
    with database.write() as tx:
        suspect = add_touch(tx)
    published = Published()
    tick(database, published, lease=LEASE)
    with database.write() as tx:
        begin(tx, TOUCH, published.jobs[0][1], worker_id="a")
        set_aside(tx, TOUCH, published.jobs[0][1])
        add_touch(tx)
        add_touch(tx)

    again = Published()
    tick(database, again, lease=LEASE)

    assert again.sizes(TOUCHES) == [2, 1]
    assert again.jobs[-1][1][0][0] == suspect


def test_rows_of_a_dead_worker_are_published_again(database: Database, clock: VirtualClock) -> None:
    with database.write() as tx:
        add_touch(tx)
        add_worker(tx, id="a", lease_until=tx.now + timedelta(seconds=60))
    published = Published()
    tick(database, published, lease=LEASE)
    with database.write() as tx:
        begin(tx, TOUCH, published.jobs[0][1], worker_id="a")

    clock.move_to(clock.now() + timedelta(seconds=61))
    again = tick(database, published, lease=LEASE)

    assert again == 1


def test_a_broker_that_is_away_costs_nothing_but_time(database: Database) -> None:
    with database.write() as tx:
        for _ in range(3):
            add_touch(tx, enrolment_id=add_enrolment(tx))

    def away(_lane: Lane, _claims: list[Claim]) -> None:
        raise ConnectionError("nobody listens")

    dispatch_at_once(database, away, TOUCHES, lease=LEASE)
    for _ in range(5):
        with pytest.raises(ConnectionError):
            tick(database, away, lease=LEASE)
    published = Published()
    tick(database, published, lease=LEASE)

    assert published.sizes(TOUCHES) == [3]
    with database.read() as tx:
        assert {row.claims for row in tx.run(sa.select(touches.c.claims))} == {1}


def test_the_loop_outlives_a_failing_round_and_stops_when_asked(database: Database) -> None:
    with database.write() as tx:
        add_touch(tx)
    stop, rounds = threading.Event(), 0

    def away_at_first(_lane: Lane, _claims: list[Claim]) -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 1:
            raise ConnectionError("nobody listens")
        stop.set()

    run_dispatcher(database, away_at_first, lease=LEASE, stop=stop)

    assert rounds == 2


def test_where_a_chore_trips_over_a_row_awaited_mail_goes_out_and_nurture_waits(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    stop, published = threading.Event(), Published()
    with database.write() as tx:
        lead = add_lead(tx)
        for stream in (Stream.TRANSACTIONAL, Stream.MARKETING):
            add_send(tx, lead_id=lead, stream=stream)
        add_send(tx, lead_id=lead, stream=Stream.TRANSACTIONAL, state="claimed", worker_id="gone", claims=1)
        add_touch(tx)
        tx.run(sa.insert(installation).values(name=LAST_AT_WORK, value="no date"))

    def mended_after_the_first(lane: Lane, claims: list[Claim]) -> None:
        published(lane, claims)
        with database.write() as tx:
            tx.run(sa.delete(installation).where(installation.c.name == LAST_AT_WORK))
        if lane is MARKETING:
            stop.set()

    caplog.set_level("INFO")
    run_dispatcher(database, mended_after_the_first, lease=LEASE, stop=stop)

    assert [(lane.queue, len(claims)) for lane, claims in published.jobs] == [
        ("transactional", 1), ("transactional", 1), ("touch", 1), ("marketing", 1),
    ]  # fmt: skip
    assert [record.levelname for record in caplog.records if "could not be looked after" in record.getMessage()] == [
        "ERROR", "INFO",
    ]  # fmt: skip
