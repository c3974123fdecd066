"""Who was refused as it came into a segment, for a reason that is gone: it agreed since, has an address, or enough time went by.

Before: `engine.schedule.enrol` kept why a lead did not come in, and the lead is still in the segment. After: a sweep has
`engine.schedule.entries` ask for it again. An edit lets in nobody by itself, neither of the cadence nor of the workspace.
"""

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from engine.compiler.plan import Policy
from engine.database import Tx
from engine.schedule.courses import course
from engine.schedule.enrol import Candidate, candidates, objection, too_soon
from engine.schedule.next_step import Course
from engine.schema import enrolments, memberships, refusals
from engine.sql import rows_at_once
from engine.versions import current_version, live_rules
from engine.vocabulary import Consent, NotEnrolled

Row = sa.Row[Any]


def no_longer_refused(tx: Tx, cadence: str, segment: str, *, among: Collection[int] | None = None) -> list[int]:
    """The leads that may come in now, or stay out for another reason by now. `among`: only of these; None: of all."""
    version_id = current_version(tx, cadence)
    noted = refused_at_edge(tx, cadence, segment, among)
    if version_id is None or not noted:
        return []
    way, policy, found = course(tx, version_id), live_rules(tx).policy, []
    for some in rows_at_once(sorted(noted)):
        for lead_id, lead in candidates(tx, way, some).items():
            reason = objection(lead, way, policy, tx.now)
            was = noted[lead_id]
            if reason != was.reason and (reason is not None or passed(was, lead, way, policy)):
                found.append(lead_id)
    return found


def refused_at_edge(tx: Tx, cadence: str, segment: str, among: Collection[int] | None) -> dict[int, Row]:
    """Why and when each was refused that has been in the segment ever since, and has not come into the cadence in another way."""
    chosen = (
        sa.select(refusals.c.lead_id, refusals.c.reason, refusals.c.at)
        .join(memberships, memberships.c.lead_id == refusals.c.lead_id)
        .where(
            refusals.c.cadence == cadence,
            refusals.c.asked_by == f"segment:{segment}",
            refusals.c.reason != NotEnrolled.CONDITION,  # which is asked at the edge alone
            memberships.c.segment == segment,
            memberships.c.since <= refusals.c.at,
            ~CAME_IN_SINCE,
        )
    )
    if among is not None:
        chosen = chosen.where(refusals.c.lead_id.in_(among))
    return {row.lead_id: row for row in tx.run(chosen)}


def passed(was: Row, lead: Candidate, way: Course, policy: Policy) -> bool:
    """Whether the lead's own doing or time has removed the reason, and not an edit."""
    if was.reason == NotEnrolled.CONSENT_UNKNOWN:
        return lead.consent == Consent.GRANTED
    if was.reason == NotEnrolled.HAD_BEFORE:
        return too_soon(lead, way, policy, was.at) is not None  # by the rules of today it would have been refused then, too
    return True


CAME_IN_SINCE = sa.exists().where(
    enrolments.c.lead_id == refusals.c.lead_id,
    enrolments.c.cadence == refusals.c.cadence,
    enrolments.c.created_at >= refusals.c.at,
)
