"""Holding leads and their passages before they are changed: leads first, then passages, each in the order of their ids.

Before: a verb knows whose rows it will write. After: verbs that do so at once wait for one another, and never in a circle.
"""

from collections.abc import Collection

import sqlalchemy as sa

from engine.database import Tx
from engine.leads import lock_leads
from engine.schema import enrolments, touches
from engine.vocabulary import LIVE_ENROLMENT


def lock_passages(tx: Tx, lead_ids: Collection[int], *, touch_ids: Collection[int] = ()) -> None:
    """Hold these leads, their live passages and the passages of these touches till the commit. SQLite has one writer anyway."""
    if tx.is_sqlite:
        return
    lock_leads(tx, lead_ids)
    of_touches = sa.select(touches.c.enrolment_id).where(touches.c.id.in_(touch_ids))
    of_leads = sa.and_(enrolments.c.lead_id.in_(lead_ids), enrolments.c.state.in_(LIVE_ENROLMENT))
    chosen = sa.select(enrolments.c.id).where(sa.or_(of_leads, enrolments.c.id.in_(of_touches)))
    tx.run(chosen.order_by(enrolments.c.id).with_for_update(key_share=True))
