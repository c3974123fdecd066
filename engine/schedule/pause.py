"""Holding back what a person says and letting it go on: all mail, all marketing, a cadence, a relay, a recipient domain.

Before: `handraiser pause` or `resume`. After: the gate lets nothing through that is held back (`engine.pauses`). The passages
of a cadence stand still and go on a thousand at a time: whoever asked does it at once, and dispatchers do what is left
(`keep_still`), so a great cadence holds up nobody else's work. The caller commits; everything here may be repeated.
"""

import sqlalchemy as sa

from engine.database import Tx
from engine.pauses import WHOLE, Pause, pauses_of, pauses_seen
from engine.schedule.catch_up import keep_pace
from engine.schedule.leave import go_on, stand_still
from engine.schema import enrolments, handoffs, pauses, sends
from engine.sql import insert
from engine.vocabulary import OPEN_HANDOFF, EnrolmentState, PauseKind, Reason, SendState

MOST_PASSAGES = 1_000  # in one transaction


def pause(tx: Tx, kind: PauseKind, name: str = WHOLE, note: str = "") -> bool:
    """Hold this back; False where it was held back before. Once it is committed nothing more of it is marked."""
    if not tx.is_sqlite:
        tx.run(sa.text("LOCK TABLE pauses IN EXCLUSIVE MODE"))
    if kind == PauseKind.CADENCE:
        tx.run(sa.delete(pauses).where(pauses.c.kind == PauseKind.RESUMING, pauses.c.name == name))
    new = insert(tx, pauses).values(kind=kind, name=name, since=tx.now, note=note)
    added = new.on_conflict_do_nothing(index_elements=["kind", "name"]).returning(pauses.c.kind)
    return tx.run(added).first() is not None


def resume(tx: Tx, kind: PauseKind, name: str = WHOLE) -> Pause | None:
    """Hold this back no longer; what was held back, or None. What became overdue meanwhile is let out little by little."""
    ended = sa.delete(pauses).where(pauses.c.kind == kind, pauses.c.name == name).returning(*pauses.c)
    rows = tx.run(ended).all()
    if not rows:
        return None
    if kind == PauseKind.CADENCE:
        tx.run(sa.insert(pauses).values(kind=PauseKind.RESUMING, name=name, since=tx.now, note=""))
    else:
        keep_pace(tx)
        release(tx)
    return pauses_of(rows).held[kind, name]


def release(tx: Tx) -> None:
    """What the gate sent away for a pause may ask again at once; and no mail is too old because a person held it."""
    waiting = sa.and_(sends.c.state == SendState.READY, sends.c.reason == Reason.PAUSED, sends.c.due_at > tx.now)
    tx.run(sa.update(sends).where(waiting).values(due_at=tx.now))
    ageing = sa.and_(sends.c.state == SendState.READY, sends.c.held_since.is_not(None))
    tx.run(sa.update(sends).where(ageing).values(held_since=None))


def keep_still(tx: Tx) -> int:
    """Stop passages of paused cadences that still go on, and let those of resumed ones go on; how many there were to be found.

    A lead that sales has stays as it is.
    """
    found = 0
    for kind, name in pauses_seen(tx).held:
        if kind == PauseKind.CADENCE:
            found += len(ids := some_in(tx, name, EnrolmentState.ACTIVE))
            stand_still(tx, sa.and_(enrolments.c.id.in_(ids)))
        elif kind == PauseKind.RESUMING:
            found += len(ids := some_in(tx, name, EnrolmentState.SUSPENDED, ~WITH_SALES))
            go_on(tx, sa.and_(enrolments.c.id.in_(ids), ~WITH_SALES))
            if not ids:
                tx.run(sa.delete(pauses).where(pauses.c.kind == kind, pauses.c.name == name))
    return found


def some_in(tx: Tx, cadence: str, state: EnrolmentState, *where: sa.ColumnElement[bool]) -> list[int]:
    chosen = sa.select(enrolments.c.id).where(enrolments.c.cadence == cadence, enrolments.c.state == state, *where)
    return sorted(tx.run(chosen.limit(MOST_PASSAGES)).scalars())


WITH_SALES = sa.exists().where(handoffs.c.lead_id == enrolments.c.lead_id, handoffs.c.state.in_(OPEN_HANDOFF))
