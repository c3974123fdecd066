"""In which arm leads got an email before: who got one once gets the same again, however the arms are shared out by then.

Before: `engine.deliver` has recorded the arm of each send. After: `engine.schedule.draw.pick` is told, for emails that have arms.
"""

from collections.abc import Collection

import sqlalchemy as sa

from engine.database import Tx
from engine.prepared import Prepared
from engine.schema import sends
from engine.sql import rows_at_once


def arms_had(tx: Tx, lead_ids: Collection[int]) -> dict[tuple[int, str], str]:
    """By lead and email, the arm that was drawn last."""
    rows = (row for some in rows_at_once(lead_ids) for row in DRAWN.rows(tx, ids=some))
    return {(row.lead_id, row.email): row.arm for row in sorted(rows, key=lambda row: row.id)}


DRAWN = Prepared(
    sa.select(sends.c.id, sends.c.lead_id, sends.c.email, sends.c.arm).where(
        sends.c.lead_id.in_(sa.bindparam("ids", expanding=True)), sends.c.arm.is_not(None)
    )
)
