"""Whether a passage ends before its next step: its cadence's goal and exits.

Before: `engine.advance` comes to a touch. After: `engine.schedule.leave` ends the passage. `engine.reactions` ends passages at
the event itself; here is seen what time or a changed lead brought about, and what nobody has reacted to yet.
"""

import logging
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from engine.claim import in_state
from engine.compiler.plan import CadencePlan, Policy
from engine.conditions import condition
from engine.database import Tx
from engine.errors import ConditionError
from engine.events import STOPPING
from engine.expressions.condition import Condition
from engine.expressions.facts import Facts
from engine.prepared import Prepared
from engine.schedule.leave import Ending
from engine.schema import enrolments, events, reactions
from engine.vocabulary import EnrolmentState, Origin, ReactionState, Reason, Scope, topic_scope

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class WayOut:
    """Why a passage ends, and whether that is its success."""

    reason: str
    state: Ending


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """An event that nobody has reacted to yet. `scope`: of what an opt-out is; None: of all that the type stops."""

    type: str
    scope: str | None


def way_out(plan: CadencePlan, policy: Policy, facts: Facts | None, pending: Sequence[Pending] = ()) -> WayOut | None:
    """How the passage ends now; None: it goes on.

    `facts` may be None where `conditions_of` has none. `pending`: what `pending_events` found for the passage.
    """
    for event in pending:
        if event.type in STOPPING and stops_topic(event, plan.topic):
            return WayOut(reason=event.type, state=EnrolmentState.LEFT)
    if plan.goal and holds(plan.goal, policy, facts):
        return WayOut(reason=Reason.GOAL, state=EnrolmentState.FINISHED)
    for leaving in plan.exits:
        by_event = leaving.event and happened(policy.event_schema.counted_as(leaving.event), pending)
        if by_event or (leaving.condition is not None and holds(leaving.condition, policy, facts)):
            return WayOut(reason=leaving.because, state=EnrolmentState.LEFT)
    return None


def stops_topic(event: Pending, topic: str) -> bool:
    return event.scope in (None, Scope.MARKETING, Scope.EVERYTHING, topic_scope(topic))


def happened(types: Collection[str], pending: Sequence[Pending]) -> bool:
    return any(event.type in types for event in pending)


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


def pending_events(
    tx: Tx, plans: Collection[CadencePlan], policy: Policy, enrolment_ids: Collection[int]
) -> dict[int, list[Pending]]:
    """For each passage the events that end it, or may, and that nobody has reacted to yet.

    An exit is one only if it happened after the passage began: an old order, told late, does not end a new nurture.
    """
    names = {leaving.event for plan in plans for leaving in plan.exits if leaving.event}
    types = {kind for name in names for kind in policy.event_schema.counted_as(name)} | STOPPING.keys()
    found: dict[int, list[Pending]] = {}
    for row in PENDING.rows(tx, ids=enrolment_ids, types=sorted(types)):
        found.setdefault(row.id, []).append(Pending(type=row.type, scope=row.data.get("scope")))
    return found


def pending_in(state: ReactionState) -> sa.Select[Any]:
    return (
        sa.select(enrolments.c.id, events.c.type, events.c.data)
        .join_from(reactions, events, events.c.id == reactions.c.event_id)
        .join(enrolments, enrolments.c.lead_id == events.c.lead_id)
        .where(
            in_state(reactions, state),
            enrolments.c.id.in_(PASSAGES),
            events.c.type.in_(TYPES),
            sa.or_(
                sa.and_(events.c.origin == Origin.HUMAN, events.c.occurred_at >= enrolments.c.created_at),
                events.c.type.in_(STOPPING),
            ),
        )
    )


PASSAGES: sa.BindParameter[int] = sa.bindparam("ids", expanding=True)
TYPES: sa.BindParameter[str] = sa.bindparam("types", expanding=True)
# By state apart, since an index serves each and none serves both.
PENDING = Prepared(sa.union_all(pending_in(ReactionState.WAITING), pending_in(ReactionState.CLAIMED)))
