"""The real wire: to several relays, each with its pool of connections, on one event loop in one thread.

Before: worker threads call `fly`. After: `engine.deliver.pool` carries each load. The mails that a thread hands over fly side by
side over all connections, and those of the next thread follow wherever one is free. How much may be handed over at once is said
by `engine.deliver.places`.
"""

import asyncio
import threading
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from typing import cast

from engine.deliver.doors import Doors
from engine.deliver.places import LOAD
from engine.deliver.pool import Pool
from engine.deliver.watch import Watch
from engine.deliver.wire import Deferred, Flight, NotBegun, Outcome, Recheck
from engine.vocabulary import SmtpPhase

try:
    import uvloop
except ImportError:  # an extra: `pip install handraiser[fast]`
    uvloop = None  # type: ignore[assignment]

LAND_SECONDS = 1.0  # for what is broken off


class PooledWire:
    """The Wire over these pools, by the relay's name. `usual`: the pool of relays that have none; without it nothing is said."""

    def __init__(self, pools: Mapping[str, Pool], *, usual: Pool | None = None) -> None:
        self._pools = dict(pools)
        self._usual = usual
        self._doors = Doors()
        self._flying: set[asyncio.Task[None]] = set()
        self._gate, self._is_closed = threading.Lock(), False
        self._loop = new_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="smtp", daemon=True)
        self._thread.start()

    def fly(self, flights: Sequence[Flight], recheck: Recheck) -> list[Outcome]:
        """See `engine.deliver.wire.Wire`. Never raises for what a server or a network does."""
        watch = Watch(flights, recheck)  # here, so that a busy loop makes no mark look younger than it is
        with self._gate:
            if self._is_closed:
                return [NotBegun(reply="this process ends")] * len(flights)
            flown = asyncio.run_coroutine_threadsafe(self._fly(flights, watch), self._loop)
        return flown.result()

    def close(self) -> None:
        with self._gate:
            if self._is_closed:
                return
            self._is_closed = True
        asyncio.run_coroutine_threadsafe(self._leave(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _fly(self, flights: Sequence[Flight], watch: Watch) -> list[Outcome]:
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self._flying.add(task)
        try:
            return await self._fly_loads(flights, watch)
        finally:
            self._flying.remove(task)

    async def _fly_loads(self, flights: Sequence[Flight], watch: Watch) -> list[Outcome]:
        loads = list(loads_of(flights))
        flown = await asyncio.gather(*(self._fly_some([flights[at] for at in load], watch) for load in loads))
        outcomes = {at: outcome for load, some in zip(loads, flown, strict=True) for at, outcome in zip(load, some, strict=True)}
        return [outcomes[at] for at in range(len(flights))]

    def _fly_some(self, flights: Sequence[Flight], watch: Watch) -> Awaitable[Sequence[Outcome]]:
        """A load, all of it through one relay."""
        pool = self._pools.get(flights[0].relay, self._usual)
        if pool is None:
            return nowhere(flights)
        if flights[0].connections is None:  # and so it is alone
            return pool.fly(flights, watch)
        limits = {flight.domain: flight.connections for flight in flights if flight.connections is not None}
        return self._fly_through_doors(limits, pool, flights, watch)

    async def _fly_through_doors(
        self, limits: Mapping[str, int], pool: Pool, flights: Sequence[Flight], watch: Watch
    ) -> Sequence[Outcome]:
        async with self._doors.passed(limits, is_awaited=any(flight.is_awaited for flight in flights)):
            return await pool.fly(flights, watch)

    async def _leave(self) -> None:
        for pool in (*self._pools.values(), *([self._usual] if self._usual else [])):
            await pool.leave()
        if self._flying:
            await asyncio.wait(self._flying, timeout=LAND_SECONDS)
        await asyncio.sleep(0)


async def nowhere(flights: Sequence[Flight]) -> Sequence[Outcome]:
    unknown = f"this process has no address of the relay {flights[0].relay}"
    return [Deferred(code=None, reply=unknown, phase=SmtpPhase.CONNECT)] * len(flights)


def loads_of(flights: Sequence[Flight]) -> Iterator[list[int]]:
    """Which of them go together, by their places: each alone, but those of one relay to domains with a limit a few in a row."""
    limited: dict[str, list[int]] = {}
    for at, flight in enumerate(flights):
        if flight.connections is None:
            yield [at]
        else:
            limited.setdefault(flight.relay, []).append(at)
    for way in limited.values():
        way.sort(key=lambda at: flights[at].domain)
        yield from (way[begin : begin + LOAD] for begin in range(0, len(way), LOAD))


def new_loop() -> asyncio.AbstractEventLoop:
    """uvloop's where it is installed: a third of the time a message costs."""
    if uvloop is None:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop
