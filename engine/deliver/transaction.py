"""The mail transaction: messages one after the other over one connection, knowing at every moment what a loss would mean.

Before: `engine.deliver.pool` has a channel. After: one outcome a flight. Until the last byte of a text could have left, a lost
message is certainly not delivered; from then on until an answer nobody can know (RFC 1047).
"""

import asyncio
import logging

from engine.deliver.by_chunks import Chunking, ChunkTrip
from engine.deliver.by_data import DataTrip
from engine.deliver.channel import Channel, LostError, Timeouts
from engine.deliver.loads import Load
from engine.deliver.trip import More, Trip
from engine.deliver.watch import CannotLookError

log = logging.getLogger(__name__)


class BrokenOffError(LostError):
    """We hung up in the midst of it."""

    is_ours = True


async def carry(channel: Channel, load: Load, more: More, timeouts: Timeouts, chunking: Chunking) -> bool:
    """Carry a load over an open channel, and what `more` gives when it comes to its end, until each has landed. False: the
    connection was found dead at its first use after a rest, and nothing counts as said.
    """
    trip: Trip = DataTrip(channel, load, more, timeouts)
    if chunking.fits(channel.extensions):
        trip = ChunkTrip(channel, load, more, timeouts, chunking)
    try:
        await trip.run()
    except LostError as lost:
        if trip.under_way or not isinstance(lost, CannotLookError):
            channel.lose(str(lost))
        trip.note_loss(lost)
    except asyncio.CancelledError:
        break_off(channel, trip)
        raise
    except Exception:
        log.exception("the wire failed")
        channel.lose("the wire failed")
        trip.fail("the wire failed")
    if trip.found_dead:
        return False
    trip.land_all()
    return True


def break_off(channel: Channel, trip: Trip) -> None:
    lost = BrokenOffError("broken off, since this process ends")
    channel.lose(str(lost))
    trip.note_loss(lost)
    trip.land_all()
