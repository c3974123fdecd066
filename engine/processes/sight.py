"""Whether a dispatcher has had the database in sight for long enough to say of another process that it is dead.

Before: an outage, or a machine that slept; nobody could renew a lease meanwhile. After: whoever lives has renewed its own, and
what is left belongs to the dead.
"""

from collections.abc import Callable

from engine.processes.clock_watch import ticking

RENEWING_SECONDS = 5.0  # a process that could not renew its lease tries again each second


class Sight:
    """What one dispatcher knows of that. `ticks`: seconds of a clock that nobody sets and that runs on while a laptop sleeps."""

    def __init__(self, ticks: Callable[[], float] = ticking) -> None:
        self._ticks = ticks
        self._looked_at = ticks()
        self._was_slow = False
        self._lost_at = float("-inf")

    def lose(self) -> None:
        """The database could not be reached."""
        self._lost_at = self._ticks()

    def is_clear(self) -> bool:
        """Asked at every round. One that comes late was asleep, or its database was; where all come late, that is how it is."""
        now = self._ticks()
        is_slow = now - self._looked_at > RENEWING_SECONDS
        if is_slow and not self._was_slow:
            self._lost_at = now
        self._looked_at, self._was_slow = now, is_slow
        return now - self._lost_at >= RENEWING_SECONDS
