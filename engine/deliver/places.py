"""The connections to each relay that one process may use at once. Nurture holds room for its mails from the mark to the record.

Before: `engine.processes` knows the relays' limits. After: `engine.deliver.send` marks only as much as the connections carry, so
that a process killed at any moment leaves a bounded number in doubt. What somebody waits for needs no room: its threads have one
such mail each under way.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

MOST_IN_DOUBT = 12  # mails of nurture for each connection that may be marked and not yet recorded
MICRO_BATCH = 8  # mails that are put down together where a connection broke
LOAD = 4  # mails in hand for each connection that is opened; and how many for a domain with a limit go over one in a row
MOST_CONNECTIONS = 16  # to a relay, unless its URL says otherwise
EVERY = ""  # in the place of a relay's name: all of them
MARKETING_BATCH = 64  # one mark and one record for so many


def for_nurture(connections: int) -> int:
    """How many of so many connections carry nurture. Of two or more the last is kept for what somebody waits for: the others may
    all be with a server that takes its time.
    """
    return max(1, connections - 1)


class Places:
    """So many connections to each relay, by its name, or to all together; a thread waits until there is room for its mails."""

    def __init__(self, connections: int | Mapping[str, int]) -> None:
        given = {EVERY: connections} if isinstance(connections, int) else connections
        self._most = {relay: each * MOST_IN_DOUBT for relay, each in given.items()}  # mails
        self._free = dict(self._most)
        self._changed = threading.Condition()

    def reach(self, relay: str) -> bool:
        """Whether this process has connections to it."""
        return relay in self._most or EVERY in self._most

    @property
    def are_apart(self) -> bool:
        """Whether each relay has its own."""
        return EVERY not in self._most

    def batch_for(self, relay: str) -> int:
        """How many marketing mails may be marked together that are to go through it: half of what may be in doubt, so that others
        fly while they are marked and recorded; all of it over a single connection.
        """
        return min(MARKETING_BATCH, max(MOST_IN_DOUBT, self._most.get(self._key(relay), 0) // 2))

    @contextmanager
    def held(self, relay: str, mails: int) -> Iterator[None]:
        """Hold the room that so many mails take, `batch_for` it at most; to a relay out of reach nothing flies."""
        key = self._key(relay)
        if key not in self._most:
            yield
            return
        with self._changed:
            self._changed.wait_for(lambda: self._free[key] >= mails)
            self._free[key] -= mails
        try:
            yield
        finally:
            with self._changed:
                self._free[key] += mails
                self._changed.notify_all()

    def _key(self, relay: str) -> str:
        return EVERY if EVERY in self._most else relay
