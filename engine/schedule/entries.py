"""Who comes into a cadence by itself: to whom an event happened, and who came to match a segment.

Before: `engine.reactions` has an event, or a lead has changed. After: `engine.schedule.enrol` has begun passages, or kept why
not. A segment lets in at its edge alone: `engine.schedule.memberships` knows who was in it when it was last looked at.
"""

from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass

import sqlalchemy as sa

from engine.compiler.plan import CadencePlan, Entry, Policy
from engine.conditions import facts_under
from engine.database import Tx
from engine.expressions.sql_values import NotInSql
from engine.leads import load_leads, lock_leads
from engine.prepared import Prepared
from engine.schedule.endings import compiled_or_none
from engine.schedule.enrol import enrol_leads, note_refusals
from engine.schedule.memberships import Watched, meaning_of, segments_watched, strays, update_memberships, watched_under
from engine.schedule.refused import no_longer_refused
from engine.schedule.segments import who_matches
from engine.schema import cadences
from engine.sql import rows_at_once
from engine.versions import cadence_plan, live_rules
from engine.vocabulary import EventType, NotEnrolled

OF_OUR_MAIL = frozenset({EventType.ACCEPTED, EventType.REFUSED, EventType.OPENED, EventType.CLICKED, EventType.REPLIED,
                         EventType.AUTO_REPLIED, EventType.BOUNCED, EventType.SOFT_BOUNCED, EventType.COMPLAINED,
                         EventType.UNSUBSCRIBED})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class WayIn:
    """One entry of a cadence in force."""

    plan: CadencePlan
    entry: Entry


def ways_in(tx: Tx) -> list[WayIn]:
    """Every entry of every cadence in force; asked once in a transaction. Who changes what is in force calls `forget_ways_in`."""
    known = tx.seen.get(WAYS_IN)
    if not isinstance(known, list):
        plans = [cadence_plan(tx, row.version_id) for row in IN_FORCE.rows(tx)]
        known = tx.seen[WAYS_IN] = [WayIn(plan=plan, entry=entry) for plan in plans for entry in plan.entries]
    return known


def forget_ways_in(tx: Tx) -> None:
    tx.seen.pop(WAYS_IN, None)


WAYS_IN = "ways in"  # in a transaction's `seen`
IN_FORCE = Prepared(sa.select(cadences.c.version_id).where(cadences.c.version_id.is_not(None)).order_by(cadences.c.name))


def watched_now(tx: Tx) -> dict[str, Watched]:
    """The segments that let somebody in by what is in force; none where nothing was applied yet."""
    ways = ways_in(tx)
    return watched_under(live_rules(tx).policy, {way.plan.name: way.plan for way in ways}.values()) if ways else {}


def settle(tx: Tx, names: Collection[str]) -> None:
    """Let in whoever has come to match these segments and was not seen yet, before they mean or let into something else."""
    if not names:
        return
    policy, ways = live_rules(tx).policy, ways_in(tx)
    for name in names:
        with suppress(NotInSql):
            for some in rows_at_once(strays(tx, policy, name)):
                follow(tx, name, some, ways, policy)


def enter_by_event(tx: Tx, event_type: str, lead_ids: Collection[int]) -> None:
    """Begin the cadences that an event of this type lets in, for those of these leads for whom its condition holds."""
    known = live_rules(tx).policy.event_schema
    for way in ways_in(tx):
        if way.entry.event is not None and event_type in known.counted_as(way.entry.event):
            let_in(tx, way, lead_ids, by=f"event:{event_type}")


def enter_by_segment(tx: Tx, lead_ids: Collection[int], *, after: str | None = None) -> None:
    """Look at once which of these leads, having changed, came to match a segment or ceased to, and let in those who came.

    `after`: the type of event that may have changed them; None: anything may have.
    """
    ways = ways_in(tx)
    policy = live_rules(tx).policy
    watched = [name for name in segments_watched(way.entry for way in ways) if may_move(name, policy, after)]
    for some in rows_at_once(sorted(set(lead_ids))) if watched else ():
        lock_leads(tx, some)
        for name in watched:
            follow(tx, name, some, ways, policy)


def follow(tx: Tx, name: str, lead_ids: Collection[int], ways: Collection[WayIn], policy: Policy) -> None:
    """Bring the memberships of these leads in one segment up to date; whoever came in it enters the cadences it lets into."""
    came = update_memberships(tx, name, lead_ids, who_matches(tx, policy, name, among=lead_ids))
    for way in ways:
        if way.entry.segment == name and came:
            let_in(tx, way, came, by=f"segment:{name}")


def ask_again(tx: Tx, name: str, lead_ids: Collection[int]) -> None:
    """Let in those of these leads that were refused as they came into the segment, are in it still, and may come now."""
    ways, policy = ways_in(tx), live_rules(tx).policy
    lock_leads(tx, lead_ids)
    follow(tx, name, lead_ids, ways, policy)
    for way in ways:
        if way.entry.segment == name:
            let_in(tx, way, no_longer_refused(tx, way.plan.name, name, among=lead_ids), by=f"segment:{name}")


def may_move(segment: str, policy: Policy, event_type: str | None) -> bool:
    """Whether such an event may make a lead match, or cease to: by itself, by points, or by fields that a site sent with it."""
    if event_type is None:
        return True
    asked = compiled_or_none(meaning_of(segment), policy)
    if asked is None:
        return False
    return event_type in asked.uses_events or asked.uses_score or (bool(asked.uses_fields) and event_type not in OF_OUR_MAIL)


def let_in(tx: Tx, way: WayIn, lead_ids: Collection[int], *, by: str) -> None:
    """Enrol those for whom the entry's condition holds; of the others it is kept that it did not."""
    fit = set(holding(tx, way, lead_ids))
    note_refusals(tx, way.plan.name, dict.fromkeys(sorted(set(lead_ids) - fit), NotEnrolled.CONDITION), by)
    if fit:
        enrol_leads(tx, way.plan.name, fit, by=by)


def holding(tx: Tx, way: WayIn, lead_ids: Collection[int]) -> Iterator[int]:
    policy = live_rules(tx).policy
    if way.entry.condition is None:
        yield from lead_ids
        return
    asked = compiled_or_none(way.entry.condition, policy)
    for some in rows_at_once(list(lead_ids)) if asked else ():
        assert asked is not None
        facts = facts_under(tx, load_leads(tx, some), policy, topic=way.plan.topic, event_types=asked.uses_events)
        yield from (lead_id for lead_id, known in facts.items() if asked.holds(known))
