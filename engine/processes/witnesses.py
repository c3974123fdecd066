"""Telling a database that is older than the world from one that is not, by what a process keeps outside it.

Before: the database is open, nothing is claimed. After: while the process runs, a thread writes down the last mail that was
marked, once a second at most, beside the workspace and in Redis where there is one; and asks whether the database still knows of
it, or of the one that stood there, for it may be put back while processes run.
"""

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from importlib import import_module

from sqlalchemy.exc import SQLAlchemyError

from engine.beside import beside
from engine.database import Database
from engine.errors import HandraiserError
from engine.installation import installation_id
from engine.log import Trouble
from engine.processes.reach import SECONDS, is_in_process
from engine.schedule.restored import doubts, hold_if_restored, newest_first, restored
from engine.settings import Settings
from engine.story.held_back import held_back
from engine.witness import InFile, Place, Witness, from_text, write_newer

log = logging.getLogger(__name__)
unkept = Trouble(log, "the last mail that went out cannot be noted outside the database, by which a restored one is told")

EVERY_SECONDS = 1.0


@contextmanager
def witnessing(settings: Settings, database: Database) -> Iterator["Witnesses"]:
    """Hold everything if this database is not what it was, before anything is claimed; then keep watch while the block lasts.

    Raises what the database raises.
    """
    witnesses = Witnesses(settings, database)
    witnesses.look_back()
    with beside(witnesses.keep, name="witness"):
        yield witnesses


class Witnesses:
    """What one process has to tell. `note` is for those who mark, and costs nothing. `held_back`: a line for each pause that held
    at the last look.
    """

    def __init__(self, settings: Settings, database: Database) -> None:
        self._database = database
        with database.write() as tx:
            self._installation = installation_id(tx)
        self._places = tuple(places_of(settings, self._installation))
        self._unread = self._places
        self._newest: Witness | None = None
        self._told: Witness | None = None
        self.held_back: tuple[str, ...] = ()

    def look_back(self) -> None:
        """What is noticed only now says so by itself."""
        stood = self._read()
        with self._database.write() as tx:
            known = restored(tx)
            hold_if_restored(tx, stood)
            self._remember(newest_first(tx, stood))
        if known is not None:
            log.warning("nothing goes out until `handraiser resume restored`: %s", known.because)

    def _read(self) -> list[Witness]:
        """What stands in the places that could not be read yet; those that still cannot are asked again."""
        found, unread = [], []
        for place in self._unread:
            try:
                witness = place.read()
            except OSError as error:
                unkept.tell(error)
                unread.append(place)
                continue
            if witness is not None:
                found.append(witness)
        self._unread = tuple(unread)
        return found

    def _remember(self, witnesses: Sequence[Witness]) -> None:
        for witness in witnesses:
            if self._newest is None or witness.at >= self._newest.at:
                self._newest = witness

    def note(self, send_id: int, at: datetime) -> None:
        """It was marked then, and that is committed."""
        self._remember([Witness(installation=self._installation, send_id=send_id, at=at)])

    def keep(self, stop: threading.Event) -> None:
        """Look and tell once a second until `stop` is set, and once more then."""
        is_last = False
        while not is_last:
            is_last = stop.wait(EVERY_SECONDS)
            with suppress(SQLAlchemyError, OSError):  # whoever needs the database, or to open files, tells that he cannot
                self.look()
            self.tell()

    def look(self) -> None:
        """The database may be put back while we run, and a place may be read that could not be before."""
        stood = self._read()
        newest = [*stood, *([self._newest] if self._newest else [])]
        with self._database.read() as tx:
            self.held_back = held_back(tx)
            is_sound = restored(tx) is not None or not list(doubts(tx, newest))
            self._remember(newest_first(tx, stood))
        if not is_sound:
            with self._database.write() as tx:
                hold_if_restored(tx, newest)

    def tell(self) -> None:
        """Nothing is written over that was not read."""
        newest = self._newest
        if newest is None or newest == self._told:
            return
        try:
            for place in self._places:
                if place not in self._unread:
                    write_newer(place, newest)
            if not self._unread:
                self._told = newest
                unkept.over()
        except OSError as error:
            unkept.tell(error)


def places_of(settings: Settings, installation: str) -> Iterator[Place]:
    """Where this process writes and looks."""
    yield InFile(settings.workspace / ".handraiser")
    if not is_in_process(settings.broker_url):
        yield InRedis(settings.broker_url, installation)


class RedisAwayError(HandraiserError, OSError):
    """It did not answer; told in these words, without the way through its library."""


class InRedis:
    """Under one key of the installation, which lives as long as that Redis does."""

    def __init__(self, url: str, installation: str) -> None:
        redis = import_module("redis")  # costs a sixth of a second, which whoever has none need not wait
        never_again = redis.retry.Retry(redis.backoff.NoBackoff(), 0)
        self._client = redis.Redis.from_url(url, socket_connect_timeout=SECONDS, socket_timeout=SECONDS, retry=never_again)
        self._error: type[Exception] = redis.RedisError
        self._key = f"handraiser:{installation}:last-marked"

    def read(self) -> Witness | None:
        try:
            text = self._client.get(self._key)
        except self._error as error:
            raise RedisAwayError(f"Redis: {type(error).__name__}") from error
        return from_text(text.decode()) if text else None

    def write(self, witness: Witness) -> None:
        try:
            self._client.set(self._key, witness.as_text())
        except self._error as error:
            raise RedisAwayError(f"Redis: {type(error).__name__}") from error
