"""Who is in a segment now.

Before: `handraiser enrol` names one. After: `engine.schedule.enrol` takes the leads in.
"""

from collections.abc import Iterator

import sqlalchemy as sa

from engine.conditions import condition, gather_facts
from engine.database import Tx
from engine.errors import UsageError
from engine.leads import load_leads
from engine.schema import leads
from engine.sql import MOST_VALUES
from engine.versions import Live, live_rules


def leads_in_segment(tx: Tx, name: str) -> Iterator[list[int]]:
    """The ids of its leads, some at a time. Raises UsageError when there is no such segment."""
    live = live_rules(tx)
    if name not in live.policy.segments:
        known = ", ".join(sorted(live.policy.segments)) or "none"
        raise UsageError(f"There is no segment {name!r}. There are: {known}.")
    for lead_ids in every_lead(tx):
        yield fitting(tx, live, name, lead_ids)


def every_lead(tx: Tx) -> Iterator[list[int]]:
    """The ids of all leads, some at a time."""
    last = 0
    while some := next_leads(tx, last):
        yield some
        last = some[-1]


def next_leads(tx: Tx, after: int) -> list[int]:
    return list(tx.run(sa.select(leads.c.id).where(leads.c.id > after).order_by(leads.c.id).limit(MOST_VALUES)).scalars())


def fitting(tx: Tx, live: Live, name: str, lead_ids: list[int]) -> list[int]:
    asked = condition(live.policy.segments[name], live.policy)
    facts = gather_facts(tx, load_leads(tx, lead_ids), live, event_types=asked.uses_events)
    return [lead_id for lead_id in lead_ids if asked.holds(facts[lead_id])]
