"""The one clock: where `now` comes from when no transaction or caller hands it over.

Rules and claims take `now` as an argument. A transaction asks its clock once, when it begins (`engine.database`); the
simulator puts a `VirtualClock` there and moves it by hand.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Something that tells the time as an aware UTC instant."""

    def now(self) -> datetime: ...


class HostClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass
class VirtualClock:
    """A clock that stands still until it is moved forward."""

    instant: datetime = field(default_factory=lambda: datetime(2026, 1, 5, 9, 0, tzinfo=UTC))

    def now(self) -> datetime:
        return self.instant

    def move_to(self, instant: datetime) -> None:
        """Raises ValueError when that would go back."""
        if instant < self.instant:
            raise ValueError(f"the clock stands at {self.instant} and cannot go back to {instant}")
        self.instant = instant
