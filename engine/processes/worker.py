"""A worker: threads that take jobs from the broker and hand their rows to the verbs.

Before: the dispatcher publishes jobs. After: the verbs move the rows. Mail that somebody waits for has threads of its own, so a
nurture of thousands, or a slow mail server, does not stand before it.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from time import monotonic, sleep

import dramatiq
from dramatiq.worker import Worker

from engine import crash, metrics
from engine.claim import SEND, Claim, put_back, put_back_all, set_aside
from engine.database import Database
from engine.persist import AWAY, is_nobodys_fault, persist
from engine.processes.broker import declare_actors, publisher
from engine.processes.dispatcher import dispatch_at_once
from engine.processes.inprocess import InProcessBroker
from engine.processes.lanes import BULK, EXPRESS, LANES, OUTWARD, REACTIONS, TRANSACTIONAL, Lane
from engine.processes.verbs import VERBS, Verb
from engine.runtime import Runtime

log = logging.getLogger(__name__)

DRAIN_MILLISECONDS = 23_000
LAND_SECONDS = 2.0  # in which it is written down what became of mails that were broken off
OUTWARD_THREADS = 4  # they mostly wait
POLL_MILLISECONDS = 500  # how soon an idle thread sees that it should stop, and asks Redis where it heard no bell
AWAY_SECONDS = 1.0  # a thread whose job failed since the database was away takes the next one after this
FOLLOWED_BY = {REACTIONS.queue: TRANSACTIONAL}  # a reaction may have asked for mail that somebody waits for


@contextmanager
def working(
    broker: dramatiq.Broker,
    runtime: Runtime,
    *,
    threads: int,
    verbs: Mapping[str, Verb] = VERBS,
    on_overdue: Callable[[], None] = lambda: None,
    on_unfinished: Callable[[], None] = lambda: None,
) -> Iterator[None]:
    """Take jobs while the block lasts; then give back what no server was told of, and finish the rest (25 s at most).

    `on_overdue` is called shortly before that if jobs are still running, `on_unfinished` if they run on all the same.
    """
    declare_actors(broker, partial(carry_out, runtime, broker, verbs))
    groups = start_threads(broker, threads)
    try:
        yield
    finally:
        give_back_unmarked(runtime)
        if not stop_threads(groups):
            give_back_unmarked(runtime)
            on_overdue()
            if not have_ended(groups, LAND_SECONDS):
                on_unfinished()
        if isinstance(broker, InProcessBroker):
            give_back(runtime.database, broker)


def start_threads(broker: dramatiq.Broker, threads: int) -> list[Worker]:
    broker.emit_after("process_boot")
    groups = [
        worker(broker, EXPRESS, threads),
        worker(broker, BULK, threads),
        worker(broker, OUTWARD, OUTWARD_THREADS),
    ]
    for group in groups:
        group.start()
    return groups


def worker(broker: dramatiq.Broker, lanes: Sequence[Lane], threads: int) -> Worker:
    return Worker(broker, queues={lane.queue for lane in lanes}, worker_threads=threads, worker_timeout=POLL_MILLISECONDS)


def stop_threads(groups: Sequence[Worker]) -> bool:
    """Whether every thread finished in time."""
    with ThreadPoolExecutor(len(groups)) as stoppers:
        list(stoppers.map(lambda group: group.stop(timeout=DRAIN_MILLISECONDS), groups))
    return have_ended(groups, 0)


def have_ended(groups: Sequence[Worker], seconds: float) -> bool:
    until = monotonic() + seconds
    for thread in (thread for group in groups for thread in group.workers):
        thread.join(max(0.0, until - monotonic()))
    return not any(thread.is_alive() for group in groups for thread in group.workers)


def give_back_unmarked(runtime: Runtime) -> None:
    """Open the mails again that nobody has said a word about: others take them now, whatever our threads wait for. A database
    that is away gets them back by their lease.
    """
    with suppress(*AWAY), runtime.database.write() as tx:
        put_back_all(tx, SEND, worker_id=runtime.worker_id)


def give_back(database: Database, broker: InProcessBroker) -> None:
    """Open the rows of jobs that nobody began: this process's queues end with it. Where the database is away, by their lease."""
    lanes = {lane.queue: lane for lane in LANES}
    with suppress(*AWAY), database.write() as tx:
        for message in broker.drain():
            put_back(tx, lanes[message.queue_name].noun, message.args[0])


def carry_out(runtime: Runtime, broker: dramatiq.Broker, verbs: Mapping[str, Verb], lane: Lane, claims: list[Claim]) -> None:
    """Do one job."""
    crash.point("job-taken")
    try:
        first = runtime.precedence.awaited() if lane is TRANSACTIONAL else nullcontext()
        with metrics.Timed(metrics.job_seconds(lane.queue)), first:
            verbs[lane.noun.name](runtime, claims)
    except Exception as error:
        metrics.JOBS.labels(lane.queue, "failed").inc()
        fail(runtime, lane, claims, error)
        return
    metrics.JOBS.labels(lane.queue, "done").inc()
    if lane.queue in FOLLOWED_BY:
        lease = runtime.settings.queue_lease
        dispatch_at_once(runtime.database, publisher(broker), FOLLOWED_BY[lane.queue], lease=lease)


def fail(runtime: Runtime, lane: Lane, claims: list[Claim], error: Exception) -> None:
    """Log it with ids only; its rows are tried again, each alone, by `set_aside`. Where the database was away, or the machine can
    do no more, they are as good as untried.
    """
    nobodys = is_nobodys_fault(error)
    facts = {"noun": lane.noun.name, "ids": [row_id for row_id, _epoch in claims], "why": type(error).__name__}
    log.error("a job failed and its rows will be tried again", exc_info=None if nobodys else error, extra={"facts": facts})
    again = put_back if nobodys else set_aside
    persist(runtime.database, lambda tx: again(tx, lane.noun, claims))
    sleep(AWAY_SECONDS if nobodys else 0)
