"""What a worker does while its broker is away: it looks for due rows itself and carries them out over a queue in its own memory.

Before: the broker takes no jobs, twice in a row. After: it does; the queue in memory is given back, and jobs come again. Those
that the broker remembers are stale by then, or wake somebody up for rows that are still due.
"""

import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial

from engine.beside import beside
from engine.processes.broker import open_broker, publisher
from engine.processes.dispatcher import run_dispatcher
from engine.processes.reach import is_in_process, takes_jobs
from engine.processes.worker import DRAIN_MILLISECONDS, LAND_SECONDS, working
from engine.runtime import Runtime

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
DRAIN_SECONDS = DRAIN_MILLISECONDS / 1_000 + LAND_SECONDS


def standing_in(runtime: Runtime, *, threads: int, on_unfinished: Callable[[], None]) -> AbstractContextManager[None]:
    """Stand in for the broker whenever it is away, while the block lasts. One in this process is never away."""
    if is_in_process(runtime.settings.broker_url):
        return nullcontext()
    watching = partial(stand_in_while_away, runtime, threads, on_unfinished)
    return beside(watching, name="spare", patience=DRAIN_SECONDS)


def stand_in_while_away(runtime: Runtime, threads: int, on_unfinished: Callable[[], None], stop: threading.Event) -> None:
    missed = 0
    while not stop.wait(LOOK_SECONDS):
        missed = 0 if takes_jobs(runtime.settings.broker_url) else missed + 1
        if missed == 2:
            log.warning("the broker is away or takes no jobs: this worker looks for due rows itself, which is slower")
            missed = 0
            try:
                stand_in(runtime, threads, on_unfinished, stop)
            except Exception:
                log.exception("standing in for the broker failed; it is tried again while the broker is away")


def stand_in(runtime: Runtime, threads: int, on_unfinished: Callable[[], None], stop: threading.Event) -> None:
    """Until the broker takes jobs."""
    memory = open_broker("memory:")
    publish, lease = publisher(memory), runtime.settings.queue_lease

    def dispatch(stopping: threading.Event) -> None:
        run_dispatcher(runtime.database, publish, lease=lease, stop=stopping)

    with working(memory, runtime, threads=threads, on_unfinished=on_unfinished), beside(dispatch, name="spare-dispatcher"):
        while not stop.wait(LOOK_SECONDS) and not takes_jobs(runtime.settings.broker_url):
            pass
    if not stop.is_set():
        log.info("the broker is back: jobs come from it again")
