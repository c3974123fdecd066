"""The sweep: who came to match a segment, or ceased to, by time alone: `within` runs out, points fade; and who came to match it
and was refused, but would not be now.

Before: `engine.processes.upkeep` comes by every few seconds, and the simulator now and then. After: `engine.schedule.entries` has
let in those who came. Leads that change are looked at when they change; this is for the others, and once a day for all.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from engine.compiler.plan import Policy
from engine.conditions import condition
from engine.database import Database, Tx
from engine.errors import ConditionError
from engine.expressions.sql_values import NotInSql
from engine.schedule.entries import ask_again, enter_by_segment, ways_in
from engine.schedule.memberships import meaning_of, segments_watched, strays
from engine.schedule.refused import no_longer_refused
from engine.schedule.segments import every_lead
from engine.schema import installation
from engine.sql import insert
from engine.versions import live_rules

log = logging.getLogger(__name__)

EVERY = timedelta(minutes=15)
SWEPT_AT = "segments_swept_at"
LetIn = Callable[[Tx, Sequence[int]], object]
AT_ONCE = 200  # leads in a transaction, between which others have their turn


def sweep_if_due(database: Database) -> int:
    """Sweep where nobody has for a quarter of an hour; returns how many leads moved. What any number of processes may call."""
    with database.read() as tx:
        if not segments_watched(way.entry for way in ways_in(tx)) or not is_due(tx, swept_at(tx)):
            return 0
    with database.write() as tx:
        before = swept_at(tx)
        if not is_due(tx, before) or not take(tx, before):
            return 0
        is_new_day = before is None or before.date() != tx.now.date()
    return sweep(database, everything=is_new_day)


def sweep(database: Database, *, everything: bool = False) -> int:
    """Look at all leads, and let in those who came, or may come in by now. `everything`: also by segments that time alone does
    not move.
    """
    moved = 0
    with database.read() as tx:
        names = segments_watched(way.entry for way in ways_in(tx))
        policy = live_rules(tx).policy if names else None
    for name in names:
        if policy is not None and (everything or time_moves(policy, name)):
            moved += sweep_segment(database, policy, name)
        moved += sweep_refused(database, name)
    return moved


def sweep_segment(database: Database, policy: Policy, name: str) -> int:
    """The whole table is only read; whom it finds is looked at again under a lock."""
    with database.read() as tx:
        try:
            found = strays(tx, policy, name)
        except NotInSql:
            found = [lead_id for some in every_lead(tx) for lead_id in some]
    by_portions(database, enter_by_segment, found)
    return len(found)


def sweep_refused(database: Database, name: str) -> int:
    """Who came into the segment and was refused for a reason that is gone by now."""
    with database.read() as tx:
        cadences = {way.plan.name for way in ways_in(tx) if way.entry.segment == name}
        found = sorted({lead_id for cadence in cadences for lead_id in no_longer_refused(tx, cadence, name)})
    by_portions(database, lambda tx, some: ask_again(tx, name, some), found)
    return len(found)


def by_portions(database: Database, let_in: LetIn, lead_ids: Sequence[int]) -> None:
    """A transaction for each. A lead that cannot be let in, by a fault of ours, is logged and keeps no other out."""
    for start in range(0, len(lead_ids), AT_ONCE):
        some = lead_ids[start : start + AT_ONCE]
        if not tried(database, let_in, some):
            for lead_id in some:
                tried(database, let_in, [lead_id])


def tried(database: Database, let_in: LetIn, some: Sequence[int]) -> bool:
    """Whether it could be done; if not, nothing of it is kept."""
    try:
        with database.write() as tx:
            let_in(tx, some)
    except sa.exc.SQLAlchemyError:
        raise
    except Exception:
        if len(some) == 1:
            log.exception("a lead could not be let in by its segment", extra={"facts": {"lead": some[0]}})
        return False
    return True


def time_moves(policy: Policy, name: str) -> bool:
    """Whether a lead may come to match, or cease to, though nothing happens to it."""
    try:
        asked = condition(meaning_of(name), policy)
    except ConditionError:
        return False
    return asked.uses_time or asked.uses_score


def swept_at(tx: Tx) -> datetime | None:
    said = tx.run(sa.select(installation.c.value).where(installation.c.name == SWEPT_AT)).scalar()
    return datetime.fromisoformat(said) if said else None


def is_due(tx: Tx, before: datetime | None) -> bool:
    return before is None or tx.now - before >= EVERY


def take(tx: Tx, before: datetime | None) -> bool:
    """Whether this process is the one that sweeps now: others have seen the same time, and change nothing."""
    now = tx.now.isoformat()
    if before is None:
        first = insert(tx, installation).on_conflict_do_nothing(index_elements=["name"])
        return bool(tx.run(first.values(name=SWEPT_AT, value=now)).rowcount)
    mine = sa.and_(installation.c.name == SWEPT_AT, installation.c.value == before.isoformat())
    return bool(tx.run(sa.update(installation).where(mine).values(value=now)).rowcount)
