"""The second look: whether marked sends may still fly.

Before: `engine.deliver.pool` has flights whose mark is committed. After: `engine.deliver.trip` asks before MAIL and the body.
"""

import asyncio
import logging
from collections.abc import Sequence
from time import monotonic

from engine.deliver.channel import LostError
from engine.deliver.wire import Flight, NotBegun, Recheck, Stopped

MARK_HOLDS = 1.0  # seconds after which a mark is looked at again before anything more is said

log = logging.getLogger(__name__)


class CannotLookError(LostError):
    """The database gave no answer: nothing more may be sent."""

    is_ours = True


class Watch:
    """Asks again when the last look is older than `MARK_HOLDS`."""

    def __init__(self, flights: Sequence[Flight], recheck: Recheck) -> None:
        self._send_ids = [flight.send_id for flight in flights]
        self._recheck = recheck
        self._looked_at = monotonic()
        self._stopped: dict[int, Stopped | NotBegun] = {}
        self._looking = asyncio.Lock()
        self._could_not: CannotLookError | None = None  # and is not asked again: the database may take its time to say nothing

    async def stopped(self, send_id: int) -> Stopped | NotBegun | None:
        """What becomes of it if it must stop; None: it may fly. Raises CannotLookError."""
        if monotonic() - self._looked_at > MARK_HOLDS:
            async with self._looking:
                await self._look()
        return self._stopped.get(send_id)

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
            log.warning("could not look again for suppressions and pauses", exc_info=True)
            self._could_not = CannotLookError("could not look again for suppressions and pauses")
            raise self._could_not from error
        self._looked_at = looked_at
