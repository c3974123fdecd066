"""The children of this process that render: one is lent to a caller at a time, and more are started when callers wait.

Before: `engine.render.fence` has a batch. After: `engine.render.child` is asked. Where no child starts that is said once in the
log, and tried again every few seconds for whoever asks.
"""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from engine.errors import HandraiserError
from engine.render.child import CannotStart, Child, Limits

MOST_CHILDREN = 8
PATIENCE = 0.2  # seconds of waiting for a child before another is started, which on a busy machine costs more than it brings
PAUSE = 5.0  # seconds after a child did not come up before the next is tried

log = logging.getLogger(__name__)


class NotRendering(HandraiserError, RuntimeError):
    """No child comes up, so that nothing can be rendered: nobody's mail is at fault, and it can be tried again."""


class Children:
    """Safe to use from any thread."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.idle: list[Child] = []
        self._changed = threading.Condition()
        self._running = 0
        self._not_before = 0.0
        self._why: str | None = None

    @contextmanager
    def one(self) -> Iterator[Child]:
        """A child for the caller alone. After an error it is ended and not used again."""
        child = self._take()
        try:
            yield child
        except BaseException:
            child.end()
            self._give_back(None)
            raise
        self._give_back(child)

    def _take(self) -> Child:
        """An idle one, or one more. Raises NotRendering when none comes up and none is there to be waited for."""
        while True:
            with self._changed:
                self._wait_for_one()
                if self.idle:
                    return self.idle.pop()
                if self._is_pausing():
                    raise NotRendering(f"no mail can be rendered, because the process for it does not start: {self._why}")
                self._running += 1
            if child := self._start():
                return child

    def _wait_for_one(self) -> None:
        """As long as another child would be too soon, or one too many."""
        deadline = time.monotonic() + PATIENCE
        while not self.idle and self._running:
            left = PAUSE if self._running >= MOST_CHILDREN or self._is_pausing() else deadline - time.monotonic()
            if left <= 0:
                return
            self._changed.wait(left)

    def _is_pausing(self) -> bool:
        return self._why is not None and time.monotonic() < self._not_before

    def _start(self) -> Child | None:
        """Said once where none comes up, not at every try."""
        try:
            child = Child(self.limits)
        except CannotStart as error:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()
                if self._why is None:
                    log.error("the process that renders mail does not start", extra={"facts": {"why": str(error)}})
                self._why, self._not_before = str(error), time.monotonic() + PAUSE
            return None
        if self._why is not None:
            log.warning("mail is rendered again")
        self._why = None
        return child

    def _give_back(self, child: Child | None) -> None:
        with self._changed:
            if child is None:
                self._running -= 1
            else:
                self.idle.append(child)
            self._changed.notify()

    def close(self) -> None:
        """End the children that nobody uses. A mail after that starts another."""
        with self._changed:
            ended, self.idle = self.idle, []
            self._running -= len(ended)
        for child in ended:
            child.end()

    def leave(self) -> None:
        """In a forked process: the children are the parent's."""
        for child in self.idle:
            child.leave()
        self._changed, self.idle, self._running = threading.Condition(), [], 0
