"""Failover: what somebody waits for, and whose relay could not be reached, goes by another one at once.

Before: `engine.deliver.record` has written that it is ready again. After: `engine.deliver.send` delivers it anew; the gate, which
knows by now which relay failed it, says by which other it goes. Marketing waits for its next turn.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from engine.claim import SEND, Claim, take_due
from engine.deliver.trouble import Flown
from engine.deliver.wire import Deferred
from engine.prepared import Prepared
from engine.runtime import Runtime
from engine.schema import sends
from engine.vocabulary import Reason, SendState, Stream


def taken_again(runtime: Runtime, flown: Sequence[Flown]) -> list[Claim]:
    """Those that may take another relay now, claimed anew; if we die before they fly they are found by their lease."""
    ids = [one.send.send_id for one in flown if may_take_another(one)]
    if not ids:
        return []
    with runtime.database.write() as tx:
        HURRY.run(tx, ids=ids, now=tx.now)
        return take_due(tx, SEND, limit=len(ids), lease=runtime.settings.queue_lease, only=THESE, ids=ids)


def may_take_another(flown: Flown) -> bool:
    """Once: where the next relay is away as well, it waits like everybody else."""
    send, outcome = flown.send, flown.outcome
    is_unreached = isinstance(outcome, Deferred) and outcome.is_unreached
    return is_unreached and send.stream != Stream.MARKETING and len(send.relays) > 1 and send.reason != Reason.RELAY_AWAY


THESE = sends.c.id.in_(sa.bindparam("ids", expanding=True))
HURRY = Prepared(
    sa.update(sends)
    .where(THESE, sends.c.state == SendState.READY, sends.c.reason == Reason.RELAY_AWAY)
    .values(due_at=sa.bindparam("now", type_=sends.c.due_at.type))
)
