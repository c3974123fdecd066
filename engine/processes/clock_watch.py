"""Watching the clock by which everything is due: a jump ahead holds marketing until a person, or the clock, says otherwise.

Before: a dispatcher begins to look. After: it asks at each look. Compared with a clock that nobody sets and that runs on while a
laptop sleeps, so that sleeping is no jump; and with the database's time where that is the clock, so that hosts need not agree.
"""

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from engine.database import Tx
from engine.processes.brought_back import bring_back
from engine.processes.presence import TICKING
from engine.schedule.hold import hold_marketing, let_go, marketing_hold
from engine.schedule.replan import plan_future_again

log = logging.getLogger(__name__)

A_JUMP = timedelta(hours=1)
BEHIND = timedelta(minutes=5)
SETTLING = 60.0  # seconds in which every process has renewed its lease by the clock as it is now


def ticking() -> float:
    return time.clock_gettime(TICKING)


class ClockWatch:
    """What one dispatcher knows of the clock. `ticks`: seconds of a clock that nobody sets."""

    def __init__(self, ticks: Callable[[], float] = ticking) -> None:
        self._ticks = ticks
        self._then: tuple[datetime, float] | None = None
        self._noticed_at = float("-inf")
        self._holds = False
        self._is_behind = False

    def is_ahead(self, now: datetime) -> bool:
        """Whether the clock jumped ahead since the last look, or stands there still. Asks nobody."""
        return self.drift(now) > A_JUMP

    def is_settling(self) -> bool:
        """Whether the jump was noticed only just now, so that a lease that has run out may be one that was not renewed yet."""
        return self._ticks() - self._noticed_at < SETTLING

    def look(self, tx: Tx) -> bool:
        """Note a jump, or that it is over; whether marketing may be claimed. Once a second or so."""
        drift, held = self.drift(tx.now), marketing_hold(tx)
        if held is not None and tx.now < held.noticed_at - BEHIND:
            return self.came_back(tx)
        if held is not None:
            self._holds = True
            return False
        if drift > A_JUMP and not self._holds:
            self.jumped(tx, drift)
            return False
        if drift < -BEHIND:
            self.went_back(drift)
        else:
            self._then, self._holds, self._is_behind = (tx.now, self._ticks()), False, False
        return True

    def drift(self, now: datetime) -> timedelta:
        """By how much the clock went on more than time did."""
        if self._then is None:
            self._then = (now, self._ticks())
        then, ticks = self._then
        return (now - then) - timedelta(seconds=self._ticks() - ticks)

    def jumped(self, tx: Tx, drift: timedelta) -> None:
        hold_marketing(tx, drift)
        self._noticed_at = self._ticks()  # the hold counts once it is seen: it may yet be rolled back
        log.error(
            "the clock jumped ahead by %s: marketing mail is held until it comes back, or until somebody says that it is right "
            "(`handraiser catch-up --clock-is-right`)", drift,
        )  # fmt: skip

    def came_back(self, tx: Tx) -> bool:
        let_go(tx)
        planned, brought = plan_future_again(tx), bring_back(tx)
        self._then, self._holds = (tx.now, self._ticks()), False
        facts = {"planned_again": planned, "brought_back": brought}
        log.warning("the clock came back: marketing mail goes on", extra={"facts": facts})
        return True

    def went_back(self, drift: timedelta) -> None:
        """Nothing goes out early by it; what is due waits until the clock shows its time."""
        if not self._is_behind:
            log.error("the clock went back or stands still, by %s: mail waits until it shows the time that mail is due", -drift)
        self._is_behind = True
