"""How the ledger stands at this moment: what is due and how late, what is in doubt, who works. A few questions that cost the same
over millions of rows, each served by a partial index.

Before: every process writes its rows. After: `handraiser status` and `/metrics` tell it. Whole tables are counted elsewhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from engine.claim import CLAIMED, NOUNS, Noun, in_state, is_set_aside
from engine.database import Tx
from engine.processes.lanes import AWAITED_STREAMS, LANES, TRANSACTIONAL, Lane
from engine.schema import sends, workers
from engine.vocabulary import SendState, Stream

MOST_COUNTED = 10_000  # rows of a lane; that there are more is all that matters
Conditions = tuple[sa.ColumnElement[bool], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What is due on a lane and not begun. `rows` stops at MOST_COUNTED. `oldest_at`: since when the first of them is due."""

    rows: int
    oldest_at: datetime | None

    def late_by(self, now: datetime) -> timedelta:
        return max(now - self.oldest_at, timedelta(0)) if self.oldest_at else timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Working:
    """A process that has its lease. `ops`: where operators may look at it. `relays`: those that it has an address of; None: it
    sends no mail to a relay.
    """

    kind: str
    host: str
    pid: int
    since: datetime
    lease_until: datetime
    ops: str | None
    relays: tuple[str, ...] | None = None

    @property
    def captures(self) -> bool:
        """Whether the mail that it takes stays in its local outbox."""
        return self.kind in ("up", "worker") and self.relays is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """As of `now`. `set_aside`: rows by noun that were tried three times and wait for a person. `awaited_put_off`: mails that
    somebody waits for and that may not go yet, with the instant at which the first of them was asked for.
    """

    now: datetime
    lanes: Mapping[str, Waiting]
    awaited_put_off: Waiting
    attempting: int
    unknown: int
    unknown_lately: int  # in the last day
    set_aside: Mapping[str, int]
    working: tuple[Working, ...]


def standing(tx: Tx) -> Standing:
    return Standing(
        now=tx.now,
        lanes={lane.queue: waiting(tx, lane) for lane in LANES},
        awaited_put_off=awaited_put_off(tx),
        attempting=count(tx, sends, in_state(sends, SendState.ATTEMPTING)),
        unknown=count(tx, sends, in_state(sends, SendState.UNKNOWN)),
        unknown_lately=count(tx, sends, in_state(sends, SendState.UNKNOWN), sends.c.ended_at > tx.now - timedelta(days=1)),
        set_aside={noun.name: number for noun in NOUNS.values() if (number := count(tx, noun.table, is_set_aside(noun)))},
        working=working(tx),
    )


def awaited_put_off(tx: Tx) -> Waiting:
    found = [put_off(tx, stream) for stream in AWAITED_STREAMS]
    since = [each.oldest_at for each in found if each.oldest_at is not None]
    return Waiting(rows=min(MOST_COUNTED, sum(each.rows for each in found)), oldest_at=min(since, default=None))


def put_off(tx: Tx, stream: Stream) -> Waiting:
    later = (in_state(sends, SendState.READY), sends.c.stream == stream, sends.c.due_at > tx.now, sends.c.reason.is_not(None))
    some = sa.select(sends.c.created_at).where(*later).limit(MOST_COUNTED).subquery()
    row = tx.run(sa.select(sa.func.count().label("rows"), sa.func.min(some.c.created_at).label("since"))).one()
    return Waiting(rows=row.rows, oldest_at=row.since)


def waiting(tx: Tx, lane: Lane) -> Waiting:
    """What is open and due, and what lies in a queue: stream by stream, since an index serves one at a time in order."""
    parts = [waiting_part(tx, lane.noun, only) for only in parts_of(lane)]
    oldest = [part.oldest_at for part in parts if part.oldest_at is not None]
    return Waiting(rows=min(MOST_COUNTED, sum(part.rows for part in parts)), oldest_at=min(oldest, default=None))


def parts_of(lane: Lane) -> list[Conditions]:
    if lane is TRANSACTIONAL:
        return [(sends.c.stream == stream,) for stream in AWAITED_STREAMS]
    return [() if lane.only is None else (lane.only,)]


def waiting_part(tx: Tx, noun: Noun, only: Conditions) -> Waiting:
    table = noun.table
    is_due = first_of(tx, table, in_state(table, noun.open_state), table.c.due_at <= tx.now, *only)
    in_queue = first_of(tx, table, in_state(table, CLAIMED), table.c.worker_id.is_(None), *only)
    oldest = [part.oldest_at for part in (is_due, in_queue) if part.oldest_at is not None]
    return Waiting(rows=is_due.rows + in_queue.rows, oldest_at=min(oldest, default=None))


def first_of(tx: Tx, table: sa.Table, *where: sa.ColumnElement[bool]) -> Waiting:
    """In order, so that an index is read from its beginning, and no further than counts."""
    some = sa.select(table.c.due_at).where(*where).order_by(table.c.due_at).limit(MOST_COUNTED).subquery()
    row = tx.run(sa.select(sa.func.count().label("rows"), sa.func.min(some.c.due_at).label("oldest_at"))).one()
    return Waiting(rows=row.rows, oldest_at=row.oldest_at)


def count(tx: Tx, table: sa.Table, *where: sa.ColumnElement[bool]) -> int:
    some = sa.select(sa.literal(1)).select_from(table).where(*where).limit(MOST_COUNTED).subquery()
    found: int = tx.run(sa.select(sa.func.count()).select_from(some)).scalar_one()
    return found


def working(tx: Tx) -> tuple[Working, ...]:
    alive = sa.select(workers).where(workers.c.lease_until >= tx.now).order_by(workers.c.started_at)
    return tuple(
        Working(
            kind=row.kind,
            host=row.host.partition(" ")[0],
            pid=row.pid,
            since=row.started_at,
            lease_until=row.lease_until,
            ops=row.ops,
            relays=None if row.relays is None else tuple(row.relays.split()),
        )
        for row in tx.run(alive)
    )
