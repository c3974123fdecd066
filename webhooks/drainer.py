"""The drainer: moves what the journal kept to SQL, one thread a web process.

Before: `webhooks.journal`. After: events, once each (`webhooks.record`). It takes care of its own process's folder and of those
whose process is gone. Opt-outs and mails go at once; requests wait for their neighbours, so that a scanner's many links are seen
together. While the database is away it tries again, and nothing is lost.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Event, Thread

from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError, StatementError

from engine.clock import Clock
from engine.log import Trouble
from engine.runtime import Runtime
from webhooks.entries import Fetched
from webhooks.journal import Journal
from webhooks.links import LinkTables
from webhooks.mail import read_mails
from webhooks.record import CLICK_HOLD, record
from webhooks.sources import Note, Source, left_behind, reject

log = logging.getLogger(__name__)
MOST_AT_ONCE = 500
MOST_BYTES_AT_ONCE = 30 * 1024 * 1024
BREATH, SLOWEST_RETRY = 0.02, 5.0  # seconds: what comes within a breath shares a commit
WAITING_PAUSE, IDLE_PAUSE = 0.5, 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long requests wait in the journal for their neighbours, and clicks in SQL before anything follows from them."""

    settle: timedelta = timedelta(seconds=3)
    click_hold: timedelta = CLICK_HOLD


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How the drainer does."""

    waiting: int
    oldest_at: datetime | None
    database_answers: bool


class Drainer:
    """Drains one process's journal, and those left behind by others."""

    def __init__(
        self, runtime: Runtime, journal: Journal, links: LinkTables, *, clock: Clock, patience: Patience | None = None
    ) -> None:
        self._runtime, self._journal, self._links, self._clock = runtime, journal, links, clock
        self._patience = patience or Patience()
        self._own = Source(journal.folder)
        self._left: list[Source] = []
        self._stopping = Event()
        self._database_answers = True
        self._away = Trouble(log, "the database does not answer; the journal keeps what comes")
        self._trouble = Trouble(log, "the journal could not be worked off; it is tried again")
        self._failing: set[str] = set()  # what of it failed; the rest may go on meanwhile
        self._thread = Thread(target=self._run, name="drainer", daemon=True)

    def start(self) -> None:
        """Drain in a thread until `stop`."""
        self._thread.start()

    def stop(self) -> None:
        """Drain once more what can be drained now, and end. What is left waits on the disk for the next process."""
        self._stopping.set()
        self._journal.appended.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=40)
        self._safely(self.drain)
        self._safely(self._tidy)
        self._own.remove_if_empty()
        for source in self._left:
            source.release()

    @property
    def database_answers(self) -> bool:
        """As far as the last attempt showed. Whoever can do without the database need not wait for it to time out."""
        return self._database_answers

    def standing(self) -> Standing:
        waiting = [note.entry.at for source in (self._own, *self._left) for note in source.waiting]
        return Standing(waiting=len(waiting), oldest_at=min(waiting, default=None), database_answers=self._database_answers)

    def drain(self) -> int:
        """Record what is ripe, in one transaction; returns how many lines that were. Raises SQLAlchemyError."""
        for source in (self._own, *self._left):
            source.read_more(current=self._growing if source is self._own else lambda: None)
        now = self._clock.now()
        batch = fitting([note for note in self._notes() if self._is_ripe(note, now)])
        if batch:
            self._record(batch)
        for source in (self._own, *self._left):
            removed = source.done({note.place for note in batch if note.source is source})
            if source is self._own:
                self._journal.forget(removed)
        return len(batch)

    def take_over(self) -> None:
        """Take the folders of processes that are gone, and give up those that are empty."""
        self._left = [source for source in self._left if not source.remove_if_empty()]
        held = {self._own.folder, *(source.folder for source in self._left)}
        self._left += left_behind(self._journal.folder.parent, held)

    def _run(self) -> None:
        pause = BREATH
        self._safely(self._tidy)
        while not self._stopping.is_set():
            self._journal.appended.clear()
            drained = self._safely(self.drain)
            if drained is None:
                pause = min(2 * pause + 0.1, SLOWEST_RETRY)
            else:
                pause = BREATH
                if drained == 0 and not self._journal.appended.wait(WAITING_PAUSE if self._notes() else IDLE_PAUSE):
                    self._safely(self._tidy)
            self._stopping.wait(pause)

    def _safely(self, act: Callable[[], int | None]) -> int | None:
        """What it returned; None when it failed. The thread outlives every error, and says so once an outage."""
        try:
            done = act()
        except SQLAlchemyError as error:
            self._away.tell(error)
            self._database_answers = False
            return None
        except Exception as error:
            self._trouble.tell(error)
            self._failing.add(act.__name__)
            return None
        self._failing.discard(act.__name__)
        if not self._failing:
            self._trouble.over()
        if self._database_answers:
            self._away.over()
        return done

    def _tidy(self) -> None:
        """When nothing happens: give up the drained segment, take over what others left, learn new link tables."""
        if not self._own.waiting:
            self._journal.start_anew(drained=self._own.position)
        self._own.read_more(current=self._growing)
        self._journal.forget(self._own.done(set()))
        self.take_over()
        self._database_answers = self._links.refresh()

    def _growing(self) -> int | None:
        return self._journal.current

    def _notes(self) -> list[Note]:
        return [note for source in (self._own, *self._left) for note in source.waiting]

    def _is_ripe(self, note: Note, now: datetime) -> bool:
        """An instant ahead of the clock means that the clock was set back: then there is nothing to wait for."""
        if not isinstance(note.entry, Fetched):
            return True
        age = now - note.entry.at
        return age >= self._patience.settle or age < -self._patience.settle

    def _record(self, batch: Sequence[Note]) -> None:
        """Store them; raises for what may pass by itself: a database or a disk that does not answer."""
        try:
            self._store(batch)
        except (OSError, MemoryError):
            raise
        except Exception as error:
            if isinstance(error, SQLAlchemyError) and not is_refusal(error):
                raise
            self._record_singly(batch)

    def _record_singly(self, batch: Sequence[Note]) -> None:
        """One of them cannot be stored: it must not hold up the others."""
        if len(batch) == 1:
            log.exception("a line of the journal cannot be stored and was put aside in %s", self._journal.folder.parent)
            reject(self._journal.folder.parent, batch[0].payload)
            return
        for note in batch:
            self._record([note])

    def _store(self, batch: Sequence[Note]) -> None:
        chosen = {id(note) for note in batch}
        near = [note.entry for note in self._notes() if id(note) not in chosen and isinstance(note.entry, Fetched)]
        entries = [note.entry for note in batch]
        told = read_mails(entries, self._runtime.tokens)
        with self._runtime.database.write() as tx:
            record(tx, entries, told, self._links, near=near, click_hold=self._patience.click_hold)
        self._database_answers = True


def is_refusal(error: SQLAlchemyError) -> bool:
    """Whether the database, or its driver, will never take this value."""
    return isinstance(error, DataError | IntegrityError) or type(error) is StatementError


def fitting(notes: Sequence[Note]) -> list[Note]:
    """As many as fit one transaction; always one, if there is one."""
    chosen: list[Note] = []
    size = 0
    for note in notes[:MOST_AT_ONCE]:
        size += len(note.payload)
        if chosen and size > MOST_BYTES_AT_ONCE:
            break
        chosen.append(note)
    return chosen
