"""Who is in a segment now.

Before: `handraiser enrol` names one, or a cadence is entered by it. After: `engine.schedule.enrol` takes the leads in.
"""

from collections.abc import Iterable, Iterator

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


def who_matches(tx: Tx, policy: Policy, name: str, *, among: Iterable[int] | None = None) -> list[int]:
    """The ids of the leads in the segment, in their order. `among`: only of these; None: of all.

    Asked in SQL, where the database looks at a hundred thousand leads in the time in which Python loads a few thousand; the one
    place that falls back on asking in memory, for a condition that is nested too deeply for it.
    """
    chosen = sa.select(leads.c.id).order_by(leads.c.id)
    if among is not None:
        some = sorted(set(among))
        return [lead_id for part in rows_at_once(some) for lead_id in matching(tx, policy, name, chosen, part)]
    return matching(tx, policy, name, chosen, None)


def matching(tx: Tx, policy: Policy, name: str, chosen: sa.Select[tuple[int]], among: list[int] | None) -> list[int]:
    if among is not None:
        chosen = chosen.where(leads.c.id.in_(among))
    try:
        is_in = holds_for(tx, condition(policy.segments[name], policy).tree, policy)
    except NotInSql:
        return in_memory(tx, policy, name, tx.run(chosen).scalars())
    return list(tx.run(chosen.where(is_in)).scalars())


def in_memory(tx: Tx, policy: Policy, name: str, lead_ids: Iterable[int]) -> list[int]:
    asked, found = condition(policy.segments[name], policy), []
    for some in rows_at_once(list(lead_ids)):
        facts = facts_under(tx, load_leads(tx, some), policy, event_types=asked.uses_events)
        found += [lead_id for lead_id in some if asked.holds(facts[lead_id])]
    return found


def every_lead(tx: Tx) -> Iterator[list[int]]:
    """The ids of all leads, some at a time."""
    last = 0
    while some := next_leads(tx, last):
        yield some
        last = some[-1]


def next_leads(tx: Tx, after: int) -> list[int]:
    return list(tx.run(sa.select(leads.c.id).where(leads.c.id > after).order_by(leads.c.id).limit(MOST_VALUES)).scalars())
