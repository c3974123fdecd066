"""Within a process, work that can wait stands aside while somebody waits for a mail.

Before: the receiver has an order, or a worker a mail that somebody waits for. After: threads with a nurture in hand have let it
pass. Lanes and threads of its own are not enough: they share one interpreter and, over SQLite, one writer.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

LONGEST = 0.05  # seconds for which a portion of a nurture stands aside at most, so that it never stands still
A_MOMENT = 0.002  # the next step of the same mail follows within it


class Precedence:
    """`awaited()` goes first, `stand_aside()` lets it."""

    def __init__(self) -> None:
        self._in_hand = 0
        self._changed = threading.Condition()

    @contextmanager
    def awaited(self) -> Iterator[None]:
        """Somebody waits for what is done while the block lasts."""
        with self._changed:
            self._in_hand += 1
        try:
            yield
        finally:
            with self._changed:
                self._in_hand -= 1
                self._changed.notify_all()

    def stand_aside(self) -> None:
        """Called between two portions of work that can wait, with no transaction open."""
        if not self._in_hand:
            return
        with self._changed:
            self._changed.wait_for(lambda: not self._in_hand, LONGEST)
            self._changed.wait_for(lambda: self._in_hand > 0, A_MOMENT)
            self._changed.wait_for(lambda: not self._in_hand, LONGEST)
