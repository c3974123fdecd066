"""Who is known to match the segments by which cadences are entered, so that a lead comes in as it comes to match.

Before: `engine.schedule.apply` puts a cadence with such an entry into force, and whoever matches already is written down here
without coming in. After: `engine.schedule.entries` lets in those whom `update_memberships` finds new.
"""

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import sqlalchemy as sa

from engine.compiler.plan import CadencePlan, Entry, Policy
from engine.conditions import condition, holds_for
from engine.database import Tx
from engine.errors import ConditionError
from engine.expressions.tree import Node
from engine.prepared import PreparedInsert
from engine.schedule.segments import who_matches
from engine.schema import leads, memberships


def segments_watched(entries: Iterable[Entry]) -> list[str]:
    """The segments that let somebody in."""
    return sorted({entry.segment for entry in entries if entry.segment is not None})


def update_memberships(tx: Tx, name: str, lead_ids: Collection[int], matching: Collection[int]) -> list[int]:
    """Of these leads `matching` are in the segment now; returns those who were not before. Who ceased to match is forgotten.

    Two processes that see the same lead come in get it once: the row is inserted by one of them.
    """
    gone = sorted(set(lead_ids) - set(matching))
    if gone:
        tx.run(sa.delete(memberships).where(memberships.c.segment == name, memberships.c.lead_id.in_(gone)))
    if not matching:
        return []
    return [row.lead_id for row in NEW_MEMBERS.rows(tx, [(name, lead_id, tx.now) for lead_id in sorted(matching)])]


NEW_MEMBERS = PreparedInsert(
    memberships, ("segment", "lead_id", "since"), unless=("segment", "lead_id"), returning=("segment", "lead_id")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A segment that lets into some cadences, and what it means, all that it asks for included."""

    meaning: Node
    cadences: frozenset[str]


def watched_under(policy: Policy, plans: Iterable[CadencePlan]) -> dict[str, Watched]:
    """By name. A segment that the policy does not know, or cannot ask, is watched by nobody."""
    listening: dict[str, set[str]] = {}
    for plan in plans:
        for name in segments_watched(plan.entries):
            listening.setdefault(name, set()).add(plan.name)
    found = {}
    for name, cadences in sorted(listening.items()):
        with suppress(ConditionError):
            found[name] = Watched(meaning=condition(meaning_of(name), policy).tree, cadences=frozenset(cadences))
    return found


def meaning_of(name: str) -> str:
    return f"in_segment('{name}')"


def changed(before: Mapping[str, Watched], after: Mapping[str, Watched]) -> list[str]:
    """Segments that were watched, and now mean something else or let into another cadence."""
    return [name for name in before.keys() & after.keys() if before[name] != after[name]]


def newly_watched(before: Mapping[str, Watched], after: Mapping[str, Watched]) -> list[str]:
    """Segments that nobody watched before, or that mean something else now."""
    return [name for name, its in after.items() if name not in before or before[name].meaning != its.meaning]


def write_baseline(tx: Tx, policy: Policy, before: Mapping[str, Watched], after: Mapping[str, Watched]) -> None:
    """Write down who matches the newly watched segments at this moment; they do not come in by themselves."""
    new = newly_watched(before, after)
    tx.run(sa.delete(memberships).where(memberships.c.segment.not_in(after.keys() - set(new))))
    for name in new:
        update_memberships(tx, name, (), who_matches(tx, policy, name))


def strays(tx: Tx, policy: Policy, name: str) -> list[int]:
    """The leads that match and are not known to, or no longer match and are: what a sweep has to look at."""
    is_known = sa.exists().where(memberships.c.segment == name, memberships.c.lead_id == leads.c.id)
    matches = holds_for(tx, condition(policy.segments[name], policy).tree, policy)
    differ = sa.case((matches, 1), else_=0) != sa.case((is_known, 1), else_=0)
    return list(tx.run(sa.select(leads.c.id).where(differ).order_by(leads.c.id)).scalars())
