"""The connections to each relay that one process may use at once. Who sends holds room for its mails from the mark to the record.

Before: `engine.processes` knows the relays' limits. After: `engine.deliver.send` marks only as much as the connections carry, so
that a process killed at any moment leaves at most one micro-batch a connection in doubt.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

MICRO_BATCH = 8  # messages for each connection that may be marked and not yet recorded
LOAD = 4  # mails in hand for each connection that is opened; and how many for a domain with a limit go over one in a row
MOST_CONNECTIONS = 16  # to a relay, unless its URL says otherwise
EVERY = ""  # in the place of a relay's name: all of them
MARKETING_BATCH = 64  # one mark and one record for so many


class Places:
    """So many connections to each relay, by its name, or to all together; a thread waits until there are enough for its mails.

    `batch`: how many marketing mails are marked and recorded together, half of what may be in doubt at most: the others fly
    meanwhile. More is cheaper.
    """

    def __init__(self, connections: int | Mapping[str, int], *, batch: int = MARKETING_BATCH) -> None:
        self._batch = batch
        self._most = {EVERY: connections} if isinstance(connections, int) else dict(connections)
        self._free = dict(self._most)
        self._first = dict.fromkeys(self._most, 0)  # threads that wait and go before the others
        self._changed = threading.Condition()

    def reach(self, relay: str) -> bool:
        """Whether this process has connections to it."""
        return relay in self._most or EVERY in self._most

    def batch_for(self, relay: str) -> int:
        """How many marketing mails may be marked together that are to go through it."""
        return min(self._batch, max(1, self._most.get(self._key(relay), 1) // 2) * MICRO_BATCH)

    @contextmanager
    def held(self, relay: str, messages: int, *, first: bool = False) -> Iterator[None]:
        """Hold the room that so many messages take, `batch_for` it at most; to a relay out of reach nothing flies.

        `first`: before all that wait and are not.
        """
        key, wanted = self._key(relay), -(-messages // MICRO_BATCH)
        if key not in self._most:
            yield
            return
        with self._changed:
            self._first[key] += first
            self._changed.wait_for(lambda: self._free[key] >= wanted and (first or not self._first[key]))
            self._first[key] -= first
            self._free[key] -= wanted
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._free[key] += wanted
                self._changed.notify_all()

    def _key(self, relay: str) -> str:
        return EVERY if EVERY in self._most else relay
