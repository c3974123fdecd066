"""Advancing: what each kind of step does when its touch is due.

    take → look → decide (one function for each kind) → carry out → deliver

Before: the dispatcher claimed the touches. After: the mails they asked for are with the wire, all others have gone on. Everything
up to the mails is one transaction, so a process that dies in it has done nothing.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar, assert_never

import sqlalchemy as sa

from engine import crash
from engine.claim import Claim, is_still
from engine.compiler.plan import (
    BranchStep,
    EmailStep,
    EnterStep,
    GoalStep,
    LeaveStep,
    RaiseStep,
    SetStep,
    SplitStep,
    TaskStep,
    WaitStep,
    WebhookStep,
)
from engine.conditions import language_of
from engine.database import Tx
from engine.deliver.batch import Batch, load_begun
from engine.deliver.compose import Begun, TouchMail, open_send_rows, send_rows_for_touches
from engine.deliver.send import deliver_begun
from engine.expressions.condition import Condition
from engine.look import Reached, look
from engine.persist import persist
from engine.posts.ask import NewPost, write_posts
from engine.prepared import Prepared
from engine.runtime import Runtime
from engine.schedule.draw import arm_named, draw, pick
from engine.schedule.endings import WayOut, compiled_or_none, holds
from engine.schedule.enter import Enters, enter_cadences
from engine.schedule.late import Verdict, days_late, judge, on_time
from engine.schedule.next_step import timeout_at
from engine.schedule.outcomes import Leaves, Waits, end_passages, put_back
from engine.schedule.passages import TouchRow
from engine.schedule.progress import EndedTouch, end_touches, move_all_that_follows
from engine.schedule.set_fields import Sets, fitting_values, set_all
from engine.schedule.tasks import NewTask, write_tasks
from engine.schedule.timing import into_window
from engine.schema import touches
from engine.scoring.handoff import AskedHand, raise_asked
from engine.scoring.notice import queue_task_notices
from engine.take import take
from engine.versions import NEWEST, Live, live_rules
from engine.vocabulary import Consent, EnrolmentState, Reason, TouchState

LOOK_AGAIN = timedelta(days=1)  # at a wait whose condition may come true without an event
LONGEST_REASON = 200


Decision = TouchMail | NewTask | EndedTouch | Waits | Leaves | Sets | AskedHand | Enters | NewPost
Kind = TypeVar("Kind")
REACHES_OTHERS = (TaskStep, WebhookStep, RaiseStep)  # what a cadence that only pretends does not do


def advance_touches(runtime: Runtime, claims: Sequence[Claim]) -> None:
    """Advance claimed touches and deliver what they send. A stale claim is dropped in silence: somebody else has it."""
    begun: list[Batch] = []
    try:
        for some in runtime.precedence.bits(claims):
            with runtime.precedence.turn(), runtime.database.write(NEWEST) as tx:
                if mails := advance(tx, runtime, some):
                    begun.append(load_begun(tx, runtime.places, mails))
                crash.point("touch-decided-before-commit")
    except Exception:  # of some bits the mails may be there, and nobody else opens them while we live
        persist(runtime.database, lambda tx: open_send_rows(tx, claims, worker_id=runtime.worker_id))
        raise
    crash.point("touch-decided-after-commit")
    deliver_begun(runtime, begun)


def advance(tx: Tx, runtime: Runtime, claims: Sequence[Claim]) -> list[Begun]:
    """Decide and carry out, but for the wire: the sends that this worker now holds."""
    rows = take(tx, claims)
    crash.point("touch-begun")
    if not rows:
        return []
    live = live_rules(tx)
    return carry_out(tx, runtime, live, [decide(live, reached) for reached in look(tx, rows, live)])


def decide(live: Live, reached: Reached) -> Decision:
    """What happens at this touch. Nothing happens while the passage stands still, and nothing more once it is over."""
    touch, step = reached.touch, reached.step
    if touch.enrolment_state == EnrolmentState.SUSPENDED:
        return Waits(touch_id=touch.id, until=None, reason=Reason.PAUSED)
    if reached.over is not None:
        return Leaves(touch_id=touch.id, enrolment_id=touch.enrolment_id, way=reached.over, reached=False)
    if reached.course.plan.shadow and isinstance(step, REACHES_OTHERS):
        return skipped(touch, Reason.SHADOW)
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
        case SplitStep():
            return take_arm(reached, step)
        case SetStep():
            return set_values(live, reached, step)
        case RaiseStep():
            return raise_hand(reached, step)
        case EnterStep():
            shadow = reached.course.plan.shadow
            return Enters(touch_id=touch.id, lead_id=touch.lead_id, cadence=step.cadence, is_shadow=shadow)
        case LeaveStep():
            way = WayOut(reason=step.because[:LONGEST_REASON], state=EnrolmentState.LEFT)
            return Leaves(touch_id=touch.id, enrolment_id=touch.enrolment_id, way=way, reached=True)
        case WebhookStep():
            return NewPost(touch_id=touch.id, lead_id=touch.lead_id, webhook=step.to, fields=step.fields)
        case None:
            return skipped(touch, Reason.REMOVED)
    assert_never(step)


def skipped(touch: TouchRow, reason: str) -> EndedTouch:
    return EndedTouch(touch_id=touch.id, state=TouchState.SKIPPED, reason=reason)


def send_email(live: Live, reached: Reached, step: EmailStep) -> Decision:
    """Caps and suppression are for the gate, which looks at the last moment."""
    touch, lead = reached.touch, reached.lead
    held = reached.consent == Consent.UNKNOWN and live.policy.unknown_consent == "hold"
    if reached.consent == Consent.REFUSED or held:
        return skipped(touch, Reason.CONSENT)
    if not lead.email or not lead.address_key:
        return skipped(touch, Reason.NO_ADDRESS)
    passage, window, late_by = reached.passage, reached.course.plan.window, timedelta(seconds=touch.late_by)
    verdict = judge(step, due_at=touch.due_at, late_by=late_by, now=reached.now, zone=passage.zone)
    if verdict == Verdict.SKIP:
        return skipped(touch, Reason.LATE)
    opening = into_window(reached.now, window, passage.zone, clock=step.timing.clock, days_off=passage.days_off)
    if opening > reached.now:  # we come late, after an outage or a backlog, and the window has closed
        return Waits(touch_id=touch.id, until=opening, reason=Reason.WINDOW)
    days = days_late(on_time(touch.due_at, late_by, reached.now), reached.now, passage.zone) if verdict == Verdict.SHIFT else 0
    plan, own = reached.course.plan, language_of(lead, live.policy)
    version = pick(step.copy, email=step.email, lead_key=lead.key, language=own, had=reached.arm)
    return TouchMail(
        touch=touch,
        lead=lead,
        topic=plan.topic,
        email=step.email,
        version=version,
        arm=version.arm if step.copy.arms else None,
        is_shadow=plan.shadow or step.shadow,
        moves_by=days,
        matching=step.collateral,
    )


def ask_rep(live: Live, reached: Reached, step: TaskStep) -> Decision:
    """Ask whom the step names, else the lead's rep, else the cadence's owner."""
    named = step.owner if step.owner in live.assignment.reps else None
    rep = named or reached.rep or reached.course.plan.owner
    zone, days_off = reached.passage.zone, reached.passage.days_off
    return NewTask(touch_id=reached.touch.id, lead=reached.lead, rep=rep, step=step, zone=zone, days_off=days_off)


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


def take_arm(reached: Reached, step: SplitStep) -> Decision:
    """The arm that the lead drew before, while there is one of that name; else a draw."""
    touch = reached.touch
    drawn = draw(step, lead_id=touch.lead_id, cadence=reached.course.plan.name)
    arm = arm_named(step, reached.arm) or drawn
    reason = Reason.HOLDOUT if arm.holdout else None
    return EndedTouch(touch_id=touch.id, state=TouchState.DONE, reason=reason, took=arm.name, arm=arm.name)


def set_values(live: Live, reached: Reached, step: SetStep) -> Decision:
    """Fields may have gone from leads.yaml, or changed their type, since the version was made."""
    values = fitting_values(step.values, live.policy.lead_schema)
    if not values:
        return skipped(reached.touch, Reason.NO_FIELD)
    return Sets(touch_id=reached.touch.id, lead_id=reached.touch.lead_id, values=values)


def raise_hand(reached: Reached, step: RaiseStep) -> Decision:
    if reached.rep is None or reached.facts is None:
        return skipped(reached.touch, Reason.NO_REP)
    return AskedHand(touch_id=reached.touch.id, lead=reached.lead, facts=reached.facts, because=step.because)


def carry_out(tx: Tx, runtime: Runtime, live: Live, decisions: Sequence[Decision]) -> list[Begun]:
    """Write all decisions of a kind at once; the sends that this worker now holds."""
    put_back(tx, of(Waits, decisions))
    end_passages(tx, of(Leaves, decisions))
    queue_task_notices(tx, runtime, live, write_tasks(tx, of(NewTask, decisions)))
    write_posts(tx, of(NewPost, decisions))
    done = of(EndedTouch, decisions)
    done += [done_with(task.touch_id) for task in of(NewTask, decisions)]
    done += [done_with(post.touch_id) for post in of(NewPost, decisions)]
    done += set_all(tx, of(Sets, decisions))
    done += raise_all(tx, runtime, live, of(AskedHand, decisions))
    done += enter_cadences(tx, of(Enters, decisions))
    end_touches(tx, done)
    return begin_sending(tx, of(TouchMail, decisions), worker_id=runtime.worker_id)


def of(kind: type[Kind], decisions: Sequence[object]) -> list[Kind]:
    return [each for each in decisions if isinstance(each, kind)]


def done_with(touch_id: int) -> EndedTouch:
    return EndedTouch(touch_id=touch_id, state=TouchState.DONE)


def raise_all(tx: Tx, runtime: Runtime, live: Live, asked: Sequence[AskedHand]) -> list[EndedTouch]:
    raised = raise_asked(tx, runtime, live, asked)
    over = EndedTouch(touch_id=0, state=TouchState.SKIPPED, reason=Reason.WITH_SALES)
    return [done_with(each.touch_id) if each.touch_id in raised else replace(over, touch_id=each.touch_id) for each in asked]


def begin_sending(tx: Tx, mails: Sequence[TouchMail], *, worker_id: str) -> list[Begun]:
    if not mails:
        return []
    BEGIN_SENDING.run(tx, ids=[mail.touch.id for mail in mails])
    move_all_that_follows(tx, {mail.touch.id: mail.moves_by for mail in mails if mail.moves_by})
    return send_rows_for_touches(tx, mails, worker_id=worker_id)


BEGIN_SENDING = Prepared(
    sa.update(touches)
    .where(touches.c.id.in_(sa.bindparam("ids", expanding=True)), is_still(touches, TouchState.CLAIMED))
    .values(state=TouchState.SENDING, reason=None, worker_id=None, lease_until=None, claims=0)
)
