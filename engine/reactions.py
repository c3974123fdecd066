"""The one loop back: what follows from an event. One table, {event type: [reactions]}, and the functions it names.

Before: `engine.events` recorded the event and left a row in `reactions`. After: cadences were left or woken, the score is up to
date, a hand may be raised, a declined lead is back in nurture. A job is one transaction, and running one twice changes nothing
more; one that fails is tried again event by event (`engine.claim.set_aside`), so that a broken event harms itself alone.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from engine.claim import REACTION, Claim, begin, held, these
from engine.compiler.plan import CadencePlan, Policy
from engine.conditions import gather_facts, scope_of
from engine.database import Tx
from engine.events import STOPPING
from engine.expressions.condition import Condition
from engine.leads import load_leads
from engine.prepared import Prepared
from engine.runtime import Runtime
from engine.schedule.endings import compiled_or_none, conditions_of, way_out
from engine.schedule.entries import enter_by_event, enter_by_segment
from engine.schedule.leave import leave, resume
from engine.schedule.lock import lock_passages
from engine.schedule.wake import waits_for_something, wake_waits
from engine.schema import enrolments, events, handoffs, reactions
from engine.scoring.rescore import rescore
from engine.scoring.rules import moved_by
from engine.versions import cadence_plan, live_rules
from engine.vocabulary import (
    LIVE_ENROLMENT,
    OPEN_HANDOFF,
    EventType,
    Origin,
    ReactionState,
    Reason,
    Scope,
    topic_scope,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """An event to react to. `scope`: of what an opt-out is; None: of all that the type stops."""

    type: str
    lead_id: int
    scope: str | None
    at: datetime
    by_person: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A live enrolment of a lead to whom something happened."""

    enrolment_id: int
    version_id: int
    lead_id: int
    began_at: datetime


Reaction = Callable[[Tx, Runtime, Sequence[Observed], Sequence[Passage]], None]  # events of one type, passages of their leads


def react(runtime: Runtime, claims: Sequence[Claim]) -> None:
    """React to every claimed event that is still ours, in one transaction."""
    with runtime.database.write() as tx:
        begun = begin(tx, REACTION, claims, worker_id=runtime.worker_id)
        observed = load_observed(tx, begun)
        lock_passages(tx, {event.lead_id for event in observed})
        for event_type in dict.fromkeys(event.type for event in observed):
            of_type = [event for event in observed if event.type == event_type]
            passages = live_passages(tx, of_type)
            for reaction in REACTIONS.get(event_type, BY_DEFAULT):
                reaction(tx, runtime, of_type, passages)
        finish(tx, [claim for claim in claims if claim[0] in begun])


def load_observed(tx: Tx, reaction_ids: Collection[int]) -> list[Observed]:
    """What a person did, oldest first; of a machine's events only those that stop mail, whoever says so."""
    return [
        Observed(
            type=row.type,
            lead_id=row.lead_id,
            scope=row.data.get("scope"),
            at=row.occurred_at,
            by_person=row.origin == Origin.HUMAN,
        )
        for row in OBSERVED.rows(tx, ids=reaction_ids)
    ]


def finish(tx: Tx, ours: Sequence[Claim]) -> None:
    FINISH.run(tx, **these(ours), at=tx.now)


def stop_scope(tx: Tx, _runtime: Runtime, observed: Sequence[Observed], passages: Sequence[Passage]) -> None:
    """An opt-out ends the passages that it is about: of one topic, or all of them."""
    for passage in passages:
        of_topic = topic_scope(cadence_plan(tx, passage.version_id).topic)
        said = {event.scope for event in observed if event.lead_id == passage.lead_id}
        if said & {None, Scope.MARKETING, Scope.EVERYTHING, of_topic}:
            leave(tx, [passage.enrolment_id], reason=Reason.UNSUBSCRIBED)


def stop_everything(tx: Tx, _runtime: Runtime, observed: Sequence[Observed], passages: Sequence[Passage]) -> None:
    """The address must not be written to at all: every passage ends."""
    leave(tx, ids(passages), reason=observed[0].type)


def resume_nurture(tx: Tx, _runtime: Runtime, observed: Sequence[Observed], _passages: Sequence[Passage]) -> None:
    """Sales gave the lead back: its cadences go on where they were, unless its hand is up again by now."""
    given_back = {event.lead_id for event in observed}
    still_with_sales = sa.select(handoffs.c.lead_id).where(handoffs.c.lead_id.in_(given_back), handoffs.c.state.in_(OPEN_HANDOFF))
    resume(tx, sorted(given_back - {row.lead_id for row in tx.run(still_with_sales)}))


def end_nurture(tx: Tx, _runtime: Runtime, observed: Sequence[Observed], passages: Sequence[Passage]) -> None:
    """Sales is through with the lead: the cadences that it was in end."""
    leave(tx, ids(begun_before(observed, passages)), reason=Reason.HANDOFF)


def leave_by_event(tx: Tx, _runtime: Runtime, observed: Sequence[Observed], passages: Sequence[Passage]) -> None:
    """Leave the cadences that name this event as an exit."""
    event_type, known = observed[0].type, live_rules(tx).policy.event_schema
    for passage in begun_before(observed, passages):
        for leaving in cadence_plan(tx, passage.version_id).exits:
            if leaving.event is not None and event_type in known.counted_as(leaving.event):
                leave(tx, [passage.enrolment_id], reason=leaving.because)
                break


def count_points(tx: Tx, runtime: Runtime, observed: Sequence[Observed], _passages: Sequence[Passage]) -> None:
    """Score anew, where an event of this type may move a score."""
    rules = live_rules(tx)
    if moved_by(rules.scoring, observed[0].type, scope_of(rules.policy)):
        rescore(tx, runtime, {event.lead_id for event in observed})


def leave_by_condition(tx: Tx, _runtime: Runtime, observed: Sequence[Observed], passages: Sequence[Passage]) -> None:
    """Leave the cadences whose goal, or the condition of an exit, holds now that this has happened."""
    rules = live_rules(tx)
    plans = {version_id: cadence_plan(tx, version_id) for version_id in {passage.version_id for passage in passages}}
    watching = {version_id for version_id, plan in plans.items() if watches(plan, rules.policy, observed[0].type)}
    watched = [passage for passage in passages if passage.version_id in watching]
    people = load_leads(tx, {passage.lead_id for passage in watched})
    for topic in sorted({plans[version_id].topic for version_id in watching}):
        facts = gather_facts(tx, people, rules, topic=topic)
        for passage in watched:
            plan = plans[passage.version_id]
            way = way_out(plan, rules.policy, facts[passage.lead_id]) if plan.topic == topic else None
            if way is not None:
                leave(tx, [passage.enrolment_id], reason=way.reason, state=way.state)


def watches(plan: CadencePlan, policy: Policy, event_type: str) -> bool:
    """Whether an event of this type may have moved the goal or an exit. What time moves is seen before each touch."""
    asked = [compiled_or_none(text, policy) for text in conditions_of(plan)]
    return any(may_move(each, event_type) for each in asked if each is not None)


def may_move(asked: Condition, event_type: str) -> bool:
    """An event may also have brought points, and a form new values of fields."""
    return event_type in asked.uses_events or asked.uses_score or bool(asked.uses_fields) or not asked.uses_events


def wake(tx: Tx, _runtime: Runtime, _observed: Sequence[Observed], passages: Sequence[Passage]) -> None:
    """Whoever waits for something looks again."""
    plans = {version_id: cadence_plan(tx, version_id) for version_id in {passage.version_id for passage in passages}}
    waiting = {version_id for version_id, plan in plans.items() if any(waits_for_something(step) for step in plan.steps)}
    wake_waits(tx, {passage.lead_id for passage in passages if passage.version_id in waiting})


def come_in(tx: Tx, _runtime: Runtime, observed: Sequence[Observed], _passages: Sequence[Passage]) -> None:
    """Begin the cadences that a person's event lets in, or a segment that the lead has come to match by it."""
    people = {event.lead_id for event in observed if event.by_person}
    enter_by_event(tx, observed[0].type, people)
    enter_by_segment(tx, people, after=observed[0].type)


BY_DEFAULT: Sequence[Reaction] = (leave_by_event, count_points, leave_by_condition, come_in, wake)
REACTIONS: dict[str, Sequence[Reaction]] = {
    EventType.UNSUBSCRIBED: (stop_scope, *BY_DEFAULT),
    EventType.BOUNCED: (stop_everything, *BY_DEFAULT),
    EventType.COMPLAINED: (stop_everything, *BY_DEFAULT),
    EventType.HANDOFF_DECLINED: (resume_nurture, *BY_DEFAULT),
    EventType.HANDOFF_CLOSED: (end_nurture, *BY_DEFAULT),
}  # every other type, the workspace's own included: BY_DEFAULT


def live_passages(tx: Tx, observed: Sequence[Observed]) -> list[Passage]:
    """The live passages of the leads of these events."""
    return [
        Passage(enrolment_id=row.id, version_id=row.version_id, lead_id=row.lead_id, began_at=row.created_at)
        for row in PASSAGES.rows(tx, ids={event.lead_id for event in observed})
    ]


def begun_before(observed: Sequence[Observed], passages: Sequence[Passage]) -> list[Passage]:
    """The passages that had begun when it happened: an old order, told late, does not end a new nurture."""
    latest = {event.lead_id: event.at for event in sorted(observed, key=lambda event: event.at)}
    return [passage for passage in passages if passage.began_at <= latest[passage.lead_id]]


def ids(passages: Iterable[Passage]) -> list[int]:
    return [passage.enrolment_id for passage in passages]


OBSERVED = Prepared(
    sa.select(events.c.type, events.c.lead_id, events.c.data, events.c.occurred_at, events.c.origin)
    .join(reactions, reactions.c.event_id == events.c.id)
    .where(
        reactions.c.id.in_(sa.bindparam("ids", expanding=True)),
        events.c.lead_id.is_not(None),
        sa.or_(events.c.origin == Origin.HUMAN, events.c.type.in_(STOPPING)),
    )
    .order_by(events.c.id)
)
PASSAGES = Prepared(
    sa.select(enrolments.c.id, enrolments.c.version_id, enrolments.c.lead_id, enrolments.c.created_at)
    .where(enrolments.c.lead_id.in_(sa.bindparam("ids", expanding=True)), enrolments.c.state.in_(LIVE_ENROLMENT))
    .order_by(enrolments.c.id)
)
FINISH = Prepared(
    sa.update(reactions).where(held(reactions)).values(state=ReactionState.DONE, ended_at=sa.bindparam("at"), worker_id=None)
)
