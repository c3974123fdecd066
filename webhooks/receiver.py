"""The receiver: what one web process needs to take in what the world says, put together once at its start.

Before: `engine.runtime`. After: `webhooks.app` (HTTP) and `webhooks.listener` (SMTP) keep what they are told in its journal, and
its drainer moves that to SQL.
"""

import logging
from time import monotonic

from engine.clock import Clock, HostClock
from engine.processes.reach import broker_probe
from engine.runtime import Runtime
from webhooks.drainer import Drainer, Patience
from webhooks.entries import Entry, Fetched, line_of
from webhooks.journal import Journal, JournalError
from webhooks.links import LinkTables
from webhooks.look import Looks

log = logging.getLogger(__name__)
SECONDS_BETWEEN_COMPLAINTS = 10


class Receiver:
    """One process's intake. `start` begins to drain; `close` ends it and leaves what is left to the next process."""

    def __init__(self, runtime: Runtime, *, clock: Clock | None = None, patience: Patience | None = None) -> None:
        """`clock` tells when something was received: the host's, since the database may be away."""
        private = runtime.settings.workspace / ".handraiser"
        self.runtime = runtime
        self.clock: Clock = clock or HostClock()
        self.journal = Journal(private / "journal")
        self.links = LinkTables(runtime.database, private / "links.json")
        self.looks = Looks(runtime.database)
        self.drainer = Drainer(runtime, self.journal, self.links, clock=self.clock, patience=patience)
        self.broker = broker_probe(runtime.settings.broker_url)  # None: jobs stay in the process
        self.lost = 0  # requests that were answered and could not be kept
        self._complained_at = -float(SECONDS_BETWEEN_COMPLAINTS)

    def start(self) -> None:
        self.drainer.start()

    def close(self) -> None:
        self.drainer.stop()
        self.journal.close()

    def keep(self, entry: Entry) -> None:
        """Put an entry on the disk before it is answered. Raises JournalError: then the answer must be "try again"."""
        self.journal.append(line_of(entry), essential=not isinstance(entry, Fetched))

    def keep_if_possible(self, entry: Fetched) -> None:
        """A reader gets the page all the same; what is lost is counted and said loudly."""
        try:
            self.keep(entry)
        except JournalError as error:
            self.lost += 1
            if monotonic() - self._complained_at >= SECONDS_BETWEEN_COMPLAINTS:
                self._complained_at = monotonic()
                log.error("clicks and opens are being lost: %s", error, extra={"facts": {"lost": self.lost}})
