"""The mail transaction: a micro-batch of messages over one connection, knowing at every moment what a loss would mean.

Before: `engine.deliver.pool` has a channel. After: one outcome a flight. Until the last byte of a text could have left, a lost
message is certainly not delivered; from then on until an answer nobody can know (RFC 1047).
"""

from collections.abc import Sequence

from engine.deliver.by_chunks import Chunking, ChunkTrip
from engine.deliver.by_data import DataTrip
from engine.deliver.channel import Channel, LostError, Timeouts
from engine.deliver.trip import Trip
from engine.deliver.watch import CannotLookError, Watch
from engine.deliver.wire import Flight, Outcome


async def carry(
    channel: Channel, flights: Sequence[Flight], watch: Watch, timeouts: Timeouts, chunking: Chunking
) -> list[Outcome] | None:
    """Carry flights over an open channel; one outcome each, in order. None: the connection was found dead at its first use
    after a rest, and nothing counts as said.
    """
    trip: Trip = DataTrip(channel, flights, watch, timeouts)
    if chunking.fits(channel.extensions):
        trip = ChunkTrip(channel, flights, watch, timeouts, chunking)
    try:
        await trip.run()
    except LostError as lost:
        if trip.under_way or not isinstance(lost, CannotLookError):
            channel.lose(str(lost))
        trip.note_loss(lost)
    return None if trip.found_dead else trip.result()
