"""Going on from a step that the version a passage has moved to does not have: its mail was on its way when the version changed.

Before: an edit took the step away, and left what was on its way alone. After: `engine.schedule.progress` goes on from it, by the
same rule by which everybody else at a removed step went on.
"""

import sqlalchemy as sa

from engine.compiler.plan import EmailStep
from engine.database import Tx
from engine.schedule.counterparts import counterparts
from engine.schedule.courses import course
from engine.schedule.fates import Edit, course_beyond
from engine.schedule.next_step import Course
from engine.schema import cadence_versions, touches


def beyond(tx: Tx, new: Course, enrolment_id: int, step_id: str) -> Course:
    """The version with the lost step in it, leading to where this passage goes on; as it is, where no version knows the step."""
    old = newest_with(tx, new.plan.name, step_id)
    if old is None:
        return new
    taken = tx.run(sa.select(touches.c.step_id).where(touches.c.enrolment_id == enrolment_id)).scalars().all()
    return course_beyond(Edit(old=old, new=new, same=counterparts(old.plan, new.plan)), step_id, set(taken))


def is_mail(tx: Tx, way: Course, step_id: str) -> bool:
    """Whether the step is a mail in this version, or was one in the newest that has it."""
    step = way.steps.get(step_id)
    if step is None and (old := newest_with(tx, way.plan.name, step_id)) is not None:
        step = old.steps[step_id]
    return isinstance(step, EmailStep)


def newest_with(tx: Tx, cadence: str, step_id: str) -> Course | None:
    chosen = sa.select(cadence_versions.c.id).where(cadence_versions.c.cadence == cadence).order_by(cadence_versions.c.id.desc())
    ways = (course(tx, version_id) for version_id in tx.run(chosen).scalars().all())
    return next((way for way in ways if step_id in way.steps), None)
