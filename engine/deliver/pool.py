"""Open connections to one relay, used again while they are young.

Before: `engine.deliver.wires` has a load for the relay. After: `engine.deliver.transaction` speaks. All pools of a process
live on one event loop.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from random import uniform
from time import monotonic
from typing import cast

from engine.deliver.by_chunks import Chunking
from engine.deliver.channel import Channel, Timeouts
from engine.deliver.loads import Load, Waiting
from engine.deliver.places import LOAD, MICRO_BATCH, MOST_CONNECTIONS, for_nurture
from engine.deliver.transaction import carry
from engine.deliver.trip import ENDED
from engine.deliver.watch import Watch
from engine.deliver.wire import Deferred, Flight, Outcome
from engine.errors import HandraiserError
from engine.log import Trouble
from engine.metrics import CONNECTIONS, SMTP_SECONDS

Connect = Callable[[], Awaitable[Channel]]
SPARED = 0.5  # seconds until a relay that was away is called again; for how long workers spare it, they agree among themselves
JITTER = 0.2
BROKEN_OFF = "broken off before this one"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reuse:
    """How many connections at once, and how long one may be used: messages, seconds since it was opened, seconds without use."""

    connections: int = MOST_CONNECTIONS
    most_messages: int = 200
    longest_life: float = 300.0
    longest_idle: float = 20.0


class NoConnectionError(HandraiserError):
    """The relay could not be reached or would not have us; in words for the operator, and `said` by whoever said more.

    `outcome`: of the whole batch.
    """

    def __init__(self, words: str, outcome: Deferred, said: str = "") -> None:
        super().__init__(f"{words} ({said})" if said else words)
        self.words, self.said, self.outcome = words, said, outcome

    @property
    def kind(self) -> tuple[object, ...]:
        """The same trouble is said once."""
        return self.outcome.phase, self.outcome.code or self.outcome.reply


@dataclass(slots=True, kw_only=True)
class Carriers:
    """Tasks with a connection each, `most` of them; each goes on with what `take` gives, and ends when that is nothing."""

    most: int
    take: Callable[[], Load | None]
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def may_be_more(self) -> bool:
        return len(self.tasks) < self.most


class Pool:
    """The connections that `connect` opens to the relay of that name."""

    def __init__(self, name: str, connect: Connect, *, timeouts: Timeouts, reuse: Reuse) -> None:
        self._connect = connect
        self._opened = {outcome: CONNECTIONS.labels(name, outcome) for outcome in ("opened", "failed")}
        self._seconds = SMTP_SECONDS.labels(name)
        self._timeouts = timeouts
        self._reuse = reuse
        self._idle: list[Channel] = []
        self._chunking = Chunking()
        self._trouble = Trouble(log, f"no mail goes out through {name}; it waits and is tried again")
        self._waiting = Waiting()
        usual = for_nurture(reuse.connections)
        self._usual = Carriers(most=usual, take=self._waiting.next)
        self._express = Carriers(most=reuse.connections - usual, take=self._waiting.next_awaited)
        self._in_hand = 0  # mails that wait or are under way
        self._away = Away()
        self._is_over = False

    def fly(self, flights: Sequence[Flight], watch: Watch) -> Awaitable[Sequence[Outcome]]:
        """Carry them over one connection. One outcome each, in order."""
        load = Load(flights, watch)
        load.landed.add_done_callback(partial(self._note_landed, load))
        self._in_hand += len(flights)
        if self._is_over:
            load.put_down(BROKEN_OFF)
        elif (carriers := self._carriers_for(load)) is not None:
            carriers.tasks.add(asyncio.create_task(self._carry_from(load, carriers)))
        else:
            self._waiting.add(load)
        return load.landed

    async def leave(self) -> None:
        """Begin nothing more, break off what is under way, and take leave of the idle connections."""
        self._is_over = True
        await asyncio.sleep(0)  # a task that is cancelled before its first step cannot say what became of its load
        while (load := self._waiting.next()) is not None:
            load.put_down(BROKEN_OFF)
        for carrier in (*self._usual.tasks, *self._express.tasks):
            carrier.cancel()
        for channel in self._idle:
            channel.leave()
        self._idle.clear()

    def _carriers_for(self, load: Load) -> Carriers | None:
        """Those that get one more for it; None: it waits. A few mails are not worth a connection each, unless somebody waits."""
        if load.is_awaited:
            return next((carriers for carriers in (self._usual, self._express) if carriers.may_be_more), None)
        is_worth_it = len(self._usual.tasks) * LOAD < self._in_hand
        return self._usual if is_worth_it and self._usual.may_be_more else None

    def _note_landed(self, load: Load, _landed: object) -> None:
        self._in_hand -= len(load.flights)
        if load.began_at is not None:
            self._seconds.observe(monotonic() - load.began_at)

    async def _carry_from(self, load: Load | None, carriers: Carriers) -> None:
        """This load and those that wait, one after the other, over one connection at a time."""
        while load is not None:
            try:
                await self._carry_over_one(load, carriers)
            except asyncio.CancelledError:
                load.put_down(BROKEN_OFF)
            except Exception as error:
                self._trouble.tell(error)
                load.fail("the wire failed before a word was said")
            load = carriers.take()
        this = cast("asyncio.Task[None]", asyncio.current_task())
        carriers.tasks.remove(this)  # not by a callback: what comes before that would wait for ever

    async def _carry_over_one(self, load: Load, carriers: Carriers) -> None:
        while (rested := self._take_idle()) is not None:
            if await self._carry(rested, load, carriers):
                return
        fresh = await self._open()
        if isinstance(fresh, Deferred):
            load.landed.set_result([fresh] * len(load.flights))
            return
        await self._carry(fresh, load, carriers)

    async def _open(self) -> Channel | Deferred:
        """A new connection; or why there is none, which for a moment is said without another call."""
        began = self._now()
        if self._away.answer is not None and began < self._away.until:
            return self._away.answer
        try:
            channel = await self._connect()
        except NoConnectionError as error:
            self._opened["failed"].inc()
            if error.outcome.is_ours:  # of all else the breaker tells, once for all processes
                self._trouble.tell(error)
            answer = replace(error.outcome, words=str(error))
            self._away.note(answer, began, self._now())
            return answer
        self._opened["opened"].inc()
        self._trouble.over()
        self._away.end()
        return channel

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    async def _carry(self, channel: Channel, load: Load, carriers: Carriers) -> bool:
        """Whether it landed, with all that it took along; not where the connection was found dead."""
        is_carried = await carry(channel, load, partial(self._next_for, channel, carriers), self._timeouts, self._chunking)
        channel.rest()
        if is_carried and channel.is_lost:
            self._put_down_some()
        if self._is_usable(channel):
            self._idle.append(channel)
        else:
            channel.leave()
        return is_carried

    def _put_down_some(self) -> None:
        """A connection broke. A server that dies over each mail must not get all that wait, over one connection after the other:
        those behind it are marked anew, if the relay is still trusted then.
        """
        for load in self._waiting.put_by(MICRO_BATCH - 1):
            load.put_down(ENDED)

    def _next_for(self, channel: Channel, carriers: Carriers) -> Load | None:
        """What goes on over a connection that is in use; None: nothing waits, or it has been used for long enough."""
        return carriers.take() if self._may_carry_on(channel) else None

    def _take_idle(self) -> Channel | None:
        """The connection used last, so that those not needed grow old and are closed."""
        while self._idle:
            channel = self._idle.pop()
            if self._is_usable(channel):
                return channel
            channel.leave()
        return None

    def _is_usable(self, channel: Channel) -> bool:
        return self._may_carry_on(channel) and channel.has_rested_well(self._reuse.longest_idle)

    def _may_carry_on(self, channel: Channel) -> bool:
        return channel.may_carry_on(most_messages=self._reuse.most_messages, longest_life=self._reuse.longest_life)


class Away:
    """A relay that could not be reached: for half a second the answer to the last call is the answer to all. Not for longer: it
    may be the one mail that is to find out whether the relay is well again.
    """

    def __init__(self) -> None:
        self.until = 0.0
        self.answer: Deferred | None = None  # to the last call; None: it is there, as far as we know

    def note(self, answer: Deferred, began: float, now: float) -> None:
        """Of the calls that were under way together, the first that fails counts for all."""
        if self.answer is None or began >= self.until:
            self.until = now + SPARED * uniform(1 - JITTER, 1 + JITTER)
        self.answer = answer

    def end(self) -> None:
        """It answers."""
        self.answer = None
        self.until = 0.0
