"""Advancing: what each kind of step does when its touch is due.

    take → look → decide (one function for each kind) → carry out → deliver

Before: the dispatcher claimed the touches. After: the mails they asked for are with the wire, all others have gone on. Everything
up to the mails is one transaction, so a process that dies in it has done nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import assert_never

import sqlalchemy as sa

from engine import crash
from engine.claim import TOUCH, Claim, begin
from engine.compiler.plan import (
    BranchStep,
    EmailStep,
    EnterStep,
    GoalStep,
    LeaveStep,
    RaiseStep,
    SetStep,
    SplitStep,
    Step,
    TaskStep,
    WaitStep,
    WebhookStep,
)
from engine.conditions import gather_facts
from engine.database import Tx
from engine.deliver.compose import TouchMail, send_rows_for_touches
from engine.deliver.send import deliver_begun
from engine.expressions.condition import Condition
from engine.expressions.facts import Facts
from engine.leads import Lead, consents_of, load_leads
from engine.runtime import Runtime
from engine.schedule.courses import course
from engine.schedule.endings import WayOut, compiled_or_none, conditions_of, holds, pending_exits, way_out
from engine.schedule.next_step import Course, Passage, timeout_at
from engine.schedule.outcomes import Leaves, Waits, end_passages, put_back
from engine.schedule.passages import TouchRow, passage_of
from engine.schedule.progress import EndedTouch, end_touches, load
from engine.schedule.tasks import NewTask, write_tasks
from engine.schedule.timing import into_window
from engine.schema import touches
from engine.scoring.assignment import assign
from engine.versions import Live, live_rules
from engine.vocabulary import Consent, EnrolmentState, Reason, TouchState

LOOK_AGAIN = timedelta(days=1)  # at a wait whose condition may come true without an event


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """A due touch with all that its step may want to know. `facts` None: nobody asks for them."""

    touch: TouchRow
    course: Course
    passage: Passage
    step: Step | None
    lead: Lead
    consent: Consent
    facts: Facts | None
    rep: str | None
    over: WayOut | None
    now: datetime


Decision = TouchMail | NewTask | EndedTouch | Waits | Leaves


def advance_touches(runtime: Runtime, claims: Sequence[Claim]) -> None:
    """Advance claimed touches and deliver what they send. A stale claim is dropped in silence: somebody else has it."""
    with runtime.database.write() as tx:
        held = advance(tx, claims, worker_id=runtime.worker_id)
        crash.point("touch-decided-before-commit")
    crash.point("touch-decided-after-commit")
    deliver_begun(runtime, held)


def advance(tx: Tx, claims: Sequence[Claim], *, worker_id: str) -> list[Claim]:
    """Decide and carry out, but for the wire: the sends that this worker now holds."""
    rows = take(tx, claims, worker_id=worker_id)
    crash.point("touch-begun")
    if not rows:
        return []
    live = live_rules(tx)
    return carry_out(tx, [decide(live, reached) for reached in look(tx, rows, live)], worker_id=worker_id)


def take(tx: Tx, claims: Sequence[Claim], *, worker_id: str) -> list[TouchRow]:
    """Enrolments are locked before touches, as everywhere, so the rows are read before they are begun."""
    rows = load(tx, [touch_id for touch_id, _epoch in claims])
    begun = begin(tx, TOUCH, claims, worker_id=worker_id)
    return [row for row in rows if row.id in begun]


def look(tx: Tx, rows: Sequence[TouchRow], live: Live) -> list[Reached]:
    """Everything the decisions look at, in a few statements for the whole batch."""
    courses = {version_id: course(tx, version_id) for version_id in {row.version_id for row in rows}}
    people = load_leads(tx, {row.lead_id for row in rows})
    pending = pending_exits(tx, [way.plan for way in courses.values()], live.policy, people)
    consents = {topic: consents_of(tx, people, topic) for topic in {way.plan.topic for way in courses.values()}}
    facts = gather(tx, rows, courses, people, live)
    reps = assign_reps(tx, rows, courses, people, facts, live)
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
                over=way_out(way.plan, live.policy, known, pending.get(row.lead_id, frozenset())),
                now=tx.now,
            )
        )
    return found


def gather(
    tx: Tx, rows: Sequence[TouchRow], courses: Mapping[int, Course], people: Mapping[int, Lead], live: Live
) -> dict[int, Facts]:
    """Facts by touch, for those whose cadence or step asks; events are read only where a condition is about them."""
    groups: dict[tuple[str, frozenset[str] | None], list[TouchRow]] = {}
    for row in rows:
        way = courses[row.version_id]
        asked = conditions_at(way, row.step_id, live)
        needs_rep = isinstance(way.steps.get(row.step_id), TaskStep)
        if asked or needs_rep:
            types = None if needs_rep else frozenset(kind for each in asked for kind in each.uses_events)
            groups.setdefault((way.plan.topic, types), []).append(row)
    found: dict[int, Facts] = {}
    for (topic, types), some in groups.items():
        theirs = {row.lead_id: people[row.lead_id] for row in some}
        facts = gather_facts(tx, theirs, live, topic=topic, event_types=types)
        found.update({row.id: facts[row.lead_id] for row in some})
    return found


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
    """Whose the leads with a task are."""
    asked = {row.lead_id: row.id for row in rows if isinstance(courses[row.version_id].steps.get(row.step_id), TaskStep)}
    if not asked:
        return {}
    theirs = {lead_id: facts[touch_id] for lead_id, touch_id in asked.items()}
    assigned = assign(tx, {lead_id: people[lead_id] for lead_id in asked}, theirs, live)
    return {lead_id: rep.key for lead_id, rep in assigned.items()}


def decide(live: Live, reached: Reached) -> Decision:
    """What happens at this touch. Nothing happens while the passage stands still, and nothing more once it is over."""
    touch, step = reached.touch, reached.step
    if touch.enrolment_state == EnrolmentState.SUSPENDED:
        return Waits(touch_id=touch.id, until=None, reason=Reason.PAUSED)
    if reached.over is not None:
        return Leaves(touch_id=touch.id, enrolment_id=touch.enrolment_id, way=reached.over, reached=False)
    match step:
        case EmailStep():
            return send_email(live, reached, step)
        case TaskStep():
            return ask_rep(live, reached, step)
        case WaitStep():
            return wait(live, reached, step)
        case BranchStep():
            return take_branch(live, reached, step)
        case GoalStep():
            return see_goal(live, reached, step)
        case SplitStep() | SetStep() | WebhookStep() | RaiseStep() | EnterStep() | LeaveStep():
            raise NotImplementedError(step.kind)  # the compiler makes none yet
        case None:
            return EndedTouch(touch_id=touch.id, state=TouchState.SKIPPED, reason=Reason.REMOVED)
    assert_never(step)


def send_email(live: Live, reached: Reached, step: EmailStep) -> Decision:
    """Caps and suppression are for the gate, which looks at the last moment."""
    touch, lead = reached.touch, reached.lead
    held = reached.consent == Consent.UNKNOWN and live.policy.unknown_consent == "hold"
    if reached.consent == Consent.REFUSED or held:
        return EndedTouch(touch_id=touch.id, state=TouchState.SKIPPED, reason=Reason.CONSENT)
    if not lead.email or not lead.address_key:
        return EndedTouch(touch_id=touch.id, state=TouchState.SKIPPED, reason=Reason.NO_ADDRESS)
    opening = into_window(reached.now, reached.course.plan.window, reached.passage.zone, clock=step.timing.clock)
    if opening > reached.now:  # we come late, after an outage or a backlog, and the window has closed
        return Waits(touch_id=touch.id, until=opening, reason=Reason.WINDOW)
    return TouchMail(touch_id=touch.id, lead=lead, topic=reached.course.plan.topic, email=step.email, artifact_hash=step.artifact)


def ask_rep(live: Live, reached: Reached, step: TaskStep) -> Decision:
    """Ask the lead's rep, or the cadence's owner where there is none."""
    rep = reached.rep or reached.course.plan.owner
    return NewTask(touch_id=reached.touch.id, lead=reached.lead, rep=rep, step=step, zone=reached.passage.zone)


def wait(live: Live, reached: Reached, step: WaitStep) -> Decision:
    """A pause is over when it is due. A wait for something ends when that holds, or at its timeout, and else goes on."""
    touch = reached.touch
    if step.condition is None:
        return EndedTouch(touch_id=touch.id, state=TouchState.DONE)
    since_it_began = None if reached.facts is None else replace(reached.facts, since=touch.created_at)
    if holds(step.condition, live.policy, since_it_began):
        return EndedTouch(touch_id=touch.id, state=TouchState.DONE, took="next")
    timeout = timeout_at(reached.course, step, reached.passage, on=touch.planned_on, created_at=touch.created_at)
    if timeout <= reached.now:
        return EndedTouch(touch_id=touch.id, state=TouchState.DONE, reason=Reason.TIMEOUT, took="otherwise")
    changes_by_itself = may_change_without_event(compiled_or_none(step.condition, live.policy))
    until = min(timeout, reached.now + LOOK_AGAIN) if changes_by_itself else timeout
    return Waits(touch_id=touch.id, until=until, reason=None)


def may_change_without_event(asked: Condition | None) -> bool:
    return asked is not None and bool(asked.uses_time or asked.uses_fields or asked.uses_score or asked.uses_consent)


def take_branch(live: Live, reached: Reached, step: BranchStep) -> Decision:
    if holds(step.condition, live.policy, reached.facts):
        return EndedTouch(touch_id=reached.touch.id, state=TouchState.DONE, took="next")
    return EndedTouch(touch_id=reached.touch.id, state=TouchState.DONE, reason=Reason.BRANCH, took="otherwise")


def see_goal(live: Live, reached: Reached, step: GoalStep) -> Decision:
    touch = reached.touch
    if step.condition is None or holds(step.condition, live.policy, reached.facts):
        way = WayOut(reason=Reason.GOAL, state=EnrolmentState.FINISHED)
        return Leaves(touch_id=touch.id, enrolment_id=touch.enrolment_id, way=way, reached=True)
    return EndedTouch(touch_id=touch.id, state=TouchState.DONE)


def carry_out(tx: Tx, decisions: Sequence[Decision], *, worker_id: str) -> list[Claim]:
    """Write all decisions of a kind at once; the sends that this worker now holds."""
    put_back(tx, [each for each in decisions if isinstance(each, Waits)])
    end_passages(tx, [each for each in decisions if isinstance(each, Leaves)])
    asked = [each for each in decisions if isinstance(each, NewTask)]
    write_tasks(tx, asked)
    done = [EndedTouch(touch_id=task.touch_id, state=TouchState.DONE) for task in asked]
    end_touches(tx, done + [each for each in decisions if isinstance(each, EndedTouch)])
    return begin_sending(tx, [each for each in decisions if isinstance(each, TouchMail)], worker_id=worker_id)


def begin_sending(tx: Tx, mails: Sequence[TouchMail], *, worker_id: str) -> list[Claim]:
    if not mails:
        return []
    tx.run(BEGIN_SENDING, {"ids": [mail.touch_id for mail in mails]})
    return send_rows_for_touches(tx, mails, worker_id=worker_id)


BEGIN_SENDING = (
    sa.update(touches)
    .where(touches.c.id.in_(sa.bindparam("ids", expanding=True)), touches.c.state == TouchState.CLAIMED)
    .values(state=TouchState.SENDING, reason=None, worker_id=None, lease_until=None, claims=0)
)
