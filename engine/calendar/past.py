"""What the database knows of the past of people inside: the steps and the mails that they had, what stops mail to them.

Before: `engine.calendar.groups` says of whom it must be known. After: that puts people together who have it in common.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from engine.compiler.plan import CadencePlan, Caps, Policy
from engine.database import Tx
from engine.deliver.caps import LONGEST_SPAN
from engine.schedule.next_step import Took, way_taken
from engine.schema import consents, enrolments, sends, suppressions, touches
from engine.sql import rows_at_once
from engine.vocabulary import CAP_HOLDING_SEND, LIVE_ENROLMENT, Consent

TakenSteps = tuple[tuple[str, Took], ...]
Shut = tuple[tuple[str, datetime | None], ...]  # cadences that do not take somebody in: for ever (None), or before an instant


def steps_had(tx: Tx, enrolment_ids: set[int]) -> dict[int, TakenSteps]:
    """For passages that may have moved to another order of steps: those they had, and how these went."""
    found: dict[int, list[tuple[str, Took]]] = {}
    for some in rows_at_once(sorted(enrolment_ids)):
        chosen = sa.select(touches.c.enrolment_id, touches.c.step_id, touches.c.reason, touches.c.arm).where(
            touches.c.enrolment_id.in_(some), touches.c.ended_at.is_not(None)
        )
        for row in tx.run(chosen):
            found.setdefault(row.enrolment_id, []).append((row.step_id, way_taken(row.reason, row.arm)))
    return {enrolment_id: tuple(sorted(steps)) for enrolment_id, steps in found.items()}


def scopes_by_address(tx: Tx) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for row in tx.run(sa.select(suppressions.c.address_key, suppressions.c.scope)):
        found.setdefault(row.address_key, set()).add(row.scope)
    return {address_key: frozenset(scopes) for address_key, scopes in found.items()}


def consents_said(tx: Tx, topics: set[str], policy: Policy) -> Mapping[tuple[int, str], str]:
    """Refusals; and where unknown consent holds mail back, what everybody said."""
    chosen = sa.select(consents.c.lead_id, consents.c.topic, consents.c.state).where(consents.c.topic.in_(topics))
    if policy.unknown_consent != "hold":
        chosen = chosen.where(consents.c.state == Consent.REFUSED)
    return {(row.lead_id, row.topic): row.state for row in tx.run(chosen)}


def mails_had(tx: Tx, caps: Caps) -> dict[str, list[int]]:
    """The days of the last month's mails that count towards caps, by address."""
    found: dict[str, list[int]] = {}
    if caps == Caps(per_day=None, per_week=None, per_month=None):
        return found
    since = tx.now.date() - timedelta(days=LONGEST_SPAN)
    chosen = sa.select(sends.c.address_key, sends.c.cap_on).where(sends.c.cap_on > since, sends.c.state.in_(CAP_HOLDING_SEND))
    for row in tx.run(chosen):
        found.setdefault(row.address_key, []).append(row.cap_on.toordinal())
    return found


def shut_to(tx: Tx, entered_from: Mapping[str, Collection[str]], plans: Mapping[str, CadencePlan]) -> dict[int, Shut]:
    """By lead, the cadences that will not take it in when a step enters them: it is inside, or its `reentry` does not allow it.

    `entered_from`: by cadence, those whose steps enter it. Of a cadence that sends nobody the same mail twice, nothing is left.
    """
    found: dict[int, dict[str, datetime | None]] = {}
    inside = enrolments.alias("inside")
    for name, sources in entered_from.items():
        asking = sa.select(inside.c.lead_id).where(inside.c.cadence.in_(sorted(sources)), inside.c.state.in_(LIVE_ENROLMENT))
        live = sa.func.max(sa.case((enrolments.c.state.in_(LIVE_ENROLMENT), 1), else_=0)).label("live")
        had = (
            sa.select(enrolments.c.lead_id, live, sa.func.max(enrolments.c.ended_at).label("ended_at"))
            .where(enrolments.c.cadence == name, enrolments.c.lead_id.in_(asking))
            .group_by(enrolments.c.lead_id)
        )
        plan = plans.get(name)
        for row in tx.run(had):
            again = None if plan is None or row.live or not plan.repeat or row.ended_at is None else plan.reentry
            until = None if again is None else again.after(row.ended_at, ZoneInfo("UTC"))
            found.setdefault(row.lead_id, {})[name] = until
    return {lead_id: tuple(sorted(names.items())) for lead_id, names in found.items()}
