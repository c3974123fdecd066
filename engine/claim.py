"""The claim: how a process takes due rows so that no other process takes them too. The only place that does.

Life of a claimed row: a dispatcher takes it (`take_due`: state, epoch + 1, `lease_until`) and enqueues (id, epoch); a
worker begins it (`begin`: `worker_id`, whose row in `workers` from then on carries the lease); the verbs then move it by
compare-and-set on (id, epoch). When a queue loses a job or a worker dies, `sweep` opens the row again under a new epoch, which
fences the late writer off. There is no leader: any number of dispatchers may run this at once.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, lru_cache
from typing import Any

import sqlalchemy as sa

from engine.database import Tx
from engine.prepared import Prepared
from engine.schema import posts, reactions, sends, touches, workers

CLAIMED = "claimed"
QUARANTINE_AFTER = 3  # a row that was tried so often and never finished harms others; a person must look
RETRY_AFTER = timedelta(seconds=10)
LONGEST_JOB = timedelta(minutes=15)  # a begun row is opened again after this, even if its worker lives


@dataclass(frozen=True, slots=True, kw_only=True)
class Noun:
    """A table whose rows are claimed, and the state in which they are free to take."""

    name: str
    table: sa.Table
    open_state: str


TOUCH = Noun(name="touch", table=touches, open_state="waiting")
SEND = Noun(name="send", table=sends, open_state="ready")
REACTION = Noun(name="reaction", table=reactions, open_state="waiting")
POST = Noun(name="post", table=posts, open_state="ready")
NOUNS = {noun.name: noun for noun in (TOUCH, SEND, REACTION, POST)}

Claim = tuple[int, int]  # (id, epoch)


def take_due(
    tx: Tx, noun: Noun, *, limit: int, lease: timedelta, only: sa.ColumnElement[bool] | None = None, **values: object
) -> list[Claim]:
    """Claim up to `limit` due rows, the longest due first; `only` narrows them (a stream of sends, say), with `values` for the
    parameters that it names. It is written out as SQL once and kept, so it must be the same object at every call.

    SKIP LOCKED keeps claimers on PostgreSQL out of each other's way; SQLite has no such clause (SQLAlchemy drops it in
    silence) and needs none, since `Database.write` holds the only write lock.
    """
    return [(row.id, row.epoch) for row in taking(noun, only).rows(tx, now=tx.now, most=limit, until=tx.now + lease, **values)]


@lru_cache(maxsize=32)
def taking(noun: Noun, only: sa.ColumnElement[bool] | None) -> Prepared:
    table = noun.table
    due = (
        sa.select(table.c.id)
        .where(in_state(table, noun.open_state), table.c.due_at <= sa.bindparam("now"), *([] if only is None else [only]))
        .order_by(table.c.due_at)
        .limit(sa.bindparam("most", type_=sa.Integer))
        .with_for_update(skip_locked=True)
        .cte("due")  # PostgreSQL may run a plain subquery again for each row and so lock more than `limit`
    )
    return Prepared(
        sa.update(table)
        .where(table.c.id.in_(sa.select(due.c.id)))
        .values(
            state=CLAIMED,
            epoch=table.c.epoch + 1,
            claims=table.c.claims + 1,
            worker_id=None,
            lease_until=sa.bindparam("until"),
        )
        .returning(table.c.id, table.c.epoch)
    )


def begin(tx: Tx, noun: Noun, claims: Sequence[Claim], *, worker_id: str) -> set[int]:
    """Take over claimed rows for this worker; the ids that are still ours to work on. A stale job gets an empty set."""
    begun = beginning(noun).rows(tx, **these(claims), worker=worker_id, until=tx.now + LONGEST_JOB)
    return {row.id for row in begun}


@cache
def beginning(noun: Noun) -> Prepared:
    table = noun.table
    return Prepared(
        sa.update(table)
        .where(not_begun(noun))
        .values(worker_id=sa.bindparam("worker"), lease_until=sa.bindparam("until"))
        .returning(table.c.id)
    )


def not_begun(noun: Noun) -> sa.ColumnElement[bool]:
    """A condition: the row is one of `these` and still ours. A verb that is done with it at its commit locks it by this and need
    not say that it began, which nobody would see.
    """
    table = noun.table
    return sa.and_(held(table), table.c.worker_id.is_(None))


def put_back(tx: Tx, noun: Noun, claims: Sequence[Claim]) -> int:
    """Open claimed rows again that no queue would take. They were not tried, so it does not count as a claim."""
    table = noun.table
    opened = sa.update(table).where(held(table)).values(reopened(noun) | {"claims": table.c.claims - 1})
    return tx.run(opened, these(claims)).rowcount


def put_back_all(tx: Tx, noun: Noun, *, worker_id: str) -> int:
    """Open again whatever this worker has begun and not moved yet. Its own threads are fenced off, too."""
    table = noun.table
    ours = sa.and_(in_state(table, CLAIMED), table.c.worker_id == worker_id)
    return tx.run(sa.update(table).where(ours).values(reopened(noun) | {"claims": table.c.claims - 1})).rowcount


def set_aside(tx: Tx, noun: Noun, claims: Sequence[Claim]) -> int:
    """Open rows again on which a verb failed: at once, then a little later, then not before a person has looked."""
    table = noun.table
    again = {"due_at": due_again(table, sa.literal(tx.now + RETRY_AFTER, table.c.due_at.type))}
    opened = sa.update(table).where(held(table)).values(reopened(noun) | again)
    return tx.run(opened, these(claims)).rowcount


def sweep(tx: Tx, noun: Noun) -> int:
    """Open again what was claimed and then lost; returns how many rows. The epoch moves on, so the loser cannot write.

    A row lost in a queue was not tried and is not counted as claimed; one that three workers began and did not finish stays
    open without a due time until a person has looked. A row that another transaction holds is left for the next time: a worker
    that stands still within one would hold up every dispatcher.
    """
    return sweeping(noun).run(tx, now=tx.now, later=tx.now + RETRY_AFTER)


@cache
def sweeping(noun: Noun) -> Prepared:
    """Run by every dispatcher each second, and nearly always for nothing, so it is built once."""
    table = noun.table
    now: sa.BindParameter[datetime] = sa.bindparam("now", type_=table.c.due_at.type)
    later: sa.BindParameter[datetime] = sa.bindparam("later", type_=table.c.due_at.type)
    ran_out = table.c.lease_until < now  # in a queue, or in a worker that lives and has forgotten it
    lost = (
        sa.select(table.c.id)
        .where(in_state(table, CLAIMED), sa.or_(ran_out, held_by_dead(table, now)))
        .with_for_update(skip_locked=True)
    )
    counted = sa.case((table.c.worker_id.is_(None), table.c.claims - 1), else_=table.c.claims)
    again = sa.case((table.c.worker_id.is_not(None), due_again(table, later)), else_=table.c.due_at)
    opened = sa.update(table).where(table.c.id.in_(lost)).values(reopened(noun) | {"claims": counted, "due_at": again})
    return Prepared(opened)


def is_set_aside(noun: Noun) -> sa.ColumnElement[bool]:
    """A condition: the row was tried three times, never finished, and waits for a person. Spelt as the partial index has it."""
    table = noun.table
    tried = table.c.claims >= sa.literal_column(str(QUARANTINE_AFTER))
    return sa.and_(in_state(table, noun.open_state), table.c.due_at.is_(None), tried)


def take_up_again(tx: Tx, noun: Noun) -> int:
    """A person has looked: rows that were set aside are due now, and count as never tried."""
    again = sa.update(noun.table).where(is_set_aside(noun)).values(due_at=tx.now, claims=0)
    return tx.run(again).rowcount


def due_again(table: sa.Table, later: sa.ColumnElement[datetime]) -> sa.ColumnElement[object]:
    """When a row is due that was tried as often as `claims` says and came to no end; others go first the second time."""
    return sa.case((table.c.claims >= QUARANTINE_AFTER, sa.null()), (table.c.claims > 1, later), else_=table.c.due_at)


def reopened(noun: Noun) -> dict[str, object]:
    """Column values of a row that is free to take again, whatever a late holder of it believes."""
    return {"state": noun.open_state, "epoch": noun.table.c.epoch + 1, "worker_id": None, "lease_until": None}


def held_by_dead(table: sa.Table, now: datetime | sa.ColumnElement[datetime]) -> sa.ColumnElement[bool]:
    """A condition: the row was begun by a worker whose lease has run out or whose row is gone."""
    alive = sa.select(workers.c.id).where(workers.c.lease_until >= now)
    return sa.and_(table.c.worker_id.is_not(None), table.c.worker_id.not_in(alive))


def held(table: sa.Table) -> sa.ColumnElement[bool]:
    """A condition: the row is one of `these`, still claimed, and nobody has claimed it since (the epoch fences)."""
    ids: sa.BindParameter[int] = sa.bindparam("ids", expanding=True)
    pairs: sa.BindParameter[Claim] = sa.bindparam("pairs", expanding=True)
    return sa.and_(table.c.id.in_(ids), sa.tuple_(table.c.id, table.c.epoch).in_(pairs), is_still(table, CLAIMED))


def these(claims: Collection[Claim]) -> dict[str, list[Any]]:
    """The parameters of `held`."""
    return {"ids": [row_id for row_id, _epoch in claims], "pairs": list(claims)}


def is_still(table: sa.Table, state: str) -> sa.ColumnElement[bool]:
    """State of rows that are chosen by their ids, spelt so that no partial index serves it. PostgreSQL takes the one of claimed
    rows for empty, as it is whenever somebody counts, and would read a thousand of them for a batch of 64.
    """
    return table.c.state.is_not_distinct_from(state)


def in_state(table: sa.Table, state: str) -> sa.ColumnElement[bool]:
    """State as a literal in the SQL: a partial index serves only a query that spells its condition out."""
    column: sa.ColumnElement[bool] = table.c.state == sa.bindparam(None, state, literal_execute=True, type_=sa.String)
    return column
