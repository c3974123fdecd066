"""Enrolling leads in a cadence: who may not is left out with the reason, everyone else gets a passage and its first touch.

Before: a person, a form or a segment names the leads. After: the dispatcher claims the first touches when they are due.
Works on a thousand leads a statement, so a hundred thousand are a matter of seconds.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from engine.compiler.plan import Policy
from engine.database import Tx
from engine.errors import UsageError
from engine.leads import consents_of, lock_leads
from engine.pauses import cadence_stands_still
from engine.prepared import Prepared, PreparedInsert
from engine.schedule.courses import course, days_off_of, zone_of
from engine.schedule.leave import stand_still, suspend
from engine.schedule.next_step import Course, Passage
from engine.schedule.passages import Standing, begin_next
from engine.schedule.timing import first_instant
from engine.schema import cadences, enrolments, handoffs, leads, refusals, suppressions
from engine.sql import plan_anew, rows_at_once
from engine.versions import current_version, live_rules
from engine.vocabulary import LIVE_ENROLMENT, OPEN_HANDOFF, Consent, EnrolmentState, NotEnrolled, Scope, topic_scope

BY_HAND = "hand"
MANY = 100
UNTOLD = (NotEnrolled.NO_LEAD, NotEnrolled.INSIDE)  # there is nobody to tell it of, or it shows by itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """How many got a passage, and how many did not, by reason; `refused`: which leads these are."""

    enrolled: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    refused: Mapping[int, NotEnrolled] = field(default_factory=dict, compare=False, repr=False)


def enrol_leads(
    tx: Tx,
    cadence: str,
    lead_ids: Collection[int],
    *,
    anchor_at: datetime | None = None,
    anchor_on: date | None = None,
    again: bool = False,
    by: str = BY_HAND,
) -> Enrolled:
    """Begin a passage for each lead, counted from `anchor_at` or from `anchor_on` in each lead's own zone, else from now.

    Who has been through the cadence is left out unless its `reentry` allows it by now, or `again` is said. What asked for
    the passage is kept (`by`), and so is why somebody was left out. Safe to repeat: who is inside already is left out. Raises
    UsageError when there is no such cadence now.
    """
    version_id = current_version(tx, cadence)
    if version_id is None:
        raise UsageError(no_such_cadence(tx, cadence))
    if len(lead_ids) >= MANY:
        plan_anew(tx)
    begun, refused = 0, dict[int, NotEnrolled]()
    for some in rows_at_once(sorted(set(lead_ids))):
        way = course(tx, version_id)
        lock_leads(tx, some)
        fit, unfit = sorted_out(tx, way, some, again=again)
        begun += begin(tx, version_id, fit, by, anchor_at=anchor_at, anchor_on=anchor_on)
        note_refusals(tx, cadence, unfit, by)
        refused |= unfit
    return Enrolled(enrolled=begun, left_out=dict(Counter(refused.values())), refused=refused)


def no_such_cadence(tx: Tx, cadence: str) -> str:
    live = sa.select(cadences.c.name).where(cadences.c.version_id.is_not(None)).order_by(cadences.c.name)
    names = [str(row.name) for row in tx.run(live)]
    known = f"There are: {', '.join(names)}." if names else "None was applied yet; run `handraiser apply`."
    return f"There is no cadence {cadence!r} to enrol in. {known}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A lead and all that may speak against a passage. `passages`: how many it had in this cadence; 0: none."""

    row: Any
    is_inside: bool
    passages: int
    last_ended_at: datetime | None
    is_stopped: bool
    consent: Consent
    is_with_sales: bool


def sorted_out(tx: Tx, way: Course, lead_ids: Sequence[int], *, again: bool) -> tuple[list[Candidate], dict[int, NotEnrolled]]:
    """Those who may be enrolled, and the others with the first reason against them."""
    policy, known = live_rules(tx).policy, candidates(tx, way, lead_ids)
    fit, refused = [], {}
    for lead_id in lead_ids:
        lead = known.get(lead_id)
        reason = NotEnrolled.NO_LEAD if lead is None else objection(lead, way, policy, tx.now, again=again)
        if reason is not None:
            refused[lead_id] = reason
        elif lead is not None:
            fit.append(lead)
    return fit, refused


def candidates(tx: Tx, way: Course, lead_ids: Sequence[int]) -> dict[int, Candidate]:
    """Each table is asked once for all of them: of one great question PostgreSQL may read a whole table again for each lead."""
    topic, had = way.plan.topic, {row.lead_id: row for row in HISTORY.rows(tx, ids=lead_ids, cadence=way.plan.name)}
    rows, said = PEOPLE.rows(tx, ids=lead_ids), consents_of(tx, lead_ids, topic)
    stopped = stopped_addresses(tx, topic, [row.address_key for row in rows if row.address_key])
    with_sales = {row.lead_id for row in WITH_SALES.rows(tx, ids=lead_ids)}
    return {
        row.id: Candidate(
            row=row,
            is_inside=row.id in had and had[row.id].live > 0,
            passages=had[row.id].passages if row.id in had else 0,
            last_ended_at=had[row.id].last_ended_at if row.id in had else None,
            is_stopped=row.address_key in stopped,
            consent=said.get(row.id, Consent.UNKNOWN),
            is_with_sales=row.id in with_sales,
        )
        for row in rows
    }


def stopped_addresses(tx: Tx, topic: str, address_keys: Sequence[str]) -> set[str]:
    scopes = [Scope.EVERYTHING, Scope.MARKETING, topic_scope(topic)]
    return {row.address_key for row in STOPPED.rows(tx, keys=address_keys, scopes=scopes)} if address_keys else set()


def objection(lead: Candidate, way: Course, policy: Policy, now: datetime, *, again: bool = False) -> NotEnrolled | None:
    """The first reason against it; None: it may come in."""
    if lead.is_inside:
        return NotEnrolled.INSIDE
    if not lead.row.email or not lead.row.address_key:
        return NotEnrolled.NO_ADDRESS
    if lead.consent == Consent.REFUSED:  # which stops the address as well
        return NotEnrolled.CONSENT_REFUSED
    if lead.is_stopped:
        return NotEnrolled.SUPPRESSED
    if lead.consent == Consent.UNKNOWN and policy.unknown_consent == "hold":
        return NotEnrolled.CONSENT_UNKNOWN
    return None if again else too_soon(lead, way, policy, now)


def too_soon(lead: Candidate, way: Course, policy: Policy, now: datetime) -> NotEnrolled | None:
    """The span of `reentry` counts from the end of the last passage, in the lead's own days."""
    if not lead.passages:
        return None
    wait, ended_at = way.plan.reentry, lead.last_ended_at or now
    if wait is None or (wait and wait.after(ended_at, zone_of(lead.row.zone, way.plan.brand, policy)) > now):
        return NotEnrolled.HAD_BEFORE
    return None


def begin(
    tx: Tx, version_id: int, fit: Sequence[Candidate], by: str, *, anchor_at: datetime | None, anchor_on: date | None
) -> int:
    """Insert the passages and their first touches; returns how many. Who came in meanwhile is passed over."""
    way, policy = course(tx, version_id), live_rules(tx).policy
    begun: dict[int, tuple[Candidate, Passage]] = {}
    rows = []
    for lead in fit:
        passage = begins(lead.row, way, policy, anchor_at=anchor_at or tx.now, anchor_on=anchor_on)
        begun[lead.row.id] = (lead, passage)
        rows.append(
            (lead.row.id, way.plan.name, version_id, lead.passages + 1, by, EnrolmentState.ACTIVE, passage.anchor_at, 0, tx.now)
        )
    added = {new.lead_id: new.id for new in NEW_PASSAGES.rows(tx, rows)} if rows else {}
    begin_next(tx, [standing(enrolment_id, *begun[lead_id], way) for lead_id, enrolment_id in added.items()])
    suspend(tx, [lead.row.id for lead in fit if lead.is_with_sales])  # theirs begin when sales gives them back
    if added and cadence_stands_still(tx, way.plan.name):
        stand_still(tx, enrolments.c.id.in_(added.values()))
    return len(added)


def begins(row: Any, way: Course, policy: Policy, *, anchor_at: datetime, anchor_on: date | None) -> Passage:
    zone = zone_of(row.zone, way.plan.brand, policy)
    days_off = days_off_of(row.lead_fields, way.plan, policy)
    anchor = first_instant(anchor_on, way.plan.window.opens, zone) if anchor_on else anchor_at
    return Passage(anchor_at=anchor, shift_days=0, zone=zone, days_off=days_off)


def standing(enrolment_id: int, lead: Candidate, passage: Passage, way: Course) -> Standing:
    """A passage that has not begun."""
    number = lead.passages + 1
    return Standing(enrolment_id=enrolment_id, number=number, course=way, passage=passage, is_suspended=False, ended=None)


def note_refusals(tx: Tx, cadence: str, refused: Mapping[int, NotEnrolled], by: str) -> None:
    """Keep, for each lead and cadence, why it last did not come in."""
    rows = [(lead_id, cadence, reason, by, tx.now) for lead_id, reason in refused.items() if reason not in UNTOLD]
    if rows:
        NEW_REFUSALS.run(tx, rows)


IDS: sa.BindParameter[int] = sa.bindparam("ids", expanding=True)
PEOPLE = Prepared(
    sa.select(
        leads.c.id, leads.c.email, leads.c.address_key, leads.c.zone, sa.cast(leads.c.fields, sa.Text).label("lead_fields")
    ).where(leads.c.id.in_(IDS))
)
HISTORY = Prepared(
    sa.select(
        enrolments.c.lead_id,
        sa.func.max(enrolments.c.passage).label("passages"),
        sa.func.max(enrolments.c.ended_at).label("last_ended_at"),
        sa.func.sum(sa.case((enrolments.c.state.in_(LIVE_ENROLMENT), 1), else_=0)).label("live"),
    )
    .where(enrolments.c.lead_id.in_(IDS), enrolments.c.cadence == sa.bindparam("cadence", type_=sa.String()))
    .group_by(enrolments.c.lead_id)
)
STOPPED = Prepared(
    sa.select(suppressions.c.address_key).where(
        suppressions.c.address_key.in_(sa.bindparam("keys", expanding=True)),
        suppressions.c.scope.in_(sa.bindparam("scopes", expanding=True)),
    )
)
WITH_SALES = Prepared(sa.select(handoffs.c.lead_id).where(handoffs.c.lead_id.in_(IDS), handoffs.c.state.in_(OPEN_HANDOFF)))
NEW_PASSAGES = PreparedInsert(
    enrolments,
    ("lead_id", "cadence", "version_id", "passage", "came_by", "state", "anchor_at", "shift_days", "created_at"),
    unless=(),  # whatever stands in the way: this very passage, or another live one
    returning=("id", "lead_id"),
)
NEW_REFUSALS = PreparedInsert(
    refusals,
    ("lead_id", "cadence", "reason", "asked_by", "at"),
    unless=("lead_id", "cadence"),
    over=("reason", "asked_by", "at"),
)
