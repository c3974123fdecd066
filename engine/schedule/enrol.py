"""Enrolling leads in a cadence: who may not is left out with the reason, everyone else gets a passage and its first touch.

Before: a person, a form or a segment names the leads. After: the dispatcher claims the first touches when they are due.
Works on a thousand leads a statement, so a hundred thousand are a matter of seconds.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from engine.compiler.plan import Policy
from engine.database import Tx
from engine.errors import UsageError
from engine.leads import consents_of
from engine.schedule.courses import course, zone_of
from engine.schedule.leave import suspend
from engine.schedule.next_step import Course
from engine.schedule.passages import PASSAGE_COLUMNS, begin_next, standing_of
from engine.schedule.timing import first_instant
from engine.schema import cadences, enrolments, handoffs, leads, suppressions
from engine.sql import insert, rows_at_once
from engine.versions import current_version, live_rules
from engine.vocabulary import LIVE_ENROLMENT, OPEN_HANDOFF, Consent, EnrolmentState, NotEnrolled, Scope, topic_scope

Row = sa.Row[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """How many got a passage, and how many did not, by reason."""

    enrolled: int = 0
    left_out: dict[str, int] = field(default_factory=dict)


def enrol_leads(
    tx: Tx,
    cadence: str,
    lead_ids: Collection[int],
    *,
    anchor_at: datetime | None = None,
    anchor_on: date | None = None,
) -> Enrolled:
    """Begin a passage for each lead, counted from `anchor_at` or from `anchor_on` in each lead's own zone, else from now.

    Safe to repeat: who is inside already is left out. Raises UsageError when there is no such cadence now.
    """
    version_id = current_version(tx, cadence)
    if version_id is None:
        raise UsageError(no_such_cadence(tx, cadence))
    begun, left_out = 0, Counter[str]()
    for some in rows_at_once(dict.fromkeys(lead_ids)):
        fit = fitting(tx, course(tx, version_id), some, left_out)
        begun += begin(tx, version_id, fit, anchor_at=anchor_at, anchor_on=anchor_on)
    return Enrolled(enrolled=begun, left_out=dict(left_out))


def no_such_cadence(tx: Tx, cadence: str) -> str:
    live = sa.select(cadences.c.name).where(cadences.c.version_id.is_not(None)).order_by(cadences.c.name)
    names = [str(row.name) for row in tx.run(live)]
    known = f"There are: {', '.join(names)}." if names else "None was applied yet; run `handraiser apply`."
    return f"There is no cadence {cadence!r} to enrol in. {known}"


def fitting(tx: Tx, way: Course, lead_ids: Sequence[int], left_out: Counter[str]) -> list[Row]:
    """Those who may be enrolled; the others are counted by the first reason against them."""
    rows = {row.id: row for row in tx.run(sa.select(leads).where(leads.c.id.in_(lead_ids)))}
    policy, topic = live_rules(tx).policy, way.plan.topic
    inside = live_leads(tx, way.plan.name, lead_ids)
    stopped = stopped_addresses(tx, topic, [row.address_key for row in rows.values() if row.address_key])
    said = consents_of(tx, lead_ids, topic)
    fit = []
    for lead_id in lead_ids:
        row = rows.get(lead_id)
        reason = objection(row, inside, stopped, said.get(lead_id, Consent.UNKNOWN), policy)
        if reason is not None:
            left_out[reason] += 1
        elif row is not None:
            fit.append(row)
    return fit


def objection(row: Row | None, inside: set[int], stopped: set[str], consent: Consent, policy: Policy) -> NotEnrolled | None:
    if row is None:
        return NotEnrolled.NO_LEAD
    if row.id in inside:
        return NotEnrolled.INSIDE
    if not row.email or not row.address_key:
        return NotEnrolled.NO_ADDRESS
    if row.address_key in stopped:
        return NotEnrolled.SUPPRESSED
    if consent == Consent.REFUSED:
        return NotEnrolled.CONSENT_REFUSED
    if consent == Consent.UNKNOWN and policy.unknown_consent == "hold":
        return NotEnrolled.CONSENT_UNKNOWN
    return None


def live_leads(tx: Tx, cadence: str, lead_ids: Sequence[int]) -> set[int]:
    chosen = sa.select(enrolments.c.lead_id).where(
        enrolments.c.lead_id.in_(lead_ids),
        enrolments.c.cadence == cadence,
        enrolments.c.state.in_(LIVE_ENROLMENT),
    )
    return {row.lead_id for row in tx.run(chosen)}


def stopped_addresses(tx: Tx, topic: str, address_keys: Sequence[str]) -> set[str]:
    scopes = (Scope.EVERYTHING, Scope.MARKETING, topic_scope(topic))
    chosen = sa.select(suppressions.c.address_key).where(
        suppressions.c.address_key.in_(address_keys), suppressions.c.scope.in_(scopes)
    )
    return {row.address_key for row in tx.run(chosen)}


def begin(tx: Tx, version_id: int, fit: Sequence[Row], *, anchor_at: datetime | None, anchor_on: date | None) -> int:
    """Insert the passages and their first touches; returns how many. Who came in meanwhile is passed over."""
    if not fit:
        return 0
    way, policy = course(tx, version_id), live_rules(tx).policy
    earlier = passages_so_far(tx, way.plan.name, [row.id for row in fit])
    rows = [
        {
            "lead_id": row.id,
            "cadence": way.plan.name,
            "version_id": version_id,
            "passage": earlier.get(row.id, 0) + 1,
            "state": EnrolmentState.ACTIVE.value,
            "anchor_at": anchor_of(row, way, policy, anchor_on) if anchor_on else anchor_at or tx.now,
            "shift_days": 0,
            "created_at": tx.now,
        }
        for row in fit
    ]
    adding = insert(tx, enrolments).on_conflict_do_nothing().returning(enrolments.c.id)
    added = [row.id for row in tx.run(adding, rows)]
    begin_next(tx, [standing_of(row, way, policy, None) for row in load_new(tx, added)])
    suspend(tx, with_sales(tx, [row.id for row in fit]))
    return len(added)


def with_sales(tx: Tx, lead_ids: Sequence[int]) -> list[int]:
    """Those whom sales has at the moment: a new passage of theirs begins when sales gives them back."""
    chosen = sa.select(handoffs.c.lead_id).where(handoffs.c.lead_id.in_(lead_ids), handoffs.c.state.in_(OPEN_HANDOFF))
    return list(tx.run(chosen).scalars())


def passages_so_far(tx: Tx, cadence: str, lead_ids: Sequence[int]) -> dict[int, int]:
    chosen = (
        sa.select(enrolments.c.lead_id, sa.func.max(enrolments.c.passage).label("number"))
        .where(enrolments.c.lead_id.in_(lead_ids), enrolments.c.cadence == cadence)
        .group_by(enrolments.c.lead_id)
    )
    return {row.lead_id: int(row.number) for row in tx.run(chosen)}


def anchor_of(row: Row, way: Course, policy: Policy, day: date) -> datetime:
    return first_instant(day, way.plan.window.opens, zone_of(row.zone, way.plan.brand, policy))


def load_new(tx: Tx, enrolment_ids: Sequence[int]) -> Sequence[Row]:
    chosen = (
        sa.select(*PASSAGE_COLUMNS)
        .join(leads, leads.c.id == enrolments.c.lead_id)
        .where(enrolments.c.id.in_(enrolment_ids))
        .order_by(enrolments.c.id)
    )
    return tx.run(chosen).all()
