"""Taking claimed touches: locked until the commit, in the order in which all lock, with their passages.

Before: the dispatcher claimed them. After: `engine.advance` decides what each of them does.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from engine.claim import TOUCH, Claim, not_begun, these
from engine.compiler.plan import EnterStep, RaiseStep, SetStep, TaskStep
from engine.database import Tx
from engine.prepared import Prepared
from engine.schedule.courses import course
from engine.schedule.lock import lock_passages
from engine.schedule.passages import TOUCHES_WITH_PASSAGES, TouchRow
from engine.schema import enrolments, touches

CHANGES_LEAD = (TaskStep, SetStep, RaiseStep, EnterStep)  # its row or its passages


def take(tx: Tx, claims: Sequence[Claim]) -> list[TouchRow]:
    """Leads are locked before enrolments and these before touches, as everywhere. They need not be begun: all move on in this
    transaction, or none.
    """
    touch_ids = [touch_id for touch_id, _epoch in claims]
    lock_changing(tx, touch_ids)
    return TAKEN.rows(tx, **these(claims))


def lock_changing(tx: Tx, touch_ids: Sequence[int]) -> None:
    """Hold the leads that are changed by the steps they stand at."""
    if tx.is_sqlite:
        return
    rows = AT_STEP.rows(tx, ids=touch_ids)
    changed = {row.lead_id for row in rows if isinstance(course(tx, row.version_id).steps.get(row.step_id), CHANGES_LEAD)}
    if changed:
        lock_passages(tx, changed, touch_ids=touch_ids)


TAKEN = Prepared(TOUCHES_WITH_PASSAGES.where(not_begun(TOUCH)).with_for_update(of=(enrolments, touches)))
AT_STEP = Prepared(
    sa.select(touches.c.step_id, enrolments.c.lead_id, enrolments.c.version_id)
    .join_from(touches, enrolments, enrolments.c.id == touches.c.enrolment_id)
    .where(touches.c.id.in_(sa.bindparam("ids", expanding=True)))
)
