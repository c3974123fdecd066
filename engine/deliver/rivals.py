"""Rivals: the marketing mails that want to reach one person on one day, in the order in which they may.

Before: the gate has counted what the person got already. After: it lets the first of them through, as many as the caps have room
for, and gives the others a later day or drops them, as the workspace says under `between_cadences`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

import sqlalchemy as sa

from engine.compiler.plan import Between, CadencePlan, EmailStep, Policy
from engine.database import Tx
from engine.deliver.load import Loaded
from engine.prepared import Prepared
from engine.schedule.courses import course
from engine.schedule.timing import first_instant
from engine.schema import cadences, enrolments, leads, sends, touches
from engine.versions import cadence_plan
from engine.vocabulary import EnrolmentState, Reason, SendState, TouchState

NEVER = datetime.max.replace(tzinfo=UTC)
MIDNIGHT = time(0)
ONE_DAY = timedelta(days=1)

Rank = tuple[object, ...]  # the least goes first


@dataclass(frozen=True, slots=True, kw_only=True)
class Rival:
    """A mail that is to go out: a touch not yet begun, or a send not yet with a mail server."""

    touch_id: int
    cadence: str
    step_id: str
    address_key: str
    due_at: datetime
    rank: Rank


def ahead_of(tx: Tx, batch: Sequence[Loaded], policy: Policy) -> dict[int, int]:
    """{send id: how many mails to the same person that are due today go before it}. Those without rivals are left out."""
    plans = plans_in_force(tx)
    if not batch or not may_differ(plans, policy.between):
        return {}
    before = max(end_of_today(tx.now, send) for send in batch)
    rivals: dict[str, list[Rival]] = {}
    for rival in open_mails(tx, sorted({send.address_key for send in batch}), plans, policy, before=before):
        rivals.setdefault(rival.address_key, []).append(rival)
    found = {
        send.send_id: len(those_ahead(send.touch_id, rivals.get(send.address_key, []), before=end_of_today(tx.now, send)))
        for send in batch
    }
    return {send_id: number for send_id, number in found.items() if number}


def mails_ahead(tx: Tx, address_key: str, touch_id: int, policy: Policy, *, before: datetime) -> list[Rival]:
    """The mails to this person that are due before then and go before that of this touch, the first one first."""
    rivals = open_mails(tx, [address_key], plans_in_force(tx), policy, before=before)
    return sorted(those_ahead(touch_id, rivals, before=before), key=lambda rival: rival.rank)


def plans_in_force(tx: Tx) -> list[CadencePlan]:
    """A priority is the one that the cadence has now, for every passage of it."""
    return [cadence_plan(tx, row.version_id) for row in IN_FORCE.rows(tx)]


def may_differ(plans: Sequence[CadencePlan], between: Between) -> bool:
    """Whether any mail can go before another. Else each takes its turn as it falls due, and nothing need be looked up."""
    has_deadlines = between.first == "deadline" and any(has_deadline(step) for plan in plans for step in plan.steps)
    return has_deadlines or len({plan.priority for plan in plans}) > 1


def has_deadline(step: object) -> bool:
    return isinstance(step, EmailStep) and step.valid_for is not None


def open_mails(
    tx: Tx, address_keys: Sequence[str], plans: Sequence[CadencePlan], policy: Policy, *, before: datetime
) -> list[Rival]:
    rank, priorities = RANKS[policy.between.first], {plan.name: plan.priority for plan in plans}
    found = []
    for row in tx.run(OPEN_MAILS, {"address_keys": address_keys, "before": before, "now": tx.now}):
        way = course(tx, row.version_id)
        step = way.steps.get(row.step_id)
        if isinstance(step, EmailStep) and not (step.shadow or way.plan.shadow):
            since = row.send_created_at or row.due_at
            deadline = NEVER if step.valid_for is None else step.valid_for.after(since, UTC)
            ranked = rank(priorities.get(row.cadence, 0), deadline, since, row.id)
            due_at = row.send_due_at or row.due_at
            found.append(
                Rival(
                    touch_id=row.id, cadence=row.cadence, step_id=row.step_id, address_key=row.address_key, due_at=due_at,
                    rank=ranked,
                )
            )  # fmt: skip
    return found


def by_priority(priority: int, _deadline: datetime, since: datetime, touch_id: int) -> Rank:
    return (-priority, since, touch_id)


def by_deadline(priority: int, deadline: datetime, since: datetime, touch_id: int) -> Rank:
    return (deadline, -priority, since, touch_id)


RANKS: dict[str, Callable[[int, datetime, datetime, int], Rank]] = {"priority": by_priority, "deadline": by_deadline}


def those_ahead(touch_id: int | None, rivals: Sequence[Rival], *, before: datetime) -> list[Rival]:
    own = next((rival.rank for rival in rivals if rival.touch_id == touch_id), None)
    return [] if own is None else [rival for rival in rivals if rival.rank < own and rival.due_at < before]


def end_of_today(now: datetime, send: Loaded) -> datetime:
    return first_instant(send.local_date(now) + ONE_DAY, MIDNIGHT, send.zone)


# As long as it waits for these, a mail takes no room from another: nobody knows when it goes.
STUCK = (Reason.PAUSED, Reason.RELAY_AWAY, Reason.NO_RELAY, Reason.DOMAIN_PAUSED, Reason.WARM_UP)
IN_FORCE = Prepared(sa.select(cadences.c.version_id).where(cadences.c.version_id.is_not(None)))
WAITS = sa.and_(touches.c.state.in_((TouchState.WAITING, TouchState.CLAIMED)), touches.c.due_at < sa.bindparam("before"))
IS_WITH_THE_MAIL = sa.and_(
    touches.c.state == TouchState.SENDING,
    sends.c.state.in_((SendState.READY, SendState.CLAIMED)),
    sends.c.due_at < sa.bindparam("before"),
    sa.or_(
        sends.c.due_at <= sa.bindparam("now"),  # it keeps its reason, and may go
        sends.c.reason.is_(None),
        ~sa.or_(*(sends.c.reason == reason for reason in STUCK)),
    ),
)
OPEN_MAILS = (
    sa.select(
        touches.c.id,
        touches.c.step_id,
        touches.c.due_at,
        sends.c.due_at.label("send_due_at"),
        sends.c.created_at.label("send_created_at"),
        enrolments.c.version_id,
        enrolments.c.cadence,
        leads.c.address_key,
    )
    .join_from(leads, enrolments, enrolments.c.lead_id == leads.c.id)
    .join(touches, touches.c.enrolment_id == enrolments.c.id)
    .join(sends, sends.c.touch_id == touches.c.id, isouter=True)
    .where(
        leads.c.address_key.in_(sa.bindparam("address_keys", expanding=True)),
        enrolments.c.state == EnrolmentState.ACTIVE,
        sa.or_(WAITS, IS_WITH_THE_MAIL),
    )
)
