"""Assignment: whose lead it is. The first rule that fits names the reps, who share its leads evenly and for good.

Before: a hand-off or a task needs a rep. After: `assign` keeps the answer on the lead, so it never moves by itself.
"""

from collections.abc import Mapping
from hashlib import sha256

import sqlalchemy as sa

from engine.compiler.plan import Assignment, Rep
from engine.conditions import condition
from engine.database import Tx
from engine.expressions.facts import Facts
from engine.leads import Lead
from engine.schema import leads
from engine.versions import Live


def assign(tx: Tx, people: Mapping[int, Lead], facts: Mapping[int, Facts], live: Live) -> dict[int, Rep]:
    """The rep of each lead, by id; one that has none, or whose rep is gone, is given one for good. There must be a rep."""
    known = {lead_id: live.assignment.reps.get(lead.rep or "") for lead_id, lead in people.items()}
    chosen = {lead_id: rep or choose_rep(live, facts[lead_id], people[lead_id]) for lead_id, rep in known.items()}
    for key in sorted({chosen[lead_id].key for lead_id, rep in known.items() if rep is None}):
        newly = [lead_id for lead_id, rep in known.items() if rep is None and chosen[lead_id].key == key]
        tx.run(sa.update(leads).where(leads.c.id.in_(newly)).values(rep=key))
    return chosen


def choose_rep(live: Live, facts: Facts, lead: Lead) -> Rep:
    """By the first rule that fits; with none, all reps share. The same lead always gets the same rep."""
    for rule in live.assignment.rules:
        if rule.condition is None or condition(rule.condition, live.policy).holds(facts):
            return share(live.assignment, rule.to, lead)
    return share(live.assignment, tuple(sorted(live.assignment.reps)), lead)


def share(assignment: Assignment, reps: tuple[str, ...], lead: Lead) -> Rep:
    """An even and stable draw, by the lead's key."""
    drawn = int.from_bytes(sha256(lead.key.encode()).digest()[:8], "big")
    return assignment.reps[reps[drawn % len(reps)]]


def assigning_types(live: Live) -> frozenset[str]:
    """Every type of event that the rules look at."""
    texts = [rule.condition for rule in live.assignment.rules if rule.condition is not None]
    return frozenset(kind for text in texts for kind in condition(text, live.policy).uses_events)
