"""Live passages, and writing the touch that each comes to next. Whole batches at a time.

Before: `engine.schedule.next_step` says what comes next. After: `engine.schedule.progress` and `engine.schedule.enrol` bring
passages here that stand between two steps. No step of a passage is ever taken twice.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from engine.compiler.plan import EmailStep, Policy
from engine.database import Tx
from engine.prepared import Prepared, PreparedInsert
from engine.schedule.beyond import is_mail
from engine.schedule.courses import days_off_of, zone_of
from engine.schedule.late import WORTH_NOTING
from engine.schedule.next_step import Course, Ended, Next, Passage, Took, next_step, way_taken
from engine.schema import enrolments, leads, touches
from engine.sql import insert, rows_at_once
from engine.vocabulary import LIVE_ENROLMENT, EnrolmentState, Reason, TouchState


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A live passage between two steps: all that says what comes next. `ended` None: it has not begun.

    `late_by`: by our own fault. `taken`: steps that it had before it moved to this version, and how they went.
    """

    enrolment_id: int
    number: int  # of the passage: 1, 2, …
    course: Course
    passage: Passage
    is_suspended: bool
    ended: Ended | None
    late_by: timedelta = timedelta(0)
    taken: Mapping[str, Took] = field(default_factory=dict)


Coming = tuple[Standing, Next]  # a passage, and where it goes
PASSAGE_COLUMNS = (
    enrolments.c.id.label("enrolment_id"), enrolments.c.lead_id, enrolments.c.version_id, enrolments.c.passage,
    enrolments.c.state.label("enrolment_state"), enrolments.c.anchor_at, enrolments.c.shift_days, leads.c.zone,
    sa.cast(leads.c.fields, sa.Text).label("lead_fields"),  # as text: they are read only where holidays depend on them
)  # fmt: skip
TOUCH_COLUMNS = (
    touches.c.id, touches.c.step_id, touches.c.planned_on, touches.c.created_at, touches.c.due_at, touches.c.late_by,
)  # fmt: skip
TOUCHES_WITH_PASSAGES = (
    sa.select(*TOUCH_COLUMNS, *PASSAGE_COLUMNS)
    .join_from(touches, enrolments, enrolments.c.id == touches.c.enrolment_id)
    .join(leads, leads.c.id == enrolments.c.lead_id)
    .order_by(enrolments.c.id)
    .with_for_update(of=enrolments)  # on PostgreSQL, who ends a passage and who moves it on wait for each other
)
NEW_TOUCHES = PreparedInsert(
    touches,
    ("enrolment_id", "step_id", "state", "due_at", "epoch", "claims", "reason", "late_by", "planned_on", "created_at"),
    unless=("enrolment_id", "step_id"),
)


DONE = Prepared(
    sa.select(touches.c.enrolment_id, touches.c.step_id, touches.c.ended_at).where(
        touches.c.enrolment_id.in_(sa.bindparam("ids", expanding=True)),
        sa.or_(touches.c.state == TouchState.DONE, touches.c.reason == Reason.SHADOW),
    )
)


class TouchRow(NamedTuple):
    """A touch with its passage, as `TOUCHES_WITH_PASSAGES` selects it; a plain tuple, since there are many."""

    id: int
    step_id: str
    planned_on: date
    created_at: datetime
    due_at: datetime | None
    late_by: int  # seconds
    enrolment_id: int
    lead_id: int
    version_id: int
    passage: int
    enrolment_state: str
    anchor_at: datetime
    shift_days: int
    zone: str | None
    lead_fields: str  # JSON


Row = TouchRow | sa.Row[Any]


def passage_of(row: Row, course: Course, policy: Policy) -> Passage:
    """From a row with `PASSAGE_COLUMNS`."""
    zone = zone_of(row.zone, course.plan.brand, policy)
    days_off = days_off_of(row.lead_fields, course.plan, policy)
    return Passage(anchor_at=row.anchor_at, shift_days=row.shift_days, zone=zone, days_off=days_off)


def standing_of(row: Row, course: Course, policy: Policy, ended: Ended | None, late_by: timedelta = timedelta(0)) -> Standing:
    """From a row with `PASSAGE_COLUMNS`."""
    return Standing(
        enrolment_id=row.enrolment_id,
        number=row.passage,
        course=course,
        passage=passage_of(row, course, policy),
        is_suspended=row.enrolment_state == EnrolmentState.SUSPENDED,
        ended=ended,
        late_by=late_by,
    )


def begin_next(tx: Tx, standing: Sequence[Standing]) -> None:
    """Write each passage's next touch, or finish the passage."""
    write_next(tx, find_next(tx, standing))


def find_next(tx: Tx, standing: Sequence[Standing]) -> list[Coming]:
    """Where each passage goes next. Nothing is written."""
    repeated = sent_before(tx, standing)
    return [
        (each, next_step(each.course, each.passage, each.ended, now=tx.now, taken=each.taken,
                         sent_before=repeated.get(each.enrolment_id, frozenset())))
        for each in standing
    ]  # fmt: skip


def write_next(tx: Tx, found: Sequence[Coming]) -> None:
    """A passage that moved to another version may come to a step that it already had: that row is there, nothing is written, and
    it is asked again with all that it had in mind.
    """
    while found:
        write_passed(tx, found)
        finish(tx, [each.enrolment_id for each, coming in found if coming.step is None])
        again = write_touches(tx, [(each, coming) for each, coming in found if coming.step is not None])
        found = find_next(tx, again)


def sent_before(tx: Tx, standing: Sequence[Standing]) -> dict[int, frozenset[str]]:
    """For each enrolment the steps done in earlier passages of the same lead and cadence, where they are not to repeat."""
    return done_in_earlier_passages(
        tx, {each.enrolment_id for each in standing if each.number > 1 and not each.course.plan.repeat}
    )


def done_in_earlier_passages(tx: Tx, enrolment_ids: Collection[int]) -> dict[int, frozenset[str]]:
    """The steps that the leads of these enrolments had done in the same cadence before; nothing for who had none."""
    steps: dict[int, set[str]] = {}
    for some in rows_at_once(enrolment_ids):
        for row in tx.run(DONE_BEFORE, {"ids": some}):
            steps.setdefault(row.id, set()).add(row.step_id)
    return {enrolment_id: frozenset(found) for enrolment_id, found in steps.items()}


EARLIER, THIS = enrolments.alias("earlier"), enrolments.alias("this")
DONE_BEFORE = (
    sa.select(THIS.c.id, touches.c.step_id)
    .join(EARLIER, sa.and_(EARLIER.c.lead_id == THIS.c.lead_id, EARLIER.c.cadence == THIS.c.cadence))
    .join(touches, touches.c.enrolment_id == EARLIER.c.id)
    .where(
        THIS.c.id.in_(sa.bindparam("ids", expanding=True)),
        EARLIER.c.passage < THIS.c.passage,
        touches.c.state == TouchState.DONE,
    )
)


def write_passed(tx: Tx, found: Sequence[Coming]) -> None:
    """A row for each step left out, so that every step that was not sent has its reason."""
    rows = [
        {
            "enrolment_id": each.enrolment_id, "step_id": step_id, "state": TouchState.SKIPPED.value,
            "reason": Reason.SENT_BEFORE.value, "planned_on": on, "created_at": tx.now, "ended_at": tx.now,
        }
        for each, coming in found
        for step_id, on in coming.passed
    ]  # fmt: skip
    if rows:
        tx.run(insert(tx, touches).on_conflict_do_nothing(index_elements=["enrolment_id", "step_id"]), rows)


def finish(tx: Tx, enrolment_ids: Sequence[int]) -> None:
    if not enrolment_ids:
        return
    finishing = (
        sa.update(enrolments)
        .where(enrolments.c.id.in_(enrolment_ids), enrolments.c.state.in_(LIVE_ENROLMENT))
        .values(state=EnrolmentState.FINISHED, reason=Reason.END, ended_at=tx.now)
    )
    tx.run(finishing)


def write_touches(tx: Tx, found: Sequence[Coming]) -> list[Standing]:
    """Insert the touches; returns the passages that had this step before, with their steps in mind."""
    if not found:
        return []
    rows = [touch_row(each, coming, tx.now) for each, coming in found]
    added = NEW_TOUCHES.run(tx, rows)
    return [] if added == len(rows) else stuck(tx, [each for each, _coming in found])


def touch_row(each: Standing, coming: Next, now: datetime) -> tuple[object, ...]:
    """The values of `NEW_TOUCHES`."""
    assert coming.step is not None and coming.planned is not None
    late_by = late_again(each, coming, now) if each.late_by else 0
    due_at: datetime | None = coming.planned.due_at
    reason: str | None = None
    if late_by and isinstance(coming.step, EmailStep):  # `engine.schedule.catch_up` says when its turn is
        due_at, reason = None, Reason.CATCH_UP.value
    if each.is_suspended:
        due_at, reason = None, None
    return (each.enrolment_id, coming.step.id, "waiting", due_at, 0, 0, reason, late_by, coming.planned.on, now)


def late_again(each: Standing, coming: Next, now: datetime) -> int:
    """By how many seconds the step that comes is due later than it would be, had the one before it not been late."""
    assert each.ended is not None and coming.planned is not None
    then = now - each.late_by
    mailed_at = None if each.ended.mailed_at is None else min(each.ended.mailed_at, then)
    ended = replace(each.ended, at=then, mailed_at=mailed_at)
    passed = frozenset(step_id for step_id, _on in coming.passed)
    on_time = next_step(each.course, each.passage, ended, now=then, taken=each.taken, sent_before=passed)
    if on_time.planned is None or on_time.step != coming.step:
        return 0
    late = coming.planned.due_at - on_time.planned.due_at
    return int(late.total_seconds()) if late >= WORTH_NOTING else 0


def stuck(tx: Tx, standing: Sequence[Standing]) -> list[Standing]:
    """Those that got no touch, with the steps that they already had."""
    chosen = sa.select(touches.c.enrolment_id, touches.c.step_id, touches.c.ended_at, touches.c.arm, touches.c.reason).where(
        touches.c.enrolment_id.in_([each.enrolment_id for each in standing])
    )
    steps: dict[int, dict[str, Took]] = {}
    is_open: set[int] = set()
    for row in tx.run(chosen):
        steps.setdefault(row.enrolment_id, {})[row.step_id] = way_taken(row.reason, row.arm)
        if row.ended_at is None:
            is_open.add(row.enrolment_id)
    return [replace(each, taken=steps[each.enrolment_id]) for each in standing if each.enrolment_id not in is_open]


def last_mailed(tx: Tx, courses: Mapping[int, Course]) -> dict[int, datetime]:
    """When each of these enrolments last sent a mail; one that never did is missing."""
    found: dict[int, datetime] = {}
    for some in rows_at_once(courses):
        for row in DONE.rows(tx, ids=some):
            if is_mail(tx, courses[row.enrolment_id], row.step_id):
                found[row.enrolment_id] = max(row.ended_at, found.get(row.enrolment_id, row.ended_at))
    return found


def load_waiting(tx: Tx, enrolment_ids: Collection[int]) -> list[TouchRow]:
    """Open touches that nobody works on, with their passages."""
    waiting = sa.and_(enrolments.c.id.in_(enrolment_ids), touches.c.state == TouchState.WAITING)
    return [TouchRow._make(row) for row in tx.run(TOUCHES_WITH_PASSAGES.where(waiting))]
