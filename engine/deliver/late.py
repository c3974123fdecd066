"""Marketing mail that lay ready while nothing ran is judged again before the wire: too late, at an hour that is shut, or to go.

Before: `engine.deliver.send` has loaded what it holds. After: the rest is written and flies. What `engine.advance` has just made
passes, since it was judged a moment ago.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.database import Tx
from engine.deliver.load import Loaded
from engine.deliver.record import row_for, settle
from engine.deliver.replies import Fate
from engine.schedule.late import Verdict, days_late, judge, on_time
from engine.schedule.progress import move_all_that_follows
from engine.schedule.timing import into_window
from engine.vocabulary import Reason, SendState

A_MOMENT = timedelta(minutes=1)  # since it was made, or since the time it waited for


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A send that does not simply go: skipped, moved to `opening`, or sent with all that follows later by `days`."""

    send: Loaded
    is_skipped: bool = False
    opening: datetime | None = None
    days: int = 0


def judged(send: Loaded) -> Judged | None:
    """None: it goes as it is."""
    if send.touch_id is None or send.step is None or send.window is None or send.due_at is None:
        return None
    if not send.late_by and send.read_at - send.due_at < A_MOMENT:
        return None
    verdict = judge(send.step, due_at=send.due_at, late_by=send.late_by, now=send.read_at, zone=send.zone)
    if verdict == Verdict.SKIP:
        return Judged(send=send, is_skipped=True)
    opening = into_window(send.read_at, send.window, send.zone, days_off=send.days_off)
    if opening > send.read_at:
        return Judged(send=send, opening=opening)
    if verdict == Verdict.SHIFT:
        should_be_at = on_time(send.due_at, send.late_by, send.read_at)
        return Judged(send=send, days=days_late(should_be_at, send.read_at, send.zone))
    return None


def record_late(tx: Tx, late: Sequence[Judged]) -> set[int]:
    """Write the verdicts, by compare-and-set on what we hold; returns the ids of those that do not go now."""
    skip = Fate(state=SendState.CANCELLED, reason=Reason.LATE, counts=False)
    wait = Fate(state=SendState.READY, reason=Reason.WINDOW, counts=False)
    settle(tx, [row_for(each.send, skip, None) for each in late if each.is_skipped], SendState.CLAIMED)
    settle(tx, [row_for(each.send, wait, each.opening) for each in late if each.opening], SendState.CLAIMED)
    move_all_that_follows(tx, {each.send.touch_id: each.days for each in late if each.days and each.send.touch_id is not None})
    return {each.send.send_id for each in late if each.is_skipped or each.opening}
