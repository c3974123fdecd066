"""One direction of a proxied connection: what a client says to its server, or the other way round.

Before: `tests.services.proxy` heard bytes. After: they leave at the other end, in order, each when its time has come.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

MOST_ON_THE_WAY = 1_048_576  # bytes that one direction of a connection holds before its sender must wait
End = asyncio.Transport | None


class Condition(Protocol):
    """How the line is. `rate`: bytes a second, for each direction of each connection."""

    rate: float | None
    is_hanging: bool


class Way:
    """One direction of a connection: bytes leave in order, each when its time has come."""

    def __init__(
        self, condition: Condition, delay: Callable[[], float], *, there: Callable[[], End], here: Callable[[], End]
    ) -> None:
        self._line, self._delay, self._there, self._here = condition, delay, there, here
        self._loop = asyncio.get_running_loop()
        self._queue: deque[tuple[float, bytes | Callable[[], None]]] = deque()
        self._size = 0
        self._last_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._is_full = self._is_blocked = False

    def carry(self, data: bytes) -> None:
        takes = len(data) / self._line.rate if self._line.rate else 0
        now = self._loop.time()
        self._last_at = max(now + self._delay(), self._last_at + takes if self._last_at > now else now + takes)
        self._queue.append((self._last_at, data))
        self._size += len(data)
        self._is_full = self._size > MOST_ON_THE_WAY
        self._heed_fullness()
        self.go_on()

    def then(self, act: Callable[[], None]) -> None:
        """Do that when everything before has left."""
        self._queue.append((self._last_at, act))
        self.go_on()

    def wait_for_writing(self, is_blocked: bool) -> None:
        self._is_blocked = is_blocked
        self._heed_fullness()

    def go_on(self) -> None:
        """Send what is due and come back for the rest."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._queue and not self._line.is_hanging and self._there() is not None:
            at, what = self._queue[0]
            if at > self._loop.time():
                self._timer = self._loop.call_at(at, self.go_on)
                break
            self._queue.popleft()
            self._leave(what)

    def _leave(self, what: bytes | Callable[[], None]) -> None:
        if not isinstance(what, bytes):
            what()
            return
        self._size -= len(what)
        there = self._there()
        if there is not None and not there.is_closing():
            there.write(what)
        if self._is_full and self._size < MOST_ON_THE_WAY / 2:
            self._is_full = False
            self._heed_fullness()

    def _heed_fullness(self) -> None:
        here = self._here()
        if here is None or here.is_closing():
            return
        here.pause_reading() if self._is_full or self._is_blocked else here.resume_reading()
