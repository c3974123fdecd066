"""Why a lead last stayed out of cadences that it has not come into since, in words.

Before: `engine.schedule.enrol` noted the refusals. After: `engine.cli.lead_story`.
"""

from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from engine.database import Tx
from engine.leads import Lead
from engine.schedule.refused import CAME_IN_SINCE
from engine.schema import refusals
from engine.story.steps import at
from engine.vocabulary import NotEnrolled

Row = sa.Row[Any]
STAYED_OUT: dict[str, str] = {
    NotEnrolled.NO_ADDRESS: "it has no email address",
    NotEnrolled.SUPPRESSED: "the address must not be written to",
    NotEnrolled.CONSENT_REFUSED: "it refused mail on this topic",
    NotEnrolled.CONSENT_UNKNOWN: "it never agreed to mail on this topic, and the workspace holds such mail back",
    NotEnrolled.HAD_BEFORE: "it had it before, and the cadence's `reentry` does not let it in again yet",
    NotEnrolled.CONDITION: "the condition beside the entry did not hold",
}


def stayed_out(tx: Tx, lead: Lead, local: ZoneInfo) -> tuple[str, ...]:
    return tuple(refusal_in_words(row, local) for row in standing_refusals(tx, lead))


def standing_refusals(tx: Tx, lead: Lead) -> Sequence[Row]:
    """Why the lead last stayed out of cadences that it has not come into since."""
    chosen = sa.select(refusals).where(refusals.c.lead_id == lead.id, ~CAME_IN_SINCE)
    return tx.run(chosen.order_by(refusals.c.at)).all()


def refusal_in_words(row: Row, local: ZoneInfo) -> str:
    kind, _colon, name = row.asked_by.partition(":")
    asked = {"event": f"at the event {name}", "segment": f"on coming into the segment {name}"}.get(kind, "when asked for")
    return f"{at(row.at, local)}  not into {row.cadence}, {asked}: {STAYED_OUT.get(row.reason, row.reason)}"
