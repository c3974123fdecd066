"""Moving the people inside a cadence to its new version: carrying out the fates that `plan` told.

Before: `engine.schedule.apply` has worked out every crowd's fate, holds their passages and has put the version in force. After:
their next touches come from it. Whole crowds at a time, in a fixed number of statements for every thousand people.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from engine.compiler.plan import CadencePlan
from engine.database import Tx
from engine.schedule.crowds import Crowd
from engine.schedule.positions import inside
from engine.schema import enrolments, touches
from engine.sql import insert, rows_at_once
from engine.vocabulary import EnrolmentState, Reason, TouchState

NOT_WITH_MAIL = (TouchState.WAITING, TouchState.CLAIMED)


def pin(tx: Tx, version_id: int, cadence: CadencePlan, from_versions: Collection[int]) -> None:
    """Everybody on these versions goes on with this one."""
    if from_versions:
        tx.run(sa.update(enrolments).where(*inside(cadence.name, from_versions)).values(version_id=version_id))


def carry_out(tx: Tx, crowds: Sequence[Crowd]) -> None:
    """Let each crowd's touches follow its fate. The passages are pinned already, and the caller commits."""
    write_had(tx, crowds)
    redate(tx, [crowd for crowd in crowds if crowd.fate.how in ("stays", "renamed")])
    going_on = [crowd for crowd in crowds if crowd.fate.how in ("removed", "had")]
    close(tx, going_on)
    write_passed(tx, going_on)
    begin(tx, [crowd for crowd in going_on if crowd.fate.to_step is not None])
    finish(tx, [person[0] for crowd in going_on if crowd.fate.to_step is None for person in crowd.people])


def write_had(tx: Tx, crowds: Sequence[Crowd]) -> None:
    """A row for each step ahead that the passage had under another id: a step once there is never taken again."""
    add_skipped(
        tx,
        (
            (enrolment_id, step_id, Reason.SAME_MAIL, tx.now.date())
            for crowd in crowds
            for step_id in crowd.fate.blocked
            for enrolment_id, _lead_id, _touch_id in crowd.people
        ),
    )


def add_skipped(tx: Tx, skipped: Iterator[tuple[int, str, Reason, Any]]) -> None:
    rows = [
        {
            "enrolment_id": enrolment_id, "step_id": step_id, "state": TouchState.SKIPPED.value, "reason": reason.value,
            "planned_on": on, "created_at": tx.now, "ended_at": tx.now,
        }
        for enrolment_id, step_id, reason, on in skipped
    ]  # fmt: skip
    for some in rows_at_once(rows):
        tx.run(insert(tx, touches).on_conflict_do_nothing(index_elements=["enrolment_id", "step_id"]), some)


def redate(tx: Tx, crowds: Sequence[Crowd]) -> None:
    """Open touches whose step has another id or other dates now. One that was claimed is claimed again when it is due."""
    renamed = [crowd for crowd in crowds if crowd.fate.how == "renamed" and crowd.fate.planned is None]
    dated = [crowd for crowd in crowds if crowd.fate.planned is not None]
    for statement, some_crowds in ((RENAME, renamed), (REDATE, dated)):
        for some in rows_at_once([row for crowd in some_crowds for row in touch_values(crowd)]):
            tx.run(statement, some)
    hold_suspended(tx, [touch_id for crowd in dated for *_, touch_id in crowd.people])


def touch_values(crowd: Crowd) -> Iterator[dict[str, Any]]:
    planned = crowd.fate.planned
    dates = {} if planned is None else {"on_day": planned.on, "due": planned.due_at}
    return ({"row_id": touch_id, "step": crowd.fate.to_step, **dates} for *_, touch_id in crowd.people)


RENAME = (
    sa.update(touches)
    .where(touches.c.id == sa.bindparam("row_id"), touches.c.ended_at.is_(None), touches.c.state != TouchState.SENDING)
    .values(
        step_id=sa.bindparam("step"),
        state=TouchState.WAITING,
        epoch=touches.c.epoch + 1,
        worker_id=None,
        lease_until=None,
        claims=0,
    )
)
REDATE = RENAME.values(planned_on=sa.bindparam("on_day"), due_at=sa.bindparam("due"), late_by=0)


def close(tx: Tx, crowds: Sequence[Crowd]) -> None:
    reasons = {"removed": Reason.REMOVED, "had": Reason.SAME_MAIL}
    for how, reason in reasons.items():
        leaving = [touch_id for crowd in crowds if crowd.fate.how == how for *_, touch_id in crowd.people]
        for some in rows_at_once(leaving):
            tx.run(
                sa.update(touches)
                .where(touches.c.id.in_(some), touches.c.state.in_(NOT_WITH_MAIL))
                .values(
                    state=TouchState.SKIPPED,
                    reason=reason,
                    ended_at=tx.now,
                    due_at=None,
                    epoch=touches.c.epoch + 1,
                    worker_id=None,
                    lease_until=None,
                )
            )


def write_passed(tx: Tx, crowds: Sequence[Crowd]) -> None:
    """What a passage had before this one is left out, and says so."""
    add_skipped(
        tx,
        (
            (enrolment_id, step_id, Reason.SENT_BEFORE, on)
            for crowd in crowds
            for step_id, on in crowd.fate.passed
            for enrolment_id, _lead_id, _touch_id in crowd.people
        ),
    )


def begin(tx: Tx, crowds: Sequence[Crowd]) -> None:
    """The touches at the steps to which they go on."""
    rows = [
        {
            "enrolment_id": enrolment_id, "step_id": crowd.fate.to_step, "state": TouchState.WAITING.value,
            "due_at": crowd.fate.planned.due_at, "planned_on": crowd.fate.planned.on, "created_at": tx.now,
            "epoch": 0, "claims": 0,
        }
        for crowd in crowds
        if crowd.fate.planned is not None
        for enrolment_id, _lead_id, _touch_id in crowd.people
    ]  # fmt: skip
    for some in rows_at_once(rows):
        hold_suspended(tx, list(tx.run(sa.insert(touches).returning(touches.c.id), some).scalars()))


def hold_suspended(tx: Tx, touch_ids: Collection[int]) -> None:
    """What stands still has no due time; it gets one when it goes on."""
    standing = sa.select(enrolments.c.id).where(enrolments.c.state == EnrolmentState.SUSPENDED)
    for some in rows_at_once(touch_ids):
        held = sa.and_(touches.c.id.in_(some), touches.c.enrolment_id.in_(standing))
        tx.run(sa.update(touches).where(held).values(due_at=None, reason=Reason.PAUSED))


def finish(tx: Tx, enrolment_ids: Collection[int]) -> None:
    """Nothing follows in the new version."""
    for some in rows_at_once(enrolment_ids):
        tx.run(
            sa.update(enrolments)
            .where(enrolments.c.id.in_(some))
            .values(state=EnrolmentState.FINISHED, reason=Reason.REMOVED, suspended_at=None, ended_at=tx.now)
        )
