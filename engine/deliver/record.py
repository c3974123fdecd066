"""Writes down what became of sends: the only place where a send leaves `attempting`, by compare-and-set, a batch at a time.

Before: the wire or the gate has spoken, or a worker died. After: a send that is over ends its touch (`engine.schedule.progress`),
in the same transaction. An accepted mail is told by its own row; it makes no event, which would only double the ledger.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, assert_never

import sqlalchemy as sa

from engine.claim import held_by_dead, in_state
from engine.database import Tx
from engine.deliver.fates import OF_A_LOST_WORLD, Attempted, Fate, fate_of, held_since, policy_for, without_answer
from engine.deliver.gate import IN_TROUBLE_SINCE, pretend, stopped_of
from engine.deliver.kept import let_go
from engine.deliver.load import Loaded
from engine.deliver.openings import in_its_window
from engine.deliver.replies import about, where_said
from engine.deliver.trouble import Flown, note_trouble
from engine.deliver.warm_up import give_back
from engine.deliver.ways import Held
from engine.deliver.wire import Accepted, Deferred, NoAnswer, NotBegun, OurFault, Outcome, PerhapsSent, Refused, Stopped, as_kept
from engine.events import NewEvent, record_events
from engine.prepared import Prepared
from engine.schedule.lock import lock_passages
from engine.schedule.progress import EndedTouch, end_touches_that_can
from engine.schema import sends, touches
from engine.versions import live_rules
from engine.vocabulary import TERMINAL_SEND, EventType, Origin, Reason, SendState, SmtpPhase, Stream, TouchState

log = logging.getLogger(__name__)

MOST_TOLD = 10
STUCK_AFTER = timedelta(hours=6)  # longer than any micro-batch can take over a server that answers at all
SHORT_WAIT = timedelta(hours=1)  # a retry this soon belongs to the attempt; a later one waits for the window again


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server said, and to what, for the ledger."""

    code: int | None = None
    reply: str | None = None
    phase: SmtpPhase | None = None


NOTHING_SAID = Answer()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """One row to be written."""

    send_id: int
    epoch: int
    touch_id: int | None
    stream: Stream
    fate: Fate
    due_at: datetime | None
    answer: Answer = NOTHING_SAID


def record_outcomes(tx: Tx, flown: Sequence[Flown]) -> datetime:
    """Write what the wire said; returns the instant that counts as then. A row that was settled without us stays as it is, but a
    late yes corrects an unknown.
    """
    rows = [settled(tx, one) for one in flown]
    give_back_uncarried(tx, [one for one, row in zip(flown, rows, strict=True) if not row.fate.counts or is_ours(one.outcome)])
    settle(tx, rows, SendState.ATTEMPTING)
    refused = [one for one, row in zip(flown, rows, strict=True) if row.fate.state == SendState.REFUSED]
    record_events(tx, [event for one in refused if (event := bounce(tx, one)) is not None])
    note_trouble(tx, flown)
    return tx.now


def is_ours(outcome: Outcome) -> bool:
    return isinstance(outcome, OurFault)


def give_back_uncarried(tx: Tx, uncarried: Sequence[Flown]) -> None:
    """To the warm-ups of their relays; of those that nobody has settled yet, since what is written down may be written twice.
    Before passages are locked: a mark locks relays before leads.
    """
    if not uncarried:
        return
    states = {row.id: row.state for row in STATES.rows(tx, ids=[one.send.send_id for one in uncarried])}
    left = [one for one in uncarried if states.get(one.send.send_id) == SendState.ATTEMPTING]
    give_back(tx, live_rules(tx).policy, [(one.relay, one.marked_at) for one in left if one.marked_at is not None])


def record_held(tx: Tx, held: Sequence[tuple[Loaded, Held]]) -> None:
    """What the gate held back is due again when it may be asked again. No passage ends, so none need be locked."""
    rows = [row_for(send, Fate(state=SendState.READY, reason=why.reason, counts=False), why.due_at) for send, why in held]
    SETTLE.run_each(tx, [values_of(tx, row, SendState.CLAIMED) for row in rows])
    AGE.run_each(tx, [age_of(send, why.reason, tx.now) for send, why in held])


def age_of(send: Loaded, reason: Reason, now: datetime) -> dict[str, object]:
    since = held_since(send.held_since, send.reason, reason, now)
    return {"send_id": send.send_id, "held_epoch": send.epoch, "since": since}


def record_stopped(tx: Tx, stopped: Sequence[tuple[Loaded, Reason]]) -> None:
    """Cancel what must not go, could not be written, or has waited for too long; unless it may have gone before that."""
    states = [SendState.UNKNOWN if send.unknowns and why == Reason.TOO_OLD else SendState.CANCELLED for send, why in stopped]
    fates = [Fate(state=state, reason=why, counts=False) for state, (_send, why) in zip(states, stopped, strict=True)]
    settle(tx, [row_for(send, fate, None) for fate, (send, _why) in zip(fates, stopped, strict=True)], SendState.CLAIMED)


def record_shadows(tx: Tx, shadows: Sequence[Loaded], worker_id: str) -> None:
    """End what only pretends, by the check that the others passed."""
    lock_passages(tx, (), touch_ids=touches_of(shadows))
    pretended = pretend(tx, shadows, worker_id)
    end_touches_that_can(
        tx, [shadow_of(send.touch_id) for send in shadows if send.send_id in pretended and send.touch_id is not None]
    )
    left = [send for send in shadows if send.send_id not in pretended]
    forbidden = stopped_of(tx, [send.send_id for send in left], SendState.CLAIMED) if left else set()
    record_stopped(tx, [(send, Reason.SUPPRESSED) for send in left if send.send_id in forbidden])


def shadow_of(touch_id: int) -> EndedTouch:
    return EndedTouch(touch_id=touch_id, state=TouchState.SKIPPED, reason=Reason.SHADOW)


def settle_lost(tx: Tx) -> int:
    """Settle what dead workers left between the mark and the record: nobody can know. Returns how many."""
    stuck = sends.c.attempting_at < tx.now - STUCK_AFTER
    lost = (
        sa.select(sends)
        .where(in_state(sends, SendState.ATTEMPTING), sa.or_(held_by_dead(sends, tx.now), stuck))
        .with_for_update(skip_locked=True)
    )
    rows = []
    for row in tx.run(lost).all():
        send = Attempted(
            send_id=row.id, stream=Stream(row.stream), attempts=row.attempts, unknowns=row.unknowns, created_at=row.created_at
        )
        fate = without_answer(send, Reason.WORKER_DIED)
        due_at = tx.now + fate.wait if fate.wait is not None else None
        rows.append(Settled(send_id=row.id, epoch=row.epoch, touch_id=row.touch_id, stream=send.stream, fate=fate, due_at=due_at))
    settle(tx, rows, SendState.ATTEMPTING)
    return len(rows)


def settle_restored(tx: Tx) -> None:
    """What a backup has as marked ended in the world that was lost; not even what somebody waits for is sent once more."""
    marked = sa.select(sends.c.id, sends.c.epoch, sends.c.touch_id, sends.c.stream).where(in_state(sends, SendState.ATTEMPTING))
    rows = [
        Settled(
            send_id=row.id, epoch=row.epoch, touch_id=row.touch_id, stream=Stream(row.stream), fate=OF_A_LOST_WORLD, due_at=None
        )
        for row in tx.run(marked)
    ]  # fmt: skip
    settle(tx, rows, SendState.ATTEMPTING)


def settled(tx: Tx, flown: Flown) -> Settled:
    send = flown.send
    attempted = Attempted(
        send_id=send.send_id, stream=send.stream, attempts=send.attempts, unknowns=send.unknowns, created_at=send.created_at
    )
    fate = fate_of(flown.outcome, attempted, tx.now)
    due_at = None if fate.wait is None else tx.now + fate.wait
    if due_at is not None and fate.wait is not None and fate.wait > SHORT_WAIT:
        due_at = in_its_window(send, due_at)
    return row_for(send, fate, due_at, answer_of(flown.outcome))


def row_for(send: Loaded, fate: Fate, due_at: datetime | None, answer: Answer = NOTHING_SAID) -> Settled:
    return Settled(
        send_id=send.send_id,
        epoch=send.epoch,
        touch_id=send.touch_id,
        stream=send.stream,
        fate=fate,
        due_at=due_at,
        answer=answer,
    )


def answer_of(outcome: Outcome) -> Answer:
    match outcome:
        case Accepted():
            return Answer(code=outcome.code, reply=as_kept(outcome.reply))
        case Refused() | Deferred():
            return Answer(code=outcome.code, reply=as_kept(outcome.reply), phase=outcome.phase)
        case NoAnswer():
            return Answer(reply=as_kept(outcome.reply), phase=SmtpPhase.DOT)
        case NotBegun() | OurFault():
            return Answer(reply=as_kept(outcome.reply))
        case Stopped() | PerhapsSent():
            return NOTHING_SAID
    assert_never(outcome)


def settle(tx: Tx, rows: Sequence[Settled], leaving: SendState) -> None:
    """Move the rows out of `leaving`, end the touches of those that are over, and let their stored bytes go in time."""
    if not rows:
        return
    if leaving == SendState.CLAIMED:  # whoever leaves a passage holds it and then wants these; nobody else wants a mail in flight
        lock_passages(tx, (), touch_ids=touches_of(rows))
    moved = SETTLE.run_each(tx, [values_of(tx, row, leaving) for row in rows])
    over = [row for row in rows if row.fate.state in TERMINAL_SEND]
    if moved < len(rows):  # somebody else holds some of them by now, and says how they end
        over = those_ended(tx, over)
    end_touches_that_can(tx, [ended_touch(row.touch_id, row.fate) for row in over if row.touch_id is not None])
    tell_of_doubt([row.send_id for row in over if row.fate.state == SendState.UNKNOWN and row.fate.reason != Reason.RESTORED])
    let_go(tx, [row.send_id for row in over if row.stream != Stream.MARKETING])


def tell_of_doubt(send_ids: Sequence[int]) -> None:
    """An operator may find out from the mail server's own log, and settle them."""
    if send_ids:
        facts = {"sends": send_ids[:MOST_TOLD], "in_all": len(send_ids)}
        log.error("nobody knows whether mails arrived: see `handraiser sends --state unknown`", extra={"facts": facts})


def touches_of(some: Sequence[Settled | Loaded]) -> list[int]:
    return [each.touch_id for each in some if each.touch_id is not None]


def those_ended(tx: Tx, over: Sequence[Settled]) -> list[Settled]:
    """The rows that stand as they were to be left; where another worker left one so, its touch has ended as well."""
    states = {row.id: row.state for row in STATES.rows(tx, ids=[row.send_id for row in over])} if over else {}
    return [row for row in over if states.get(row.send_id) == row.fate.state]


def values_of(tx: Tx, row: Settled, leaving: SendState) -> dict[str, object]:
    fate = row.fate
    was_counted = leaving == SendState.ATTEMPTING  # the mark counts an attempt
    is_new_claim = fate.reason == Reason.UNKNOWN_ONCE  # a worker that comes back from the dead must not write over it
    return {
        "send_id": row.send_id,
        "held_epoch": row.epoch,
        "leaving": leaving,
        "new_epoch": row.epoch + 1 if is_new_claim else row.epoch,
        "new_state": fate.state,
        "new_reason": fate.reason,
        "new_due_at": row.due_at,
        "new_ended_at": tx.now if fate.state in TERMINAL_SEND else None,
        "code": row.answer.code,
        "words": row.answer.reply,
        "phase": row.answer.phase,
        "taken_back": 1 if was_counted and not fate.counts else 0,
        "added_unknowns": fate.unknowns,
    }


def ended_touch(touch_id: int, fate: Fate | sa.Row[Any]) -> EndedTouch:
    """A touch did what it says when its mail left, perhaps; else it was skipped for the send's reason."""
    has_left = fate.state in (SendState.ACCEPTED, SendState.UNKNOWN)
    return EndedTouch(touch_id=touch_id, state=TouchState.DONE if has_left else TouchState.SKIPPED, reason=fate.reason)


def go_on_behind(tx: Tx) -> None:
    """Passages that could not go on when their mails were over try again."""
    end_touches_that_can(tx, [ended_touch(row.touch_id, row) for row in tx.run(BEHIND).all()])


def bounce(tx: Tx, flown: Flown) -> NewEvent | None:
    """That an address was refused, of a mail that ends by it; a rep's address is for a person to mend."""
    outcome, send = flown.outcome, flown.send
    if not isinstance(outcome, Refused | Deferred) or send.stream == Stream.INTERNAL:
        return None
    after = policy_for(outcome).suppress_after
    if after is None:
        return None
    return NewEvent(
        source_key=f"{'refused' if after == 1 else 'soft'}:{send.send_id}",
        type=EventType.BOUNCED if after == 1 else EventType.SOFT_BOUNCED,
        origin=Origin.MACHINE,
        lead_id=send.lead.id,
        send_id=send.send_id,
        data={"email": send.email, "about": about(outcome.code, outcome.reply, where_said(outcome.code, outcome.phase))},
        occurred_at=tx.now,
    )


BEHIND = (
    sa.select(sends.c.touch_id, sends.c.state, sends.c.reason)
    .join(touches, touches.c.id == sends.c.touch_id)
    .where(in_state(touches, TouchState.SENDING), sends.c.state.in_(TERMINAL_SEND))
)
STATES = Prepared(sa.select(sends.c.id, sends.c.state).where(sends.c.id.in_(sa.bindparam("ids", expanding=True))))
AGE = Prepared(
    sa.update(sends)
    .where(sends.c.id == sa.bindparam("send_id"), sends.c.epoch == sa.bindparam("held_epoch"), sends.c.state == SendState.READY)
    .values(held_since=sa.bindparam("since"))
)
LATE_YES = sa.and_(sends.c.state == SendState.UNKNOWN, sa.bindparam("new_state", type_=sa.String) == SendState.ACCEPTED)
SETTLE = Prepared(
    sa.update(sends)
    .where(
        sends.c.id == sa.bindparam("send_id"),
        sends.c.epoch == sa.bindparam("held_epoch"),
        sa.or_(sends.c.state == sa.bindparam("leaving"), LATE_YES),
    )
    .values(
        state=sa.bindparam("new_state"),
        reason=sa.bindparam("new_reason"),
        epoch=sa.bindparam("new_epoch"),
        due_at=sa.bindparam("new_due_at"),
        ended_at=sa.bindparam("new_ended_at"),
        smtp_code=sa.bindparam("code"),
        smtp_reply=sa.bindparam("words"),
        smtp_phase=sa.bindparam("phase"),
        held_since=IN_TROUBLE_SINCE,
        attempts=sends.c.attempts - sa.bindparam("taken_back", type_=sa.Integer),
        unknowns=sends.c.unknowns + sa.bindparam("added_unknowns", type_=sa.Integer),
        worker_id=None,
        lease_until=None,
        claims=0,
    )
)
