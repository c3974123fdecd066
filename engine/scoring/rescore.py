"""Rescoring: brings the scores of some leads up to date, and raises a hand for each that has just become ready.

Before: a reaction to an event, or the dispatcher when points fade. After: `engine.scoring.handoff`. The crossing is decided
under a lock on the lead's row, so two processes that score a lead at once raise one hand.
"""

import logging
from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from engine.conditions import gather_facts, scope_of
from engine.database import Tx
from engine.leads import load_leads, lock_leads
from engine.prepared import Prepared, PreparedInsert
from engine.runtime import Runtime
from engine.schema import rules, scores
from engine.scoring.assignment import assigning_types
from engine.scoring.handoff import Crossing, raise_hands
from engine.scoring.rules import Score, kept_reasons, moving_types, score
from engine.sql import rows_at_once
from engine.versions import Live, live_rules

log = logging.getLogger(__name__)

FADING_AT_ONCE = 25  # some 50 ms, for which others wait behind the one writer of a SQLite
TRIED_AGAIN_AFTER = timedelta(days=1)
NEWEST_MODEL = sa.select(sa.func.max(rules.c.id)).where(rules.c.kind == "scoring").scalar_subquery()


def rescore(tx: Tx, runtime: Runtime, lead_ids: Collection[int]) -> list[int]:
    """Score these leads as of now; returns the ids of the hand-offs raised. Safe to repeat. The caller commits."""
    if not lead_ids:
        return []
    live = live_rules(tx)
    lock_leads(tx, lead_ids)
    people = load_leads(tx, lead_ids)
    scope = scope_of(live.policy)
    facts = gather_facts(tx, people, live, event_types=moving_types(live.scoring, scope) | assigning_types(live))
    fresh = {lead_id: score(live.scoring, facts[lead_id], scope) for lead_id in people}
    crossings = [
        Crossing(lead=people[lead_id], facts=facts[lead_id], score=fresh[lead_id], number=number)
        for lead_id, number in keep(tx, fresh, live).items()
    ]
    return raise_hands(tx, runtime, live, crossings)


def keep(tx: Tx, fresh: Mapping[int, Score], live: Live) -> dict[int, int]:
    """Write the scores; returns {lead id: which crossing} of those that are ready and were not.

    Where there is nobody to hand a lead to, it is not ready; it will be as soon as there is somebody.
    """
    before = kept_scores(tx, fresh)
    crossed: dict[int, int] = {}
    rows: list[tuple[object, ...]] = []
    for lead_id, new in fresh.items():
        known = before.get(lead_id)
        above = new.is_ready and bool(live.assignment.reps)
        crossings = known.crossings if known else 0
        if above and not (known and known.above):
            crossings += 1
            crossed[lead_id] = crossings
        rows.append(score_row(tx, lead_id, new, above=above, crossings=crossings, rules_id=scoring_id(live)))
    SCORES.run(tx, rows)
    return crossed


def kept_scores(tx: Tx, lead_ids: Collection[int]) -> dict[int, Any]:
    found: dict[int, Any] = {}
    for some in rows_at_once(lead_ids):
        found.update({row.lead_id: row for row in KEPT.rows(tx, ids=some)})
    return found


def score_row(tx: Tx, lead_id: int, new: Score, *, above: bool, crossings: int, rules_id: int) -> tuple[object, ...]:
    """The values of `SCORES`."""
    return (lead_id, new.points, kept_reasons(new), tx.now, new.next_change_at, above, crossings, rules_id)


KEPT = Prepared(
    sa.select(scores.c.lead_id, scores.c.above, scores.c.crossings).where(
        scores.c.lead_id.in_(sa.bindparam("ids", expanding=True))
    )
)
SCORES = PreparedInsert(
    scores,
    ("lead_id", "points", "reasons", "as_of", "next_change_at", "above", "crossings", "rules_id"),
    unless=("lead_id",),
    over=("points", "reasons", "as_of", "next_change_at", "above", "crossings", "rules_id"),
)


def scoring_id(live: Live) -> int:
    """The row of the model that holds now."""
    return dict(live.ids)["scoring"]


def rescore_fading(tx: Tx, runtime: Runtime, *, limit: int = FADING_AT_ONCE) -> int:
    """Bring some of the scores up to date that are not; returns how many. What a worker's upkeep does time and again.

    A lead that cannot be scored is logged, and left alone for a day; it keeps nobody else from being scored.
    """
    due = take_fading(tx, limit)
    if due and not tried(tx, runtime, due):
        for lead_id in due:
            if not tried(tx, runtime, [lead_id]):
                postpone(tx, lead_id)
    return len(due)


def take_fading(tx: Tx, limit: int) -> list[int]:
    """The leads whose score may have changed by time alone, longest first, then those scored by an older model."""
    of_time = sa.select(scores.c.lead_id).where(scores.c.next_change_at <= tx.now).order_by(scores.c.next_change_at)
    of_model = sa.select(scores.c.lead_id).where(scores.c.rules_id < NEWEST_MODEL)
    due = [row.lead_id for row in tx.run(of_time.limit(limit))]
    if len(due) < limit:
        due += [row.lead_id for row in tx.run(of_model.limit(limit - len(due)))]
    return list(dict.fromkeys(due))


def tried(tx: Tx, runtime: Runtime, lead_ids: Collection[int]) -> bool:
    """Whether these leads could be scored; if not, nothing of it is kept."""
    try:
        with tx.connection.begin_nested():
            rescore(tx, runtime, lead_ids)
    except sa.exc.OperationalError:
        raise
    except Exception:
        log.exception("leads could not be scored", extra={"facts": {"leads": list(lead_ids)}})
        return False
    return True


def postpone(tx: Tx, lead_id: int) -> None:
    later = {"next_change_at": tx.now + TRIED_AGAIN_AFTER, "rules_id": NEWEST_MODEL}
    tx.run(sa.update(scores).where(scores.c.lead_id == lead_id).values(later))
