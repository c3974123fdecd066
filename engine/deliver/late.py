"""Mail that was put off is judged again before the wire. Marketing: its passage stands still or is over, it comes too late or at
an hour that is shut, or it goes. Transactional: it is still of use, or it is too late, of which the operator hears either way.

Before: `engine.deliver.send` has loaded what it holds. After: the rest is written and flies. What `engine.advance` has just made
is late for nothing, since it was judged a moment ago.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from engine.claim import held, these
from engine.compiler.plan import Promptness
from engine.database import Tx
from engine.deliver.fates import Fate
from engine.deliver.load import Loaded
from engine.deliver.record import row_for, settle
from engine.prepared import Prepared
from engine.schedule.late import Verdict, days_late, is_late, judge, on_time
from engine.schedule.leave import release_sends
from engine.schedule.lock import lock_passages
from engine.schedule.progress import move_all_that_follows
from engine.schedule.timing import into_window
from engine.schema import enrolments, sends, touches
from engine.vocabulary import EnrolmentState, Reason, SendState

NO_TIME = timedelta(0)
A_MOMENT = timedelta(minutes=1)  # since it was made, or since the time it waited for
STANDS_STILL = Fate(state=SendState.READY, reason=Reason.PAUSED, counts=False)
IS_OVER = Fate(state=SendState.CANCELLED, reason=Reason.ENROLMENT_ENDED, counts=False)
IS_TOO_LATE = Fate(state=SendState.CANCELLED, reason=Reason.LATE, counts=False)
PERHAPS_SENT = Fate(state=SendState.UNKNOWN, reason=Reason.LATE, counts=False)  # and then it need not be sent once more
AT_ANY_HOUR = (None, Reason.TEMPORARY)  # just made within its window; or tried again soon, which belongs to the attempt
WAITS = Fate(state=SendState.READY, reason=Reason.WINDOW, counts=False)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A send that does not simply go: `fate` says why not now, with `until` when; or all that follows is later by `days`.

    `is_late`: somebody waited for it longer than it is of use, whether it goes or not.
    """

    send: Loaded
    fate: Fate | None = None
    until: datetime | None = None
    days: int = 0
    is_late: bool = False


def judged(send: Loaded) -> Judged | None:
    """None: it goes as it is."""
    if send.promptness is not None and send.asked is not None:
        return awaited(send, send.promptness, min(send.asked.at, send.created_at))
    if send.passage == EnrolmentState.SUSPENDED:
        return Judged(send=send, fate=STANDS_STILL)
    if send.passage not in (None, EnrolmentState.ACTIVE):  # it was with a server when that ended, and came back
        return Judged(send=send, fate=IS_OVER)
    if send.step is None or send.window is None or send.due_at is None:
        return None
    if not send.late_by and send.read_at - send.due_at < A_MOMENT and send.reason in AT_ANY_HOUR:
        return None
    verdict = judge(send.step, due_at=send.due_at, late_by=send.late_by, now=send.read_at, zone=send.zone)
    if verdict == Verdict.SKIP:
        return Judged(send=send, fate=IS_TOO_LATE)
    opening = into_window(send.read_at, send.window, send.zone, days_off=send.days_off)
    if opening > send.read_at:
        return Judged(send=send, fate=WAITS, until=opening)
    if verdict == Verdict.SHIFT:
        should_be_at = on_time(send.due_at, send.late_by, send.read_at)
        return Judged(send=send, days=days_late(should_be_at, send.read_at, send.zone))
    return None


def awaited(send: Loaded, bears: Promptness, asked_at: datetime) -> Judged | None:
    """A mail that somebody waits for since then."""
    if not is_late(bears, asked_at, send.read_at, send.zone):
        return None
    if judge(bears, due_at=asked_at, late_by=NO_TIME, now=send.read_at, zone=send.zone) == Verdict.GO:
        return Judged(send=send, is_late=True)
    return Judged(send=send, fate=PERHAPS_SENT if send.unknowns else IS_TOO_LATE, is_late=True)


def record_judged(tx: Tx, some: Sequence[Judged]) -> set[int]:
    """Write the verdicts, by compare-and-set on what we hold; returns the ids of those that do not go now."""
    note_lateness(tx, [each for each in some if each.is_late])
    shift(tx, [each for each in some if each.days])
    settle(tx, [row_for(each.send, each.fate, each.until) for each in some if each.fate is not None], SendState.CLAIMED)
    release_resumed(tx, [each.send for each in some if each.fate == STANDS_STILL])
    return {each.send.send_id for each in some if each.fate is not None}


def note_lateness(tx: Tx, late: Sequence[Judged]) -> None:
    """So that the ledger tells of those that go all the same, and the log of all."""
    if going := [(each.send.send_id, each.send.epoch) for each in late if each.fate is None]:
        NOTE_LATE.run(tx, **these(going))
    for each in late:
        facts = {"send": each.send.send_id, "email": each.send.email, "goes_out": each.fate is None}
        log.warning("mail that somebody waits for is later than it is of use", extra={"facts": facts})


def release_resumed(tx: Tx, standing: Sequence[Loaded]) -> None:
    """Of these some may go on since we looked. Whoever resumed their passages saw no mail to release."""
    if standing:
        theirs = touches.c.id.in_([send.touch_id for send in standing])
        going = (
            sa.select(enrolments.c.id)
            .join(touches, touches.c.enrolment_id == enrolments.c.id)
            .where(theirs, enrolments.c.state == EnrolmentState.ACTIVE)
        )
        release_sends(tx, tx.run(going).scalars().all())


def shift(tx: Tx, late: Sequence[Judged]) -> None:
    """All that follows these mails is later. They are on time from now on: who takes one up again must not shift it again."""
    if late:
        lock_passages(tx, (), touch_ids=[each.send.touch_id for each in late if each.send.touch_id is not None])
        ours = ON_TIME.rows(tx, **these([(each.send.send_id, each.send.epoch) for each in late]), now=tx.now)
        touch_of = {row.id: row.touch_id for row in ours}
        move_all_that_follows(tx, {touch_of[each.send.send_id]: each.days for each in late if each.send.send_id in touch_of})


NOTE_LATE = Prepared(sa.update(sends).where(held(sends)).values(reason=Reason.LATE))
ON_TIME = Prepared(sa.update(sends).where(held(sends)).values(due_at=sa.bindparam("now")).returning(sends.c.id, sends.c.touch_id))
