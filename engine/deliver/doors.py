"""How many connections at once have mail for one recipient domain under way, over all relays of this process.

Before: `engine.deliver.wires` has a load. After: it flies as soon as no domain in it is at its limit. Lives on one event
loop.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager


class Doors:
    """Each limit is what the mails themselves say, so that a change of relays.yaml needs no restart."""

    def __init__(self) -> None:
        self._inside: Counter[str] = Counter()
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def passed(self, limits: Mapping[str, int]) -> AsyncIterator[None]:
        """Wait until there is room for one more at all of these domains, and take it at once: who waits holds nothing."""
        async with self._changed:
            await self._changed.wait_for(lambda: all(self._inside[domain] < most for domain, most in limits.items()))
            self._inside.update(limits.keys())
        try:
            yield
        finally:
            async with self._changed:
                self._inside.subtract(limits.keys())
                self._inside += Counter()  # forget those at nought
                self._changed.notify_all()
