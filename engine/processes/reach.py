"""Whether what a process depends on can be reached, for those who ask how things are.

Before: a person calls `handraiser status`, or a load balancer asks for `/health` or `/ready`. After: they are told. While
something is away nothing is lost: rows stay due, and processes try again by themselves.
"""

import logging
import threading
from collections.abc import Callable
from functools import partial
from importlib import import_module
from time import monotonic
from typing import Generic, TypeVar
from urllib.parse import urlsplit

import sqlalchemy as sa

from engine.database import Database
from engine.log import Trouble

log = logging.getLogger(__name__)
Found = TypeVar("Found")

PROBE = "probe"  # what a thread is called that finds something out
SECONDS = 1.0
TRIED, A_MINUTE = "handraiser:tried", 60  # a key that is written to see whether one can be
PATIENCE = 0.5  # seconds that somebody who asks over HTTP waits for what may hang
FRESH = 2.0  # seconds for which an answer holds


class Probe(Generic[Found]):
    """What is found out by asking something that may hang, for those who ask often: it is asked in a thread of its own, so that
    nobody is held up for more than a moment, and an answer holds for `fresh` seconds.
    """

    def __init__(self, ask: Callable[[], Found], *, fresh: float = FRESH) -> None:
        self._ask, self._fresh = ask, fresh
        self._failing = Trouble(log, "how things are could not be found out")
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._began = self._heard = float("-inf")
        self._found: Found | None = None

    def found(self, *, patience: float = PATIENCE) -> Found | None:
        """None: there is no answer within `patience` seconds of when it was asked."""
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                if monotonic() - self._heard < self._fresh:
                    return self._found
                self._thread = threading.Thread(target=self._find_out, name=PROBE, daemon=True)
                self._began = monotonic()
                self._thread.start()
            thread = self._thread
        thread.join(max(0.0, self._began + patience - monotonic()))
        return None if thread.is_alive() else self._found

    def _find_out(self) -> None:
        found = None
        try:
            found = self._ask()
            self._failing.over()
        except Exception as error:
            self._failing.tell(error)
        self._found, self._heard = found, monotonic()


def broker_probe(url: str) -> Probe[bool] | None:
    """None where jobs stay in the process, and nothing can be away."""
    return None if is_in_process(url) else Probe(partial(takes_jobs, url))


def database_probe(database: Database) -> Probe[bool]:
    return Probe(partial(database_answers, database))


def is_in_process(url: str) -> bool:
    """Whether jobs stay in the process that publishes them."""
    return urlsplit(url).scheme == "memory"


def broker_answers(url: str) -> bool | None:
    """Asked once, with a second to connect and a second to answer. None: jobs stay in the process, and nothing can be away."""
    return None if is_in_process(url) else takes_jobs(url)


def takes_jobs(url: str) -> bool:
    """A Redis that is out of memory or disk, or a replica, answers a PING and takes no job: only a write tells."""
    redis = import_module("redis")  # costs a sixth of a second, which whoever has none need not wait
    never_again = redis.retry.Retry(redis.backoff.NoBackoff(), 0)
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=SECONDS, socket_timeout=SECONDS, retry=never_again) as client:
            return bool(client.set(TRIED, "", ex=A_MINUTE))
    except (redis.RedisError, OSError):  # OSError: this process can open nothing, not even the library's own files
        return False


def database_answers(database: Database) -> bool:
    try:
        with database.read() as tx:
            tx.run(sa.select(sa.literal(1)))
        return True
    except sa.exc.SQLAlchemyError:
        return False
