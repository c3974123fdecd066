"""Loads: a mail, or a few that go over one connection in a row; and those that wait for a connection.

Before: `engine.deliver.wires` has cut into loads what a thread handed over. After: `engine.deliver.pool` gives each a connection,
or a trip that comes to its end goes on with it (`engine.deliver.trip`). All on one event loop.
"""

import asyncio
from collections import deque
from collections.abc import Sequence

from engine.deliver.watch import Watch
from engine.deliver.wire import Flight, NotBegun, OurFault, Outcome


class Load:
    """Some flights. `landed`: one outcome each, in order. `began_at`: when a connection had it, by `time.monotonic`."""

    def __init__(self, flights: Sequence[Flight], watch: Watch) -> None:
        self.flights, self.watch = flights, watch
        self.is_awaited = any(flight.is_awaited for flight in flights)
        self.began_at: float | None = None
        self.landed: asyncio.Future[Sequence[Outcome]] = asyncio.get_running_loop().create_future()

    def put_down(self, why: str) -> None:
        """No connection took them up, so nothing was said of them; those that landed did."""
        if not self.landed.done():
            self.landed.set_result([NotBegun(reply=why)] * len(self.flights))

    def fail(self, why: str) -> None:
        """By a fault of ours no connection took them up."""
        if not self.landed.done():
            self.landed.set_result([OurFault(reply=why)] * len(self.flights))


class Waiting:
    """What somebody waits for goes before the others."""

    def __init__(self) -> None:
        self._awaited, self._others = deque[Load](), deque[Load]()

    def add(self, load: Load) -> None:
        (self._awaited if load.is_awaited else self._others).append(load)

    def put_by(self, most: int) -> list[Load]:
        """Some that nobody waits for, which do not wait any longer."""
        return [self._others.popleft() for _ in range(min(most, len(self._others)))]

    def next(self) -> Load | None:
        return self.next_awaited() or (self._others.popleft() if self._others else None)

    def next_awaited(self) -> Load | None:
        return self._awaited.popleft() if self._awaited else None
