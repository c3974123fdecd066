"""What is known of due touches when they are decided: the step, the lead, what has happened, whose lead it is.

Before: `engine.advance` has begun the touches. After: it decides each of them by what is gathered here, in a few statements
for the whole batch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from engine.compiler.plan import EmailStep, RaiseStep, SplitStep, Step, TaskStep
from engine.conditions import gather_facts
from engine.database import Tx
from engine.expressions.condition import Condition
from engine.expressions.facts import Facts
from engine.leads import Lead, consents_of, load_leads
from engine.schedule.arms_had import arms_had
from engine.schedule.courses import course
from engine.schedule.endings import WayOut, compiled_or_none, conditions_of, pending_events, way_out
from engine.schedule.next_step import Course, Passage
from engine.schedule.passages import TouchRow, passage_of
from engine.schema import enrolments, touches
from engine.scoring.assignment import assign
from engine.versions import Live
from engine.vocabulary import Consent


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """A due touch with all that its step may want to know. `facts` None: nobody asks for them.

    `arm`: the one that the lead drew at this split in an earlier passage, or in which it got this email before.
    """

    touch: TouchRow
    course: Course
    passage: Passage
    step: Step | None
    lead: Lead
    consent: Consent
    facts: Facts | None
    rep: str | None
    arm: str | None
    over: WayOut | None
    now: datetime


class Wanted(NamedTuple):
    """Which facts are to be gathered. `topic`: None where consent is not among them. `event_types`: None for all."""

    topic: str | None
    event_types: frozenset[str] | None
    score: bool


def look(tx: Tx, rows: Sequence[TouchRow], live: Live) -> list[Reached]:
    """Everything the decisions look at, in a few statements for the whole batch."""
    courses = {version_id: course(tx, version_id) for version_id in {row.version_id for row in rows}}
    people = load_leads(tx, {row.lead_id for row in rows})
    pending = pending_events(tx, [way.plan for way in courses.values()], live.policy, [row.enrolment_id for row in rows])
    consents = {topic: consents_of(tx, people, topic) for topic in {way.plan.topic for way in courses.values()}}
    facts = gather(tx, rows, courses, people, live)
    reps = assign_reps(tx, rows, courses, people, facts, live)
    arms = earlier_arms(tx, rows, courses) | arms_of_mails(tx, rows, courses)
    found = []
    for row in rows:
        way = courses[row.version_id]
        known = facts.get(row.id)
        found.append(
            Reached(
                touch=row,
                course=way,
                passage=passage_of(row, way, live.policy),
                step=way.steps.get(row.step_id),
                lead=people[row.lead_id],
                consent=consents[way.plan.topic].get(row.lead_id, Consent.UNKNOWN),
                facts=known,
                rep=reps.get(row.lead_id),
                arm=arms.get(row.id),
                over=way_out(way.plan, live.policy, known, pending.get(row.enrolment_id, ())),
                now=tx.now,
            )
        )
    return found


def gather(
    tx: Tx, rows: Sequence[TouchRow], courses: Mapping[int, Course], people: Mapping[int, Lead], live: Live
) -> dict[int, Facts]:
    """Facts by touch, for those whose cadence or step asks; and only such as a condition is about."""
    at_step: dict[tuple[int, str], list[TouchRow]] = {}
    for row in rows:
        at_step.setdefault((row.version_id, row.step_id), []).append(row)
    groups: dict[Wanted, list[TouchRow]] = {}
    for (version_id, step_id), some in at_step.items():
        way = courses[version_id]
        asked = conditions_at(way, step_id, live)
        needs_rep = asks_for_rep(way.steps.get(step_id))
        if needs_rep:
            groups.setdefault(Wanted(way.plan.topic, None, True), []).extend(some)
        elif asked:
            groups.setdefault(wanted_by(asked, way.plan.topic), []).extend(some)
    found: dict[int, Facts] = {}
    for wanted, some in groups.items():
        theirs = {row.lead_id: people[row.lead_id] for row in some}
        facts = gather_facts(tx, theirs, live, topic=wanted.topic, event_types=wanted.event_types, with_score=wanted.score)
        found.update({row.id: facts[row.lead_id] for row in some})
    return found


def wanted_by(asked: Sequence[Condition], topic: str) -> Wanted:
    return Wanted(
        topic=topic if any(each.uses_consent for each in asked) else None,
        event_types=frozenset(kind for each in asked for kind in each.uses_events),
        score=any(each.uses_score for each in asked),
    )


def asks_for_rep(step: Step | None) -> bool:
    """Whether the lead's rep is to hear of it."""
    return isinstance(step, RaiseStep) or (isinstance(step, TaskStep) and step.owner is None)


def conditions_at(way: Course, step_id: str, live: Live) -> list[Condition]:
    texts = [*conditions_of(way.plan), getattr(way.steps.get(step_id), "condition", None)]
    compiled = [compiled_or_none(text, live.policy) for text in texts if text is not None]
    return [each for each in compiled if each is not None]


def assign_reps(
    tx: Tx,
    rows: Sequence[TouchRow],
    courses: Mapping[int, Course],
    people: Mapping[int, Lead],
    facts: Mapping[int, Facts],
    live: Live,
) -> dict[int, str]:
    """Whose the leads are of which a rep is to hear; nobody's, where there are no reps."""
    steps = {row.id: courses[row.version_id].steps.get(row.step_id) for row in rows}
    asked = {row.lead_id: row.id for row in rows if asks_for_rep(steps[row.id])}
    if not asked or not live.assignment.reps:
        return {}
    theirs = {lead_id: facts[touch_id] for lead_id, touch_id in asked.items()}
    assigned = assign(tx, {lead_id: people[lead_id] for lead_id in asked}, theirs, live)
    return {lead_id: rep.key for lead_id, rep in assigned.items()}


def earlier_arms(tx: Tx, rows: Sequence[TouchRow], courses: Mapping[int, Course]) -> dict[int, str]:
    """By touch, which arm the lead drew when it came to this split in an earlier passage, last."""
    again = [row.id for row in rows if row.passage > 1 and isinstance(courses[row.version_id].steps.get(row.step_id), SplitStep)]
    return {row.id: row.arm for row in tx.run(DRAWN_BEFORE, {"ids": again})} if again else {}


def arms_of_mails(tx: Tx, rows: Sequence[TouchRow], courses: Mapping[int, Course]) -> dict[int, str]:
    """By touch, the arm in which the lead got this email before; asked for emails alone that have arms."""
    steps = ((row, courses[row.version_id].steps.get(row.step_id)) for row in rows)
    asked = [(row, step.email) for row, step in steps if isinstance(step, EmailStep) and step.copy.arms]
    had = arms_had(tx, {row.lead_id for row, _ in asked}) if asked else {}
    return {row.id: arm for row, email in asked if (arm := had.get((row.lead_id, email)))}


_this, _earlier, _passage, _before = touches.alias(), touches.alias(), enrolments.alias(), enrolments.alias()
DRAWN_BEFORE = (
    sa.select(_this.c.id, _earlier.c.arm)
    .join_from(_this, _passage, _passage.c.id == _this.c.enrolment_id)
    .join(_before, sa.and_(_before.c.lead_id == _passage.c.lead_id, _before.c.cadence == _passage.c.cadence))
    .join(_earlier, sa.and_(_earlier.c.enrolment_id == _before.c.id, _earlier.c.step_id == _this.c.step_id))
    .where(_this.c.id.in_(sa.bindparam("ids", expanding=True)), _earlier.c.arm.is_not(None))
    .order_by(_before.c.passage)
)
