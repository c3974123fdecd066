"""Moving passages on: touches end, and the next ones are made. Whole batches at a time.

Before: `engine.advance` and `engine.deliver.record` say which touches ended and how. After: the dispatcher claims what was made.
The caller commits.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import sqlalchemy as sa

from engine.compiler.plan import EmailStep, WaitStep
from engine.database import Tx
from engine.prepared import Prepared
from engine.schedule.beyond import beyond
from engine.schedule.courses import course
from engine.schedule.late import WORTH_NOTING
from engine.schedule.next_step import NEXT, Course, Ended, Took
from engine.schedule.passages import (
    TOUCHES_WITH_PASSAGES,
    Coming,
    Standing,
    TouchRow,
    find_next,
    last_mailed,
    standing_of,
    write_next,
)
from engine.schema import enrolments, touches
from engine.sql import rows_at_once
from engine.versions import live_rules
from engine.vocabulary import LIVE_ENROLMENT, OPEN_TOUCH, Reason, TouchState

NOT_LATE = timedelta(0)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedTouch:
    """How a touch ended; `reason` where it was skipped, `took` which way a branch, a wait or a split went.

    `arm`: which one a split drew, to be kept.
    """

    touch_id: int
    state: Literal[TouchState.DONE, TouchState.SKIPPED]
    reason: str | None = None
    took: Took = NEXT
    arm: str | None = None


CHOSEN = Prepared(
    TOUCHES_WITH_PASSAGES.where(touches.c.id.in_(sa.bindparam("touch_ids", expanding=True)), touches.c.state.in_(OPEN_TOUCH))
)
CLOSING = Prepared(
    sa.update(touches)
    .where(touches.c.id.in_(sa.bindparam("touch_ids", expanding=True)), touches.c.state.in_(OPEN_TOUCH))
    .values(
        state=sa.bindparam("to_state"),
        reason=sa.bindparam("why"),
        arm=sa.bindparam("arm"),
        ended_at=sa.bindparam("at"),
        due_at=None,
        worker_id=None,
        lease_until=None,
    )
    .returning(touches.c.id)
)


def find_coming(tx: Tx, rows: Sequence[TouchRow], how: Mapping[int, EndedTouch]) -> dict[int, Coming]:
    """By touch, where its passage goes when it ends so."""
    found = find_next(tx, standings(tx, rows, how))
    return {row.id: coming for row, coming in zip(rows, found, strict=True)}


def find_those_that_can(tx: Tx, rows: Sequence[TouchRow], how: Mapping[int, EndedTouch]) -> dict[int, Coming]:
    """The same without those that fail."""
    try:
        return find_coming(tx, rows, how)
    except sa.exc.SQLAlchemyError:
        raise
    except Exception:
        if len(rows) > 1:
            alone = [find_those_that_can(tx, [row], how) for row in rows]
            return {touch_id: coming for one in alone for touch_id, coming in one.items()}
        facts = {"enrolment": rows[0].enrolment_id, "touch": rows[0].id}
        log.exception("a passage cannot go on: no next step can be found for it", extra={"facts": facts})
        return {}


Find = Callable[[Tx, Sequence[TouchRow], Mapping[int, EndedTouch]], dict[int, Coming]]


def end_touches(tx: Tx, ended: Sequence[EndedTouch], find: Find = find_coming) -> set[int]:
    """Close these touches and go on. One that is no longer open is left as it is, so telling twice does no harm, and so is one
    whose passage `find` leaves out; the ids of these.
    """
    left: set[int] = set()
    for some in rows_at_once(ended):
        how = {touch.touch_id: touch for touch in some}
        live = [row for row in load(tx, how) if row.enrolment_state in LIVE_ENROLMENT]
        coming = find(tx, live, how)
        stuck = {row.id for row in live} - set(coming)
        closed = close(tx, [touch for touch in some if touch.touch_id not in stuck])
        write_next(tx, [coming[row.id] for row in live if row.id in closed])
        left |= stuck
    return left


def end_touches_that_can(tx: Tx, ended: Sequence[EndedTouch]) -> set[int]:
    """For what has happened already, with a mail say. A passage for which no next step can be found, by a fault of ours or of its
    dates, must not keep others from going on: it stands where it is, and the log says so. The ids of these touches.
    """
    return end_touches(tx, ended, find_those_that_can)


def move_all_that_follows(tx: Tx, days: Mapping[int, int]) -> None:
    """The mails of these touches, by id, go out so many days late, and so does all that comes after them in their passages."""
    for number in sorted(set(days.values()) - {0}):
        touch_ids = [touch_id for touch_id, late in days.items() if late == number]
        theirs = sa.select(touches.c.enrolment_id).where(touches.c.id.in_(touch_ids))
        later = {"shift_days": enrolments.c.shift_days + number}
        tx.run(sa.update(enrolments).where(enrolments.c.id.in_(theirs)).values(later))
        tx.run(sa.update(touches).where(touches.c.id.in_(touch_ids)).values(late_by=0))


def load(tx: Tx, touch_ids: Collection[int]) -> list[TouchRow]:
    """Those that are open."""
    return CHOSEN.rows(tx, touch_ids=touch_ids)


def close(tx: Tx, ended: Sequence[EndedTouch]) -> set[int]:
    """The ids of those that were open and now are not: compare-and-set, one statement for each way of ending."""
    ways: dict[tuple[str, str | None, str | None], list[int]] = {}
    for touch in ended:
        ways.setdefault((touch.state, touch.reason, touch.arm), []).append(touch.touch_id)
    closed: set[int] = set()
    for (state, reason, arm), some in ways.items():
        rows = CLOSING.rows(tx, touch_ids=some, to_state=state, why=reason, arm=arm, at=tx.now)
        closed.update(row.id for row in rows)
    return closed


def standings(tx: Tx, rows: Sequence[TouchRow], how: Mapping[int, EndedTouch]) -> list[Standing]:
    if not rows:
        return []
    policy = live_rules(tx).policy
    courses = {version_id: course(tx, version_id) for version_id in {row.version_id for row in rows}}
    ways = {row.id: way_from(tx, courses[row.version_id], row) for row in rows}
    just_mailed = {row.id for row in rows if is_mail(ways[row.id], row.step_id, how[row.id])}
    mailed = last_mailed(tx, {row.enrolment_id: ways[row.id] for row in rows if row.id not in just_mailed})
    mailed.update({row.enrolment_id: tx.now for row in rows if row.id in just_mailed})
    found = []
    for row in rows:
        ended = Ended(
            step_id=row.step_id,
            took=how[row.id].took,
            on=row.planned_on,
            at=tx.now,
            mailed_at=mailed.get(row.enrolment_id),
        )
        late_by = still_late(row, ways[row.id], tx.now) if row.late_by else NOT_LATE
        found.append(standing_of(row, ways[row.id], policy, ended, late_by))
    return found


def way_from(tx: Tx, course: Course, row: TouchRow) -> Course:
    """The passage's version, with the step in it that it is about to leave."""
    return course if row.step_id in course.steps else beyond(tx, course, row.enrolment_id, row.step_id)


def still_late(row: TouchRow, course: Course, now: datetime) -> timedelta:
    """What a touch hands on of its lateness. A wait that waited for its lead has made up for it."""
    step = course.steps.get(row.step_id)
    waited = isinstance(step, WaitStep) and step.condition is not None and now - row.created_at >= WORTH_NOTING
    return NOT_LATE if waited else timedelta(seconds=row.late_by)


def is_mail(course: Course, step_id: str, ended: EndedTouch) -> bool:
    """A mail that only pretends keeps its distance to the next one, too."""
    has_gone = ended.state == TouchState.DONE or ended.reason == Reason.SHADOW
    return has_gone and isinstance(course.steps.get(step_id), EmailStep)
