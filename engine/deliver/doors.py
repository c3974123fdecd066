"""How many connections at once have mail for one recipient domain under way, over all relays of this process.

Before: `engine.deliver.wires` has a load. After: it flies as soon as no domain in it is at its limit. Lives on one event
loop.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from engine.deliver.places import for_nurture


class Doors:
    """Each limit is what the mails themselves say, so that a change of relays.yaml needs no restart."""

    def __init__(self) -> None:
        self._inside: Counter[str] = Counter()
        self._awaited: Counter[str] = Counter()  # those that somebody waits for, and that wait here
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def passed(self, limits: Mapping[str, int], *, is_awaited: bool) -> AsyncIterator[None]:
        """Wait until there is room for one more at all of these domains, and take it at once: who waits holds nothing."""
        async with self._changed:
            if is_awaited:
                await self._wait_before_others(limits)
            else:
                await self._changed.wait_for(lambda: self._may_nurture(limits))
            self._inside.update(limits.keys())
        try:
            yield
        finally:
            async with self._changed:
                self._inside.subtract(limits.keys())
                self._inside += Counter()  # forget those at nought
                self._changed.notify_all()

    async def _wait_before_others(self, limits: Mapping[str, int]) -> None:
        self._awaited.update(limits.keys())
        try:
            await self._changed.wait_for(lambda: all(self._inside[domain] < most for domain, most in limits.items()))
        finally:
            self._awaited.subtract(limits.keys())
            self._awaited += Counter()
            self._changed.notify_all()

    def _may_nurture(self, limits: Mapping[str, int]) -> bool:
        return all(self._inside[domain] < for_nurture(most) and not self._awaited[domain] for domain, most in limits.items())
