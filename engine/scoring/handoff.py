"""The hand-off: a lead that has become ready is raised to sales, once, with the reason and the whole history.

Before: `engine.scoring.rescore` finds the crossing, or a cadence's step asks for it (`engine.advance`). After: the rep answers
(`engine.scoring.answers`), and `engine.reactions` sends a declined lead back to nurture. While sales has the lead, its cadences
stand still.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from engine.compiler.plan import Rep
from engine.conditions import zone
from engine.database import Tx
from engine.expressions.facts import Facts
from engine.leads import Lead
from engine.runtime import Runtime
from engine.schedule.leave import suspend
from engine.schema import handoffs, scores
from engine.scoring.assignment import assign
from engine.scoring.card import step_reason
from engine.scoring.notice import queue_notices
from engine.scoring.rules import Score, kept_reasons
from engine.sql import insert
from engine.versions import Live
from engine.vocabulary import HandoffState


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """A lead that has just become ready, for the `number`-th time."""

    lead: Lead
    facts: Facts
    score: Score
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedHand:
    """A touch that asks for the lead's hand to be raised. `because`: Jinja over `lead`, filled in where it is read."""

    touch_id: int
    lead: Lead
    facts: Facts
    because: str


def raise_hands(tx: Tx, runtime: Runtime, live: Live, crossings: Sequence[Crossing]) -> list[int]:
    """Raise each once: a row, a nurture that stands still and a mail to the rep, or nothing where sales has the lead already.

    Returns the ids of the new hand-offs. The caller commits.
    """
    if not crossings:
        return []
    people = {crossing.lead.id: crossing.lead for crossing in crossings}
    reps = assign(tx, people, {crossing.lead.id: crossing.facts for crossing in crossings}, live)
    rows = [crossing_row(tx, live, crossing, reps[crossing.lead.id]) for crossing in crossings]
    return list(hand_over(tx, runtime, live, rows).values())


def raise_asked(tx: Tx, runtime: Runtime, live: Live, asked: Sequence[AskedHand]) -> set[int]:
    """Raise the hands that steps ask for, whatever the score: the touches that did. Not while sales has the lead already.

    There must be a rep. The caller commits.
    """
    if not asked:
        return set()
    people = {each.lead.id: each.lead for each in asked}
    reps = assign(tx, people, {each.lead.id: each.facts for each in asked}, live)
    known = {row.lead_id: row for row in tx.run(sa.select(scores).where(scores.c.lead_id.in_(people)))}
    first = {each.lead.id: each for each in reversed(asked)}
    rows = [asked_row(tx, live, each, reps[lead_id], known.get(lead_id)) for lead_id, each in first.items()]
    return {first[lead_id].touch_id for lead_id in hand_over(tx, runtime, live, rows)}


def hand_over(tx: Tx, runtime: Runtime, live: Live, rows: Sequence[dict[str, object]]) -> dict[int, int]:
    """{lead id: hand-off id} of the new rows: none for a crossing raised before, or while sales still has the lead."""
    added = insert(tx, handoffs).on_conflict_do_nothing().returning(handoffs.c.lead_id, handoffs.c.id)
    raised = {row.lead_id: row.id for row in tx.run(added, rows)}
    suspend(tx, sorted(raised))
    queue_notices(tx, runtime, live, list(raised.values()))
    return raised


def crossing_row(tx: Tx, live: Live, crossing: Crossing, rep: Rep) -> dict[str, object]:
    return {
        **handoff_row(tx, live, crossing.lead, rep),
        "crossing": crossing.number,
        "touch_id": None,
        "points": crossing.score.points,
        "reasons": kept_reasons(crossing.score),
    }


def asked_row(tx: Tx, live: Live, asked: AskedHand, rep: Rep, known: sa.Row[Any] | None) -> dict[str, object]:
    """The step's reason stands before those of the score."""
    return {
        **handoff_row(tx, live, asked.lead, rep),
        "crossing": None,
        "touch_id": asked.touch_id,
        "points": known.points if known else 0.0,
        "reasons": [step_reason(asked.because, tx.now), *(known.reasons if known else ())],
    }


def handoff_row(tx: Tx, live: Live, lead: Lead, rep: Rep) -> dict[str, object]:
    """`answer_by` is a promise of the rep's, so its days are the rep's days."""
    return {
        "lead_id": lead.id,
        "state": HandoffState.RAISED,
        "rep": rep.key,
        "raised_at": tx.now,
        "answer_by": live.scoring.respond_within.after(tx.now, zone(rep.zone or live.policy.zone)),
    }
