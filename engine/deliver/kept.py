"""The messages that are kept, byte for byte: those that somebody waits for, which may have to go once more.

Before: `engine.deliver.write_ahead` or the mark has a message. After: every attempt sends the same bytes; they go a while after
the last one. They are kept as written, and signed on their way out.
"""

from collections.abc import Collection, Sequence
from datetime import timedelta

import sqlalchemy as sa

from engine.database import Tx
from engine.prepared import Prepared, PreparedInsert
from engine.schema import bodies

KEEP_BYTES = timedelta(days=7)


def kept_messages(tx: Tx, send_ids: Collection[int]) -> dict[int, bytes]:
    """{send id: message} of those that have one."""
    return {row.send_id: row.content for row in OF_SENDS.rows(tx, ids=send_ids)} if send_ids else {}


def keep_messages(tx: Tx, messages: Sequence[tuple[int, bytes]]) -> None:
    """Of (send id, message); the first one of a send stays."""
    if messages:
        KEEP.run(tx, messages)


def let_go(tx: Tx, send_ids: Collection[int]) -> None:
    """Their mails are over."""
    if send_ids:
        LET_GO.run(tx, ids=send_ids, at=tx.now + KEEP_BYTES)


OF_SENDS = Prepared(
    sa.select(bodies.c.send_id, bodies.c.content).where(bodies.c.send_id.in_(sa.bindparam("ids", expanding=True)))
)
KEEP = PreparedInsert(bodies, ("send_id", "content"), unless=("send_id",))
LET_GO = Prepared(
    sa.update(bodies)
    .where(bodies.c.send_id.in_(sa.bindparam("ids", expanding=True)))
    .values(delete_after=sa.bindparam("at", type_=bodies.c.delete_after.type))
)
