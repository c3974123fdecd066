"""Whether what a process depends on can be reached, for those who ask how things are.

Before: a person calls `handraiser status`, or a load balancer asks for `/health` or `/ready`. After: they are told. While
something is away nothing is lost: rows stay due, and processes try again by themselves.
"""

import threading
from collections.abc import Callable
from functools import partial
from importlib import import_module
from time import monotonic
from urllib.parse import urlsplit

import sqlalchemy as sa

from engine.database import Database

SECONDS = 1.0
PATIENCE = 0.5  # seconds that somebody who asks over HTTP waits for what may hang
FRESH = 2.0  # seconds for which an answer holds


class Probe:
    """Whether something answers, for those who ask often: it is asked in a thread of its own, so that what hangs holds up nobody
    for more than a moment, and at most every other second.
    """

    def __init__(self, ask: Callable[[], bool]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._began = self._heard = float("-inf")
        self._said = False

    def answers(self) -> bool:
        with self._lock:
            if not self._is_asking():
                if monotonic() - self._heard < FRESH:
                    return self._said
                self._thread = threading.Thread(target=self._find_out, name="probe", daemon=True)
                self._began = monotonic()
                self._thread.start()
            thread = self._thread
        assert thread is not None
        thread.join(max(0.0, self._began + PATIENCE - monotonic()))
        return not thread.is_alive() and self._said

    def _is_asking(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _find_out(self) -> None:
        said = False
        try:
            said = self._ask()
        finally:
            self._said, self._heard = said, monotonic()


def broker_probe(url: str) -> Probe | None:
    """None where jobs stay in the process, and nothing can be away."""
    return None if is_in_process(url) else Probe(partial(ping, url))


def database_probe(database: Database) -> Probe:
    return Probe(partial(database_answers, database))


def is_in_process(url: str) -> bool:
    """Whether jobs stay in the process that publishes them."""
    return urlsplit(url).scheme == "memory"


def broker_answers(url: str) -> bool | None:
    """Asked once, with a second to connect and a second to answer. None: jobs stay in the process, and nothing can be away."""
    return None if is_in_process(url) else ping(url)


def ping(url: str) -> bool:
    redis = import_module("redis")  # costs a sixth of a second, which whoever has none need not wait
    never_again = redis.retry.Retry(redis.backoff.NoBackoff(), 0)
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=SECONDS, socket_timeout=SECONDS, retry=never_again) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def database_answers(database: Database) -> bool:
    try:
        with database.read() as tx:
            tx.run(sa.select(sa.literal(1)))
        return True
    except sa.exc.SQLAlchemyError:
        return False
