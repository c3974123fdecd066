"""Who is in a segment now.

Before: `handraiser enrol` names one, or a cadence is entered by it. After: `engine.schedule.enrol` takes the leads in.
"""

from collections.abc import Collection, Iterator

import sqlalchemy as sa

from engine.compiler.plan import Policy
from engine.conditions import condition, facts_under, holds_for
from engine.database import Tx
from engine.errors import UsageError
from engine.expressions.sql_values import NotInSql
from engine.leads import load_leads
from engine.schema import leads
from engine.sql import MOST_VALUES, rows_at_once
from engine.versions import live_rules


def leads_in_segment(tx: Tx, name: str) -> Iterator[list[int]]:
    """The ids of its leads, some at a time. Raises UsageError when there is no such segment."""
    policy = live_rules(tx).policy
    if name not in policy.segments:
        known = ", ".join(sorted(policy.segments)) or "none"
        raise UsageError(f"There is no segment {name!r}. There are: {known}.")
    yield from rows_at_once(who_matches(tx, policy, name))


def who_matches(tx: Tx, policy: Policy, name: str, *, among: Collection[int] | None = None) -> list[int]:
    """The ids of the leads in the segment, in their order. `among`: only of these, which should be few; None: of all.

    Few are asked in memory; all of them in SQL, where the database looks at a hundred thousand in the time in which Python loads
    some thousands. This is the one place that falls back on memory, for a condition that is nested too deeply for SQL.
    """
    if among is not None:
        return in_memory(tx, policy, name, sorted(set(among)))
    try:
        is_in = holds_for(tx, condition(policy.segments[name], policy).tree, policy)
    except NotInSql:
        return [lead_id for some in every_lead(tx) for lead_id in in_memory(tx, policy, name, some)]
    return list(tx.run(sa.select(leads.c.id).where(is_in).order_by(leads.c.id)).scalars())


def in_memory(tx: Tx, policy: Policy, name: str, lead_ids: Collection[int]) -> list[int]:
    asked, found = condition(policy.segments[name], policy), []
    for some in rows_at_once(lead_ids):
        facts = facts_under(tx, load_leads(tx, some), policy, event_types=asked.uses_events)
        found += [lead_id for lead_id in some if lead_id in facts and asked.holds(facts[lead_id])]
    return found


def every_lead(tx: Tx) -> Iterator[list[int]]:
    """The ids of all leads, some at a time."""
    last = 0
    while some := next_leads(tx, last):
        yield some
        last = some[-1]


def next_leads(tx: Tx, after: int) -> list[int]:
    return list(tx.run(sa.select(leads.c.id).where(leads.c.id > after).order_by(leads.c.id).limit(MOST_VALUES)).scalars())
