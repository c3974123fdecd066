"""What may become of a due touch beside ending or sending: it is put back, or its passage ends with it.

Before: `engine.advance` has decided. After: the dispatcher claims it again, or nothing of the passage is due any more. The caller
commits and holds the touches.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from engine.database import Tx
from engine.prepared import Prepared
from engine.schedule.endings import WayOut
from engine.schedule.leave import leave
from engine.schedule.progress import EndedTouch, close
from engine.schema import touches
from engine.vocabulary import TouchState


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """The touch is put back until then; None: until somebody sets a time."""

    touch_id: int
    until: datetime | None
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaves:
    """The passage ends here; `reached`: its touch did what it says (a goal), else it is left with the passage."""

    touch_id: int
    enrolment_id: int
    way: WayOut
    reached: bool


def put_back(tx: Tx, waits: Sequence[Waits]) -> None:
    PUT_BACK.run_each(tx, [{"row_id": each.touch_id, "until": each.until, "why": each.reason} for each in waits])


def end_passages(tx: Tx, leaving: Sequence[Leaves]) -> None:
    close(tx, [EndedTouch(touch_id=each.touch_id, state=TouchState.DONE) for each in leaving if each.reached])
    ways: dict[WayOut, list[int]] = {}
    for each in leaving:
        ways.setdefault(each.way, []).append(each.enrolment_id)
    for way, enrolment_ids in ways.items():
        leave(tx, enrolment_ids, reason=way.reason, state=way.state)


PUT_BACK = Prepared(
    sa.update(touches)
    .where(touches.c.id == sa.bindparam("row_id"), touches.c.state == TouchState.CLAIMED)
    .values(
        state=TouchState.WAITING,
        due_at=sa.bindparam("until"),
        reason=sa.bindparam("why"),
        worker_id=None,
        lease_until=None,
        claims=0,
    )
)
