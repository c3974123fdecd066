"""The connections to the relay that one process may use at once. Whoever sends holds those it needs from the mark to the record.

Before: `engine.processes` knows the relay's limit. After: `engine.deliver.send` marks only what has a connection waiting for
it, so that a process killed at any moment leaves at most one micro-batch a connection in doubt.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

MICRO_BATCH = 8  # messages over one connection between two looks at the ledger
MOST_CONNECTIONS = 16  # to a relay, unless its URL says otherwise
MARKETING_BATCH = 32  # one mark and one record for so many; the wire carries them in micro-batches, one a connection


class Places:
    """So many connections; a thread waits until there are enough for what it wants to send.

    `batch`: how many marketing mails are marked and recorded together; more is cheaper, and more is in doubt after a crash.
    """

    def __init__(self, connections: int, *, batch: int = MARKETING_BATCH) -> None:
        self.batch = min(batch, connections * MICRO_BATCH)
        self._free = connections
        self._changed = threading.Condition()

    @contextmanager
    def held(self, messages: int) -> Iterator[None]:
        """Hold the connections that so many messages fly over; `batch` of them at most."""
        wanted = -(-messages // MICRO_BATCH)
        with self._changed:
            self._changed.wait_for(lambda: self._free >= wanted)
            self._free -= wanted
        try:
            yield
        finally:
            with self._changed:
                self._free += wanted
                self._changed.notify_all()
