"""Open connections to the relay, used again while they are young, on one event loop in one thread.

Before: worker threads call `fly`. After: `engine.deliver.transaction` speaks. What a thread hands over flies in micro-batches,
side by side, each over a connection of its own; so a process killed at any moment leaves at most one micro-batch a connection
in doubt.
"""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import chain

from engine.deliver.by_chunks import Chunking
from engine.deliver.channel import Channel, Timeouts
from engine.deliver.places import MICRO_BATCH, MOST_CONNECTIONS
from engine.deliver.transaction import carry
from engine.deliver.watch import Watch
from engine.deliver.wire import Deferred, Flight, Outcome, Recheck
from engine.errors import HandraiserError
from engine.log import Trouble

try:
    import uvloop
except ImportError:  # an extra: `pip install handraiser[fast]`
    uvloop = None  # type: ignore[assignment]

Connect = Callable[[], Awaitable[Channel]]
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reuse:
    """How many connections at once, and how long one may be used: messages, seconds since it was opened, seconds without use."""

    connections: int = MOST_CONNECTIONS
    most_messages: int = 200
    longest_life: float = 300.0
    longest_idle: float = 20.0


class NoConnectionError(HandraiserError):
    """The relay could not be reached or would not have us; in words for the operator. `outcome`: of the whole batch."""

    def __init__(self, words: str, outcome: Deferred) -> None:
        super().__init__(words)
        self.outcome = outcome

    @property
    def kind(self) -> tuple[object, ...]:
        """The same trouble is said once."""
        return self.outcome.phase, self.outcome.code or self.outcome.reply


class PooledWire:
    """The Wire over whatever `connect` opens."""

    def __init__(self, connect: Connect, *, timeouts: Timeouts, reuse: Reuse) -> None:
        self._connect = connect
        self._timeouts = timeouts
        self._reuse = reuse
        self._idle: list[Channel] = []
        self._chunking = Chunking()
        self._trouble = Trouble(log, "no mail goes out; it waits and is tried again")
        self._places = asyncio.Semaphore(reuse.connections)
        self._loop = new_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="smtp", daemon=True)
        self._thread.start()

    def fly(self, flights: Sequence[Flight], recheck: Recheck) -> list[Outcome]:
        """See `engine.deliver.wire.Wire`. Never raises for what a server or a network does."""
        watch = Watch(flights, recheck)  # here, so that a busy loop makes no mark look younger than it is
        return asyncio.run_coroutine_threadsafe(self._fly(flights, watch), self._loop).result()

    def close(self) -> None:
        """Take leave of the idle connections and end the thread. Safe to repeat."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._leave(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _fly(self, flights: Sequence[Flight], watch: Watch) -> list[Outcome]:
        batches = [flights[at : at + MICRO_BATCH] for at in range(0, len(flights), MICRO_BATCH)]
        flown = await asyncio.gather(*(self._fly_one(batch, watch) for batch in batches))
        return list(chain.from_iterable(flown))

    async def _fly_one(self, flights: Sequence[Flight], watch: Watch) -> list[Outcome]:
        async with self._places:
            return await self._fly_over_one(flights, watch)

    async def _fly_over_one(self, flights: Sequence[Flight], watch: Watch) -> list[Outcome]:
        while (rested := self._take_idle()) is not None:
            outcomes = await self._carry(rested, flights, watch)
            if outcomes is not None:
                return outcomes
        try:
            fresh = await self._connect()
        except NoConnectionError as error:
            self._trouble.tell(error)
            return [error.outcome] * len(flights)
        self._trouble.over()
        return await self._carry(fresh, flights, watch) or []

    async def _carry(self, channel: Channel, flights: Sequence[Flight], watch: Watch) -> list[Outcome] | None:
        outcomes = await carry(channel, flights, watch, self._timeouts, self._chunking)
        channel.rest()
        if self._is_usable(channel):
            self._idle.append(channel)
        else:
            channel.leave()
        return outcomes

    def _take_idle(self) -> Channel | None:
        """The connection used last, so that those not needed grow old and are closed."""
        while self._idle:
            channel = self._idle.pop()
            if self._is_usable(channel):
                return channel
            channel.leave()
        return None

    def _is_usable(self, channel: Channel) -> bool:
        return channel.may_carry_on(
            most_messages=self._reuse.most_messages,
            longest_life=self._reuse.longest_life,
            longest_idle=self._reuse.longest_idle,
        )

    async def _leave(self) -> None:
        for channel in self._idle:
            channel.leave()
        self._idle.clear()
        await asyncio.sleep(0)


def new_loop() -> asyncio.AbstractEventLoop:
    """uvloop's where it is installed: a third of the time a message costs."""
    if uvloop is None:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop
