"""Holding leads and their passages before they are changed: leads first, then passages, each in the order of their ids.

Before: a verb knows whose rows it will write. After: verbs that do so at once wait for one another, and never in a circle.
"""

from collections.abc import Collection

import sqlalchemy as sa

from engine.database import Tx
from engine.leads import lock_leads
from engine.prepared import Prepared
from engine.schema import enrolments, touches
from engine.vocabulary import LIVE_ENROLMENT


def lock_passages(tx: Tx, lead_ids: Collection[int], *, touch_ids: Collection[int] = ()) -> None:
    """Hold these leads, their live passages and the passages of these touches till the commit. SQLite has one writer anyway."""
    if tx.is_sqlite:
        return
    lock_leads(tx, lead_ids)
    LOCKED.rows(tx, lead_ids=lead_ids, touch_ids=touch_ids)


OF_LEADS = sa.select(enrolments.c.id).where(
    enrolments.c.lead_id.in_(sa.bindparam("lead_ids", expanding=True)), enrolments.c.state.in_(LIVE_ENROLMENT)
)
OF_TOUCHES = sa.select(touches.c.enrolment_id).where(touches.c.id.in_(sa.bindparam("touch_ids", expanding=True)))
# Joined by UNION: no index serves one OR the other, and PostgreSQL read every passage there is for each job.
LOCKED = Prepared(
    sa.select(enrolments.c.id)
    .where(enrolments.c.id.in_(OF_LEADS.union(OF_TOUCHES)))
    .order_by(enrolments.c.id)
    .with_for_update(key_share=True)
)
