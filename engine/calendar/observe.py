"""The odds that this installation's own history shows: which way people went at each step, and after how many mails they left.

Before: touches and enrolments that ended. After: `engine.calendar.forecast` reckons with them, where nobody stated others. A step
counts by its id in every version of its cadence.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import timedelta

import sqlalchemy as sa

from engine.calendar.odds import HANDED_OVER, REACHED, Odds, Seen, assumed, learnt, learnt_leaving
from engine.compiler.plan import CadencePlan, GoalStep, RaiseStep, Step, WaitStep
from engine.database import Tx
from engine.schedule.next_step import NEXT, way_taken
from engine.schedule.pause import WITH_SALES
from engine.schema import enrolments, touches
from engine.vocabulary import LIVE_ENROLMENT, EnrolmentState, Reason, TouchState

MOST_DELAYS = 5_000  # looked at for one wait, the newest first
NOT_LEAVING = (Reason.END.value, Reason.BY_HAND.value, Reason.ERASED.value)  # of their own will
ONE_DAY = timedelta(days=1)


def observed(tx: Tx, plans: Collection[CadencePlan]) -> Odds:
    """What was seen of these cadences; too little is nothing."""
    seen, mails = seen_at_steps(tx, plans)
    steps = {
        (plan.name, step.id): learnt(step, seen.get((plan.name, step.id), Seen(ways={}))) for plan in plans for step in plan.steps
    }
    left = leavers(tx)
    leaving = {plan.name: learnt_leaving(mails[plan.name], left.get(plan.name, {})) for plan in plans}
    return Odds(
        steps={key: found for key, found in steps.items() if found is not None},
        leaving={name: found for name, found in leaving.items() if found is not None},
    )


def seen_at_steps(tx: Tx, plans: Collection[CadencePlan]) -> tuple[dict[tuple[str, str], Seen], Counter[str]]:
    """What people did at the steps at which there is something to do; and the mails that went out, by cadence."""
    forks = {(plan.name, step.id): step for plan in plans for step in plan.steps if assumed(step) is not None}
    emails = {step.id for plan in plans for step in plan.steps if step.kind == "email"}
    asked_for = sorted({step_id for _name, step_id in forks} | emails)
    ended_here = sa.and_(enrolments.c.ended_at == touches.c.ended_at, enrolments.c.state.not_in(("active", "suspended")))
    grouped = (
        sa.select(enrolments.c.cadence, touches.c.step_id, touches.c.reason, touches.c.arm,
                  sa.case((ended_here, enrolments.c.reason), else_=None).label("ending"), sa.func.count().label("people"))
        .join_from(touches, enrolments, enrolments.c.id == touches.c.enrolment_id)
        .where(touches.c.step_id.in_(asked_for), touches.c.state == TouchState.DONE)
        .group_by(enrolments.c.cadence, touches.c.step_id, touches.c.reason, touches.c.arm, sa.text("ending"))
    )  # fmt: skip
    ways: dict[tuple[str, str], Counter[str]] = {}
    mails = Counter[str]()
    for row in tx.run(grouped):
        key = (row.cadence, row.step_id)
        if key in forks:
            ways.setdefault(key, Counter())[way_seen(forks[key], row.reason, row.arm, row.ending)] += row.people
        elif row.step_id in emails:
            mails[row.cadence] += row.people
    return {key: Seen(ways=counted, days=delays(tx, *key, forks[key])) for key, counted in ways.items()}, mails


def way_seen(step: Step, reason: str | None, arm: str | None, ending: str | None) -> str:
    match step:
        case GoalStep():
            return REACHED if ending == Reason.GOAL else NEXT
        case RaiseStep():
            return HANDED_OVER if ending == Reason.HANDOFF else NEXT
    return way_taken(reason, arm)


def delays(tx: Tx, cadence: str, step_id: str, step: Step) -> dict[int, int]:
    """For a wait the days until what it waits for happened, with the number of people."""
    if not isinstance(step, WaitStep):
        return {}
    chosen = (
        sa.select(touches.c.created_at, touches.c.ended_at)
        .join(enrolments, enrolments.c.id == touches.c.enrolment_id)
        .where(
            enrolments.c.cadence == cadence,
            touches.c.step_id == step_id,
            touches.c.state == TouchState.DONE,
            touches.c.reason.is_(None),
        )
        .order_by(touches.c.id.desc())
        .limit(MOST_DELAYS)
    )
    return dict(Counter((row.ended_at - row.created_at) // ONE_DAY for row in tx.run(chosen)))


def leavers(tx: Tx) -> Mapping[str, dict[str, int]]:
    """People who left before the end, by cadence and reason. Who stands still, for sales has them, counts as handed over.

    Passages that a step itself ended, a goal or a leave, are counted at that step.
    """
    at_a_step = sa.exists().where(
        touches.c.enrolment_id == enrolments.c.id, touches.c.ended_at == enrolments.c.ended_at, touches.c.state == TouchState.DONE
    )
    grouped = (
        sa.select(enrolments.c.cadence, enrolments.c.state, enrolments.c.reason, sa.func.count().label("people"))
        .where(sa.or_(enrolments.c.state.not_in(LIVE_ENROLMENT), STANDS_WITH_SALES), ~at_a_step)
        .where(sa.or_(enrolments.c.reason.is_(None), enrolments.c.reason.not_in(NOT_LEAVING)))
        .group_by(enrolments.c.cadence, enrolments.c.state, enrolments.c.reason)
    )
    found: dict[str, dict[str, int]] = {}
    for row in tx.run(grouped):
        reason = Reason.HANDOFF.value if row.state == EnrolmentState.SUSPENDED else row.reason or Reason.EXIT.value
        into = found.setdefault(row.cadence, {})
        into[reason] = into.get(reason, 0) + row.people
    return found


STANDS_WITH_SALES = sa.and_(enrolments.c.state == EnrolmentState.SUSPENDED, WITH_SALES)
