"""The second look: whether marked sends may still fly.

Before: `engine.deliver.pool` has flights whose mark is committed. After: `engine.deliver.trip` asks before MAIL and the body.
"""

import asyncio
import logging
from collections.abc import Sequence
from time import monotonic

from engine.deliver.channel import LostError
from engine.deliver.wire import Flight, Recheck

MARK_HOLDS = 1.0  # seconds after which a mark is looked at again before anything more is said

log = logging.getLogger(__name__)


class CannotLookError(LostError):
    """The database gave no answer: nothing more may be sent."""


class Watch:
    """Asks again when the last look is older than `MARK_HOLDS`."""

    def __init__(self, flights: Sequence[Flight], recheck: Recheck) -> None:
        self._send_ids = [flight.send_id for flight in flights]
        self._recheck = recheck
        self._looked_at = monotonic()
        self._stopped: set[int] = set()
        self._looking = asyncio.Lock()
        self._could_not: CannotLookError | None = None  # and is not asked again: the database may take its time to say nothing

    async def stops(self, send_id: int) -> bool:
        """Raises CannotLookError."""
        if monotonic() - self._looked_at > MARK_HOLDS:
            async with self._looking:
                await self._look()
        return send_id in self._stopped

    async def _look(self) -> None:
        looked_at = monotonic()
        if looked_at - self._looked_at <= MARK_HOLDS:
            return  # another connection of the same flight asked meanwhile
        if self._could_not is not None:
            raise self._could_not
        try:
            loop = asyncio.get_running_loop()
            self._stopped |= await loop.run_in_executor(None, self._recheck, self._send_ids)
        except Exception as error:
            log.warning("could not look again for suppressions", exc_info=True)
            self._could_not = CannotLookError("could not look again for suppressions")
            raise self._could_not from error
        self._looked_at = looked_at
