"""Marketing held back because the clock jumped ahead: a row that every dispatcher sees, until a person says it is right.

Before: `engine.processes.clock_watch` noticed. After: no marketing mail is claimed or planned; it goes on when the clock comes
back, or with `handraiser catch-up --clock-is-right`.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from engine.database import Tx
from engine.schema import installation
from engine.sql import insert

HELD = "marketing is held: the clock jumped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """`noticed_at`: by the clock that jumped; `ahead`: by how much."""

    noticed_at: datetime
    ahead: timedelta


def hold_marketing(tx: Tx, ahead: timedelta) -> None:
    """Safe to repeat: the first to notice is right."""
    value = json.dumps({"noticed_at": tx.now.isoformat(), "ahead": ahead.total_seconds()})
    first = insert(tx, installation).on_conflict_do_nothing(index_elements=["name"])
    tx.run(first, [{"name": HELD, "value": value}])


def marketing_hold(tx: Tx) -> Hold | None:
    text = tx.run(sa.select(installation.c.value).where(installation.c.name == HELD)).scalar()
    if text is None:
        return None
    said = json.loads(text)
    return Hold(noticed_at=datetime.fromisoformat(said["noticed_at"]), ahead=timedelta(seconds=said["ahead"]))


def let_go(tx: Tx) -> bool:
    """Whether there was a hold to be lifted."""
    return tx.run(sa.delete(installation).where(installation.c.name == HELD)).rowcount > 0
