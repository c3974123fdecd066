"""How the arms of splits compare: what became of the people who drew each, from the draw on.

Before: touches keep the arm that was drawn. After: `handraiser report` and `simulate` set the arms side by side, a holdout beside
them. All arms are counted alike, by what the person did after the draw, whether or not the arm itself sent anything.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from engine.database import Tx
from engine.schema import enrolments, events, handoffs, sends, touches
from engine.vocabulary import EventType, Origin, Reason, SendState

COUNTED = {EventType.OPENED: "opened", EventType.CLICKED: "clicked", EventType.REPLIED: "replied"}
Key = tuple[str, str, str]  # cadence, split, arm


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmCount:
    """One arm of one split. `mails` were accepted; everything else counts people, each once."""

    cadence: str
    split: str
    arm: str
    is_holdout: bool
    people: int
    mails: int
    opened: int
    clicked: int
    replied: int
    raised: int  # a hand
    reached: int  # the goal

    def rate(self, number: int) -> float:
        """Of the people who drew the arm."""
        return number / self.people if self.people else 0.0


def arms(tx: Tx) -> list[ArmCount]:
    """Every arm that anybody drew, by cadence and split, in a few statements."""
    drawn = tx.run(DRAWN).all()
    counts: dict[Key, dict[str, int]] = {key_of(row): {} for row in drawn}
    for statement in (MAILS, RAISED, REACHED, HAPPENED):
        for row in tx.run(statement):
            counts[key_of(row)][COUNTED.get(row.what, row.what)] = int(row.rows)
    return [
        ArmCount(
            cadence=row.cadence, split=row.step_id, arm=row.arm, is_holdout=bool(row.held), people=int(row.people),
            **{what: counts[key_of(row)].get(what, 0) for what in WHATS},
        )
        for row in drawn
    ]  # fmt: skip


def arms_together(one: Sequence[ArmCount], other: Sequence[ArmCount]) -> list[ArmCount]:
    """The counts of different leads as one."""
    found: dict[Key, ArmCount] = {}
    for arm in (*one, *other):
        key = (arm.cadence, arm.split, arm.arm)
        found[key] = added(found[key], arm) if key in found else arm
    return [found[key] for key in sorted(found)]


def added(one: ArmCount, other: ArmCount) -> ArmCount:
    numbers = {name: getattr(one, name) + getattr(other, name) for name in ("people", *WHATS)}
    return ArmCount(**{**asdict(one), **numbers})


def arms_in_words(found: Sequence[ArmCount]) -> str:
    """A table for each split; nothing where nobody drew anything."""
    return "\n\n".join("\n".join(table(split, list(rows))) for split, rows in by_split(found).items())


def by_split(found: Sequence[ArmCount]) -> dict[tuple[str, str], list[ArmCount]]:
    splits: dict[tuple[str, str], list[ArmCount]] = {}
    for arm in found:
        splits.setdefault((arm.cadence, arm.split), []).append(arm)
    return splits


def table(split: tuple[str, str], rows: Sequence[ArmCount]) -> Iterator[str]:
    cadence, step = split
    yield f"How the arms of {step} in {cadence} compare, by what people did from the draw on"
    yield f"  {'arm':<20} {'people':>8} {'mails':>8}" + "".join(f"{what:>17}" for what in WHATS[1:])
    for arm in rows:
        name = f"{arm.arm} (holdout)" if arm.is_holdout else arm.arm
        shares = "".join(f"{number:>9,} {arm.rate(number):>6.1%}" for number in (getattr(arm, what) for what in WHATS[1:]))
        yield f"  {name:<20} {arm.people:>8,} {arm.mails:>8,}{shares}"


def arm_as_plain(arm: ArmCount) -> dict[str, Any]:
    """For a machine: the numbers, and the rates to four places."""
    return {**asdict(arm), "rates": {what: round(arm.rate(getattr(arm, what)), 4) for what in WHATS[1:]}}


def key_of(row: sa.Row[Any]) -> Key:
    return (row.cadence, row.step_id, row.arm)


WHATS = ("mails", "opened", "clicked", "replied", "raised", "reached")
SPLIT = (enrolments.c.cadence, touches.c.step_id, touches.c.arm)
HAS_DRAWN = touches.c.arm.is_not(None)
PEOPLE = sa.func.count(sa.distinct(enrolments.c.lead_id))
LATER = touches.alias("later")
DRAWN = (
    sa.select(
        *SPLIT, PEOPLE.label("people"), sa.func.max(sa.case((touches.c.reason == Reason.HOLDOUT, 1), else_=0)).label("held")
    )
    .join_from(touches, enrolments, enrolments.c.id == touches.c.enrolment_id)
    .where(HAS_DRAWN)
    .group_by(*SPLIT)
    .order_by(*SPLIT)
)
MAILS = (
    sa.select(*SPLIT, sa.literal("mails").label("what"), sa.func.count().label("rows"))
    .join_from(touches, enrolments, enrolments.c.id == touches.c.enrolment_id)
    .join(LATER, sa.and_(LATER.c.enrolment_id == touches.c.enrolment_id, LATER.c.id > touches.c.id))
    .join(sends, sends.c.touch_id == LATER.c.id)
    .where(HAS_DRAWN, sends.c.state == SendState.ACCEPTED)
    .group_by(*SPLIT)
)
HAPPENED = (
    sa.select(*SPLIT, events.c.type.label("what"), PEOPLE.label("rows"))
    .join_from(touches, enrolments, enrolments.c.id == touches.c.enrolment_id)
    .join(events, sa.and_(events.c.lead_id == enrolments.c.lead_id, events.c.occurred_at >= touches.c.ended_at))
    .where(HAS_DRAWN, events.c.type.in_(tuple(COUNTED)), events.c.origin == Origin.HUMAN)
    .group_by(*SPLIT, events.c.type)
)
RAISED = (
    sa.select(*SPLIT, sa.literal("raised").label("what"), PEOPLE.label("rows"))
    .join_from(touches, enrolments, enrolments.c.id == touches.c.enrolment_id)
    .join(handoffs, sa.and_(handoffs.c.lead_id == enrolments.c.lead_id, handoffs.c.raised_at >= touches.c.ended_at))
    .where(HAS_DRAWN)
    .group_by(*SPLIT)
)
REACHED = (
    sa.select(*SPLIT, sa.literal("reached").label("what"), PEOPLE.label("rows"))
    .join_from(touches, enrolments, enrolments.c.id == touches.c.enrolment_id)
    .where(HAS_DRAWN, enrolments.c.reason == Reason.GOAL)
    .group_by(*SPLIT)
)
