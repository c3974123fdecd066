"""Who it is that an edit does something to, by what it does.

Before: `engine.schedule.edited` has worked it out. After: `handraiser plan --who` names the people.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

import sqlalchemy as sa

from engine.database import Tx
from engine.schedule.changes import MailChange, MailDifference, StepMove, differences
from engine.schedule.edited import Edited, Work
from engine.schedule.positions import inside
from engine.schedule.wording import mail_in_words, move_in_words
from engine.schema import enrolments
from engine.vocabulary import LIVE_ENROLMENT

KINDS = (
    "pinned", "corrected", "stays", "renamed", "sending", "removed", "had", "finishes", "lost", "gained", "twice", "earlier",
    "later",
)  # fmt: skip
PINNED = "stay on the version they are on"
CORRECTED = "get the corrected copy on the version they are on"
STAYS = "go on at {step}, where they are"


@dataclass(frozen=True, slots=True, kw_only=True)
class Consequence:
    """One thing that an edit does, and to whom."""

    cadence: str
    kind: str  # of KINDS
    step: str | None
    words: str
    lead_ids: tuple[int, ...]


def consequences(tx: Tx, work: Work, wanted: str) -> list[Consequence]:
    """All of them, or those of this kind, or about this step."""
    found = [each for edited in work.edited for each in (*pinned(tx, edited), *of_steps(edited), *of_mails(edited))]
    found += corrected(tx, work)
    return [each for each in found if not wanted or wanted in (each.kind, each.step)]


def pinned(tx: Tx, edited: Edited) -> Iterator[Consequence]:
    if edited.pinned:
        lead_ids = leads_on(tx, edited.plan.name, edited.pinned)
        yield Consequence(cadence=edited.plan.name, kind="pinned", step=None, words=PINNED, lead_ids=lead_ids)


def corrected(tx: Tx, work: Work) -> Iterator[Consequence]:
    found: dict[str, list[int]] = {}
    for each in work.corrections:
        found.setdefault(each.plan.name, []).append(each.version_id)
    for cadence, versions in found.items():
        lead_ids = leads_on(tx, cadence, versions)
        yield Consequence(cadence=cadence, kind="corrected", step=None, words=CORRECTED, lead_ids=lead_ids)


def leads_on(tx: Tx, cadence: str, versions: Collection[int]) -> tuple[int, ...]:
    chosen = sa.select(enrolments.c.lead_id).where(*inside(cadence, versions)).order_by(enrolments.c.id)
    return tuple(tx.run(chosen).scalars())


def entries_of(tx: Tx, cadence: str) -> dict[int, str]:
    """How each lead that is inside came in."""
    chosen = sa.select(enrolments.c.lead_id, enrolments.c.came_by)
    live = chosen.where(enrolments.c.cadence == cadence, enrolments.c.state.in_(LIVE_ENROLMENT))
    return {row.lead_id: row.came_by for row in tx.run(live)}


def of_steps(edited: Edited) -> Iterator[Consequence]:
    found: dict[StepMove, list[int]] = {}
    for crowd in edited.crowds:
        fate = crowd.fate
        move = StepMove(from_step=fate.from_step, to_step=fate.to_step, how=fate.how, people=0)
        found.setdefault(move, []).extend(lead_id for _id, lead_id, _touch in crowd.people)
    for move, lead_ids in found.items():
        yield Consequence(
            cadence=edited.plan.name,
            kind="finishes" if move.to_step is None else move.how,
            step=move.from_step,
            words=STAYS.format(step=move.from_step) if move.how == "stays" else move_in_words(move),
            lead_ids=tuple(lead_ids),
        )


def of_mails(edited: Edited) -> Iterator[Consequence]:
    found: dict[MailDifference, list[int]] = {}
    for crowd in edited.crowds:
        for each in differences(crowd.fate, edited.plan, edited.same[crowd.version_id]):
            by = each.by if each.how in ("earlier", "later") else each.by * 0
            found.setdefault(replace(each, by=by), []).extend(lead_id for _id, lead_id, _touch in crowd.people)
    for difference, lead_ids in found.items():
        yield Consequence(
            cadence=edited.plan.name,
            kind=difference.how,
            step=difference.step,
            words=mail_in_words(as_change(difference, lead_ids)),
            lead_ids=tuple(lead_ids),
        )


def as_change(each: MailDifference, lead_ids: Sequence[int]) -> MailChange:
    by = abs(each.by)
    return MailChange(
        step=each.step, email=each.email, how=each.how, why=each.why, people=len(lead_ids), by=(by, by, by) if by else None
    )
