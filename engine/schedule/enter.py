"""Steps that begin another cadence with the lead: who could not be enrolled there has the reason on the step.

Before: `engine.advance` comes to such steps. After: `engine.schedule.enrol` has begun passages, and the touches here end. The
caller commits.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.database import Tx
from engine.schedule.enrol import enrol_leads
from engine.schedule.progress import EndedTouch
from engine.versions import cadence_plan, current_version
from engine.vocabulary import Reason, TouchState

BY_A_STEP = "step"


@dataclass(frozen=True, slots=True, kw_only=True)
class Enters:
    """The touch begins `cadence` with its lead. `is_shadow`: out of a cadence that only pretends."""

    touch_id: int
    lead_id: int
    cadence: str
    is_shadow: bool


def enter_cadences(tx: Tx, asked: Sequence[Enters]) -> list[EndedTouch]:
    """Enrol, and say of each touch how it ends."""
    ended = []
    for cadence, is_shadow in dict.fromkeys((each.cadence, each.is_shadow) for each in asked):
        some = [each for each in asked if (each.cadence, each.is_shadow) == (cadence, is_shadow)]
        refused = refused_by(tx, cadence, sorted({each.lead_id for each in some}), from_shadow=is_shadow)
        ended += [ended_touch(each, refused.get(each.lead_id)) for each in some]
    return ended


def refused_by(tx: Tx, cadence: str, lead_ids: Sequence[int], *, from_shadow: bool) -> dict[int, str]:
    """Enrol these leads; {lead id: why not} of those that stay out. What pretends begins nothing that does not."""
    version_id = current_version(tx, cadence)
    if version_id is None:
        return dict.fromkeys(lead_ids, Reason.NO_CADENCE)
    if from_shadow and not cadence_plan(tx, version_id).shadow:
        return dict.fromkeys(lead_ids, Reason.SHADOW)
    return dict(enrol_leads(tx, cadence, lead_ids, by=BY_A_STEP).refused)


def ended_touch(each: Enters, refusal: str | None) -> EndedTouch:
    if refusal is None:
        return EndedTouch(touch_id=each.touch_id, state=TouchState.DONE)
    return EndedTouch(touch_id=each.touch_id, state=TouchState.SKIPPED, reason=refusal)
