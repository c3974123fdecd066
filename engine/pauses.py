"""What a person holds back: the rows of `pauses`, and the question that every mark asks of them.

Before: `engine.schedule.pause` writes them. After: the gate (`engine.deliver`) lets nothing through that they stop, dispatchers
leave it where it is, and the commands tell of it. A mark and a pause wait for one another, so nothing is marked once a pause has
been committed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from engine.database import Tx
from engine.prepared import Prepared
from engine.schema import pauses
from engine.vocabulary import PauseKind, Stream

WHOLE = ""  # the name of what has none
PAUSES = "pauses"  # in `Tx.seen`: what counts in this transaction, whatever the rows say


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """`name`: of the cadence, relay or domain; `note`: what the person said."""

    kind: PauseKind
    name: str
    since: datetime
    note: str


@dataclass(frozen=True, slots=True)
class Pauses:
    """All that hold, by kind and name."""

    held: Mapping[tuple[PauseKind, str], Pause]

    def stops(self, stream: Stream, *, cadence: str | None = None, domain: str = "") -> bool:
        """Whether such a mail must wait, through whatever relay."""
        if not self.held:
            return False
        if self.stops_stream(stream):
            return True
        return (PauseKind.CADENCE, cadence) in self.held or (PauseKind.DOMAIN, domain.lower()) in self.held

    def stops_stream(self, stream: Stream) -> bool:
        """Whether all such mail must wait."""
        if self.stops_all:
            return True
        return stream == Stream.MARKETING and (PauseKind.MARKETING, WHOLE) in self.held

    @property
    def stops_all(self) -> bool:
        """Whether nothing at all goes out."""
        return (PauseKind.ALL, WHOLE) in self.held or self.is_restored

    @property
    def is_restored(self) -> bool:
        """Whether the rows may be older than the world, so that nothing at all is done about them."""
        return (PauseKind.RESTORED, WHOLE) in self.held

    def stops_relay(self, relay: str) -> bool:
        return (PauseKind.RELAY, relay) in self.held

    @property
    def cadences(self) -> frozenset[str]:
        """That stand still."""
        return frozenset(name for kind, name in self.held if kind == PauseKind.CADENCE)


NONE = Pauses({})


def pauses_now(tx: Tx) -> Pauses:
    """For a mark: those that hold until this transaction ends, because a pause waits for its end, and it for a pause."""
    if isinstance(known := tx.seen.get(PAUSES), Pauses):
        return known
    return pauses_of(NOW.rows(tx) if tx.is_sqlite else NOW_AND_LOCKED.rows(tx))


def pauses_seen(tx: Tx) -> Pauses:
    """For whoever only looks: those that hold at this moment."""
    if isinstance(known := tx.seen.get(PAUSES), Pauses):
        return known
    return pauses_of(NOW.rows(tx))


def cadence_stands_still(tx: Tx, cadence: str) -> bool:
    """For who begins passages in it: if so, it stays so until this transaction ends."""
    return bool(STANDS_STILL.rows(tx, cadence=cadence))


def pauses_of(rows: Sequence[Any]) -> Pauses:
    """From rows with all columns of the table."""
    if not rows:
        return NONE
    found = [Pause(kind=PauseKind(row.kind), name=row.name, since=row.since, note=row.note) for row in rows]
    return Pauses({(each.kind, each.name): each for each in found})


COLUMNS = (pauses.c.kind, pauses.c.name, pauses.c.since, pauses.c.note)
HELD = sa.select(*COLUMNS).order_by(pauses.c.since, pauses.c.kind, pauses.c.name)
NOW = Prepared(HELD)
# PostgreSQL locks the tables of a statement before it takes the snapshot that the statement sees. FOR SHARE of no row takes the
# weakest lock that LOCK TABLE … IN EXCLUSIVE MODE, which a pause begins with, has to wait for.
NO_ROW = pauses.alias("no_row")
NOW_AND_LOCKED = Prepared(
    HELD.where(~sa.exists(sa.select(1).select_from(NO_ROW).where(NO_ROW.c.kind.is_(None)).with_for_update(read=True)))
)
STANDS_STILL = Prepared(
    sa.select(pauses.c.name)
    .where(pauses.c.kind == PauseKind.CADENCE, pauses.c.name == sa.bindparam("cadence", type_=sa.String))
    .with_for_update(read=True, key_share=True)
)
