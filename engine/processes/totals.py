"""What is in the whole database, by counting it: over millions of rows that takes seconds.

Before: `engine.cli.status` asks, while it watches once a minute. After: they stand below what is true at this moment.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from engine.claim import in_state
from engine.database import Tx
from engine.domains import domain_of
from engine.schema import enrolments, handoffs, leads, posts, sends, suppressions, tasks, touches
from engine.vocabulary import HandoffState, Reason, SendState, Stream, TaskState

LATELY = timedelta(days=7)
MOST_IN_FLIGHT = 2_000  # more cannot be
WENT_OUT = (SendState.ACCEPTED, SendState.UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Busiest:
    """The recipient domain that most of the mails in flight go to. `since`: when the first of these left."""

    domain: str
    mails: int
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Counts of all there is.

    `came_late`, `not_sent`: transactional mail of the last week that was too late, and went out all the same or not.
    `given_up`, `unwritten`: mail of the last week that was put off for too long, or that its template failed for.
    `waiting`: mail that is due later, by why that is so.
    """

    leads: int
    suppressions: int
    passages: Mapping[str, int]
    mail: Mapping[str, int]
    waiting: Mapping[str, int]
    busiest: Busiest | None
    posts: Mapping[str, int]
    next_touch_at: datetime | None
    handoffs: Mapping[str, int]
    handoffs_late: int
    tasks_late: int
    came_late: int
    not_sent: int
    given_up: int
    unwritten: int


def totals(tx: Tx) -> Totals:
    return Totals(
        leads=count(tx, leads),
        suppressions=count(tx, suppressions),
        passages=by_state(tx, enrolments),
        mail=by_state(tx, sends),
        waiting=waiting(tx),
        busiest=busiest(tx),
        posts=by_state(tx, posts),
        next_touch_at=tx.run(sa.select(sa.func.min(touches.c.due_at)).where(in_state(touches, "waiting"))).scalar(),
        handoffs=by_state(tx, handoffs),
        handoffs_late=count(tx, handoffs, handoffs.c.state == HandoffState.RAISED, handoffs.c.answer_by < tx.now),
        tasks_late=count(tx, tasks, tasks.c.state == TaskState.OPEN, tasks.c.due_at < tx.now),
        came_late=count(tx, sends, *awaited_lately(tx), sends.c.waited_for == Reason.LATE, sends.c.state.in_(WENT_OUT)),
        not_sent=count(tx, sends, *awaited_lately(tx), sends.c.reason == Reason.LATE),
        given_up=ended_lately(tx, Reason.TOO_OLD),
        unwritten=ended_lately(tx, Reason.TEMPLATE_ERROR),
    )


def count(tx: Tx, table: sa.Table, *where: sa.ColumnElement[bool]) -> int:
    found: int = tx.run(sa.select(sa.func.count()).select_from(table).where(*where)).scalar_one()
    return found


def ended_lately(tx: Tx, reason: Reason) -> int:
    return count(tx, sends, sends.c.ended_at > tx.now - LATELY, sends.c.reason == reason)


def awaited_lately(tx: Tx) -> tuple[sa.ColumnElement[bool], ...]:
    return sends.c.stream == Stream.TRANSACTIONAL, sends.c.ended_at > tx.now - LATELY


def waiting(tx: Tx) -> dict[str, int]:
    """Mail that was put off, by its reason."""
    later = (in_state(sends, SendState.READY), sends.c.due_at > tx.now, sends.c.reason.is_not(None))
    grouped = sa.select(sends.c.reason, sa.func.count().label("rows")).where(*later).group_by(sends.c.reason)
    return {row.reason: row.rows for row in tx.run(grouped.order_by(sends.c.reason))}


def busiest(tx: Tx) -> Busiest | None:
    """Of mails to leads: notices go to reps."""
    flying = sa.select(leads.c.email, sends.c.attempting_at).join_from(sends, leads, leads.c.id == sends.c.lead_id)
    rows = tx.run(
        flying.where(in_state(sends, SendState.ATTEMPTING), sends.c.stream != Stream.INTERNAL).limit(MOST_IN_FLIGHT)
    ).all()
    since: dict[str, list[datetime]] = {}
    for row in rows:
        since.setdefault(domain_of(row.email or ""), []).append(row.attempting_at or tx.now)
    if not since:
        return None
    domain = max(since, key=lambda each: len(since[each]))
    return Busiest(domain=domain, mails=len(since[domain]), since=min(since[domain]))


def by_state(tx: Tx, table: sa.Table) -> dict[str, int]:
    grouped = sa.select(table.c.state, sa.func.count().label("rows")).group_by(table.c.state).order_by(table.c.state)
    return {row.state: row.rows for row in tx.run(grouped)}
