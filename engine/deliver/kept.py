"""The messages that are kept, byte for byte: those that somebody waits for, which may have to go once more.

Before: `engine.deliver.write_ahead` or the mark has a message. After: every attempt sends the same bytes; they go a while after
the last one. They are kept as written, and signed on their way out. A quarter of their size is kept: they are many; a database
takes longer over each byte than packing does.
"""

import zlib
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from engine.database import Tx
from engine.prepared import Prepared, PreparedInsert
from engine.schema import bodies

KEEP_BYTES = timedelta(days=7)


def keep_messages(tx: Tx, messages: Sequence[tuple[int, bytes]], *, until: datetime | None = None) -> None:
    """Of (send id, message); the first one of a send stays. `until`: when it goes at the latest; None: a while after its mail."""
    KEEP.run(tx, [(send_id, packed(message), until) for send_id, message in messages])


def packed(message: bytes) -> bytes:
    return zlib.compress(message, zlib.Z_BEST_SPEED)


def unpacked(content: bytes) -> bytes:
    return zlib.decompress(content)


def let_go(tx: Tx, send_ids: Collection[int]) -> None:
    """Their mails are over."""
    if send_ids:
        LET_GO.run(tx, ids=send_ids, at=tx.now + KEEP_BYTES)


KEEP = PreparedInsert(bodies, ("send_id", "content", "delete_after"), unless=("send_id",))
LET_GO = Prepared(
    sa.update(bodies)
    .where(bodies.c.send_id.in_(sa.bindparam("ids", expanding=True)))
    .values(delete_after=sa.bindparam("at", type_=bodies.c.delete_after.type))
)
