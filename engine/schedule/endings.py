"""Whether a passage ends before its next step: its cadence's goal and exits.

Before: `engine.advance` comes to a touch. After: `engine.schedule.leave` ends the passage. `engine.reactions` ends passages at
the event itself; here is seen what time or a changed lead brought about, and what nobody has reacted to yet.
"""

import logging
from collections.abc import Collection, Iterator, Set
from dataclasses import dataclass

import sqlalchemy as sa

from engine.claim import in_state
from engine.compiler.plan import CadencePlan, Policy
from engine.conditions import condition
from engine.database import Tx
from engine.errors import ConditionError
from engine.expressions.condition import Condition
from engine.expressions.facts import Facts
from engine.prepared import Prepared
from engine.schedule.leave import Ending
from engine.schema import events, reactions
from engine.vocabulary import EnrolmentState, Origin, ReactionState, Reason

NOTHING: frozenset[str] = frozenset()

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class WayOut:
    """Why a passage ends, and whether that is its success."""

    reason: str
    state: Ending


def way_out(plan: CadencePlan, policy: Policy, facts: Facts | None, pending: Set[str] = NOTHING) -> WayOut | None:
    """How the passage ends now; None: it goes on.

    `facts` may be None where `conditions_of` has none. `pending`: types of the lead's events that nobody has reacted to yet.
    """
    if plan.goal and holds(plan.goal, policy, facts):
        return WayOut(reason=Reason.GOAL, state=EnrolmentState.FINISHED)
    for leaving in plan.exits:
        by_event = bool(pending and leaving.event and pending & {*policy.event_schema.counted_as(leaving.event)})
        if by_event or (leaving.condition is not None and holds(leaving.condition, policy, facts)):
            return WayOut(reason=leaving.because, state=EnrolmentState.LEFT)
    return None


def conditions_of(plan: CadencePlan) -> Iterator[str]:
    """What has to be asked before each touch of this cadence."""
    if plan.goal:
        yield plan.goal
    yield from (leaving.condition for leaving in plan.exits if leaving.condition)


def holds(text: str, policy: Policy, facts: Facts | None) -> bool:
    """A condition that the live fields and segments no longer know (its version is older than they) does not hold."""
    compiled = compiled_or_none(text, policy)
    return compiled is not None and facts is not None and compiled.holds(facts)


def compiled_or_none(text: str, policy: Policy) -> Condition | None:
    try:
        return condition(text, policy)
    except ConditionError as error:
        log.warning("a condition of an older version cannot be asked any more", extra={"facts": {"why": str(error)}})
        return None


def pending_exits(tx: Tx, plans: Collection[CadencePlan], policy: Policy, lead_ids: Collection[int]) -> dict[int, set[str]]:
    """For each lead the types of its events that are exits of these cadences and that nobody has reacted to yet."""
    names = {leaving.event for plan in plans for leaving in plan.exits if leaving.event}
    types = {kind for name in names for kind in policy.event_schema.counted_as(name)}
    if not types:
        return {}
    found: dict[int, set[str]] = {}
    for statement in PENDING:
        for row in statement.rows(tx, ids=lead_ids, types=sorted(types)):
            found.setdefault(row.lead_id, set()).add(row.type)
    return found


PENDING = [
    Prepared(
        sa.select(events.c.lead_id, events.c.type)
        .join_from(reactions, events, events.c.id == reactions.c.event_id)
        .where(
            in_state(reactions, state),
            events.c.lead_id.in_(sa.bindparam("ids", expanding=True)),
            events.c.type.in_(sa.bindparam("types", expanding=True)),
            events.c.origin == Origin.HUMAN,
        )
    )
    for state in (ReactionState.WAITING, ReactionState.CLAIMED)
]
