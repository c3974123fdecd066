"""Within a process, work that can wait stands aside while somebody waits for a mail.

Before: the receiver has an order, or a worker a mail that somebody waits for. After: threads with a nurture in hand have let it
pass. Lanes and threads of its own are not enough: they share one interpreter and, over SQLite, one writer.
"""

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import TypeVar

LONGEST = 0.25  # seconds for which a nurture stands aside at most, so that it never stands still
PROMPT, USUAL = 0.0005, 0.005  # seconds that a thread goes on while others wait for the interpreter
LATELY = 1.0  # seconds; while such mail comes more often, work that can wait is done bit by bit, by one thread at a time
A_BIT = 8

Item = TypeVar("Item")


class Precedence:
    """`awaited()` goes first; a `turn()` of other work comes after it, a bit at a time."""

    def __init__(self) -> None:
        self._in_hand = 0
        self._last = float("-inf")
        self._changed = threading.Condition()
        self._one_at_a_time = threading.Lock()

    @contextmanager
    def awaited(self) -> Iterator[None]:
        """Somebody waits for what is done while the block lasts."""
        with self._changed:
            self._in_hand += 1
            sys.setswitchinterval(PROMPT)  # a mail takes some forty turns; for all else so many cost a fifth of the speed
        try:
            yield
        finally:
            with self._changed:
                self._in_hand -= 1
                self._last = monotonic()
                self._changed.notify_all()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Work that can wait, some milliseconds of it. Before it no transaction is open and no connection held; within it nobody
        waits for a server.
        """
        if not self.is_flowing():
            sys.setswitchinterval(USUAL)
            yield
            return
        with self._one_at_a_time:
            self.let_pass()
            yield

    def let_pass(self) -> None:
        """Stand aside, before something is taken that others wait for as well."""
        with self._changed:
            self._changed.wait_for(lambda: not self._in_hand, LONGEST)

    def bits(self, items: Sequence[Item]) -> Iterator[Sequence[Item]]:
        """The items as many at once as should be done in one turn."""
        at = 0
        while at < len(items):
            size = A_BIT if self.is_flowing() else len(items)
            yield items[at : at + size]
            at += size

    def is_flowing(self) -> bool:
        """Whether there is mail that somebody waits for, or was a moment ago."""
        return self._in_hand > 0 or monotonic() - self._last < LATELY
