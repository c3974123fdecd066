"""What a person decides of mails that nobody knows the end of: the mail server was given them and did not answer.

Before: `engine.deliver.record` left them `unknown`, for good. After: they count as accepted, or, where somebody waits for one and
its bytes are still kept, it goes once more, the same to the byte. Marketing never does: a second copy is worse than none.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from engine.claim import in_state
from engine.database import Tx
from engine.errors import UsageError
from engine.schema import bodies, sends
from engine.vocabulary import Reason, SendState, Stream

DOUBTFUL = in_state(sends, SendState.UNKNOWN)


def call_accepted(tx: Tx, numbers: Sequence[int]) -> int:
    """Somebody found out that they arrived; returns how many. Raises UsageError for one that is not in doubt."""
    require_doubt(tx, numbers)
    return tx.run(sa.update(sends).where(sends.c.id.in_(numbers), DOUBTFUL).values(ARRIVED)).rowcount


def call_all_accepted(tx: Tx) -> int:
    return tx.run(sa.update(sends).where(DOUBTFUL).values(ARRIVED)).rowcount


def send_again(tx: Tx, numbers: Sequence[int]) -> int:
    """Make them due now; returns how many. Raises UsageError for one that may not go again, and then none does."""
    require_doubt(tx, numbers)
    chosen = sa.select(sends.c.id, sends.c.stream, sends.c.touch_id, bodies.c.content.is_not(None).label("is_kept")).join_from(
        sends, bodies, bodies.c.send_id == sends.c.id, isouter=True
    )
    for row in tx.run(chosen.where(sends.c.id.in_(numbers))):
        if row.stream == Stream.MARKETING or row.touch_id is not None:
            raise UsageError(
                f"mail {row.id} is part of a cadence: it is never sent twice. `handraiser sends accept {row.id}` settles it"
            )
        if not row.is_kept:
            raise UsageError(
                f"mail {row.id} is older than a week, and its bytes are no longer kept, so it cannot be sent again as it was"
            )
    tx.run(sa.update(bodies).where(bodies.c.send_id.in_(numbers)).values(delete_after=None))
    return tx.run(sa.update(sends).where(sends.c.id.in_(numbers), DOUBTFUL).values(DUE | {"due_at": tx.now})).rowcount


def require_doubt(tx: Tx, numbers: Sequence[int]) -> None:
    found = {row.id: row.state for row in tx.run(sa.select(sends.c.id, sends.c.state).where(sends.c.id.in_(numbers)))}
    for number in numbers:
        if number not in found:
            raise UsageError(f"there is no mail {number}; `handraiser sends --state unknown` lists those in doubt")
        if found[number] != SendState.UNKNOWN:
            raise UsageError(f"mail {number} is {found[number]}: there is no doubt about it")


ARRIVED = {"state": SendState.ACCEPTED, "reason": None, "epoch": sends.c.epoch + 1}
DUE = {
    "state": SendState.READY,
    "reason": Reason.UNKNOWN_ONCE,
    "epoch": sends.c.epoch + 1,
    "ended_at": None,
    "worker_id": None,
    "claims": 0,
}
