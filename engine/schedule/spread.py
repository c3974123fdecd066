"""Finding room: how many mails go out in each hour, and which is the next hour that can take one more. Pure.

Before: `engine.schedule.catch_up` knows what was held up and what is planned anyway. After: each mail has its time, inside its
own window and no more an hour than it should be.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from engine.compiler.plan import Window
from engine.schedule.timing import into_window
from engine.spans import DaysOff

HOUR = timedelta(hours=1)


def hour_of(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


class Hours:
    """`per_hour`: how many mails an hour may have in all (None: any number); `taken`: how many it has already."""

    def __init__(self, per_hour: int | None, taken: Mapping[datetime, int]) -> None:
        self.per_hour = per_hour
        self.taken = dict(taken)
        self._full_until: dict[datetime, datetime] = {}
        self._looked: dict[tuple[int, str, int], tuple[datetime, datetime]] = {}

    def place(
        self, earliest: datetime, window: Window, zone: ZoneInfo, days_off: DaysOff, *, until: datetime | None = None
    ) -> datetime | None:
        """The first time from `earliest` on with the window open and room in the hour, now taken; None: not before `until`."""
        kind = (id(window), zone.key, id(days_off))
        start, reached = self._looked.get(kind, (earliest, earliest))
        at = into_window(max(earliest, reached) if start <= earliest else earliest, window, zone, days_off=days_off)
        while not self.has_room(hour_of(at)):
            at = into_window(max(at, self.next_with_room(hour_of(at))), window, zone, days_off=days_off)
        if start <= earliest:
            self._looked[kind] = (start, max(at, reached)) if earliest <= reached else (start, reached)
        if until is not None and at > until:
            return None
        return self.take(at, window, zone, days_off)

    def has_room(self, hour: datetime) -> bool:
        return self.per_hour is None or self.taken.get(hour, 0) < self.per_hour

    def next_with_room(self, hour: datetime) -> datetime:
        """The first hour from this one on that is not full; full hours are leapt over, and the leaps are remembered."""
        passed = []
        while not self.has_room(hour):
            passed.append(hour)
            hour = self._full_until.get(hour, hour + HOUR)
        for each in passed:
            self._full_until[each] = hour
        return hour

    def take(self, at: datetime, window: Window, zone: ZoneInfo, days_off: DaysOff) -> datetime:
        """Count it, and spread the mails of an hour over its minutes."""
        hour = hour_of(at)
        number = self.taken.get(hour, 0)
        self.taken[hour] = number + 1
        even = hour + HOUR * number / self.per_hour if self.per_hour else at
        return even if even > at and into_window(even, window, zone, days_off=days_off) == even else at
