"""An idle worker over Redis is woken when there is a job, and asks now and then where it hears nothing."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis

from engine.processes.bells import FULL_SECONDS, MOST_RINGS, bell_of
from engine.processes.broker import open_broker, publisher
from engine.processes.lanes import TRANSACTIONAL

QUEUE = TRANSACTIONAL.queue


def test_a_job_is_taken_up_at_once_by_who_listens(redis_url: str) -> None:
    broker = open_broker(redis_url)
    consumer = broker.consume(QUEUE, prefetch=1, timeout=1_900)
    assert next(consumer) is None  # nothing there; what an earlier test left is worked off
    publish = threading.Timer(0.2, publisher(broker), (TRANSACTIONAL, [(1, 1)]))
    publish.start()
    began = time.monotonic()

    taken = [next(consumer), next(consumer)]

    assert time.monotonic() - began < 1.5
    assert [message.args[0] for message in taken if message is not None] == [[[1, 1]]]


def test_nobody_is_told_twice_of_jobs_long_done(redis_url: str) -> None:
    broker = open_broker(redis_url)
    for number in range(MOST_RINGS + 5):
        publisher(broker)(TRANSACTIONAL, [(number, 1)])

    assert Redis.from_url(redis_url).llen(bell_of(QUEUE)) == MOST_RINGS


@pytest.mark.parametrize("is_full", [True, False])
def test_where_no_bell_rings_the_worker_asks_again(redis_url: str, is_full: bool) -> None:
    consumer = open_broker(redis_url).consume(QUEUE, prefetch=0 if is_full else 1, timeout=50)

    began = time.monotonic()

    assert next(consumer) is None
    assert time.monotonic() - began >= 0.05


def test_a_worker_that_holds_as_many_jobs_as_it_may_soon_looks_whether_it_may_hold_more(redis_url: str) -> None:
    consumer = open_broker(redis_url).consume(QUEUE, prefetch=0, timeout=1_900)
    began = time.monotonic()

    assert next(consumer) is None
    assert time.monotonic() - began < 1


def test_small_jobs_are_fetched_as_fast_as_they_are_done(redis_url: str) -> None:
    """Else rows that travel alone after a crash would be claimed anew before their jobs are taken up, for ever."""
    jobs, prefetch = 200, 2
    broker = open_broker(redis_url)
    for number in range(jobs):
        publisher(broker)(TRANSACTIONAL, [(number, 1)])
    consumer = broker.consume(QUEUE, prefetch=prefetch, timeout=1_900)
    began, done = time.monotonic(), 0

    with ThreadPoolExecutor(1) as worker:
        while done < jobs:
            message = next(consumer)
            if message is not None:
                worker.submit(consumer.ack, message)
                done += 1

    assert time.monotonic() - began < jobs / prefetch * FULL_SECONDS / 2
