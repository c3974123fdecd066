"""How much marketing mail goes out in an hour: as it was on the last days, as the cadences promise, and as it is planned.

Before: sends and touches. After: `engine.schedule.catch_up` lets out no more than that allows. Sends are numbered as time passes,
so the ones since an instant are found by halving, without an index.
"""

from collections import Counter
from datetime import UTC, datetime, timedelta
from statistics import median

import sqlalchemy as sa

from engine.compiler.plan import CadencePlan, EmailStep, Window
from engine.database import Tx
from engine.prepared import Prepared
from engine.schedule.courses import course
from engine.schedule.spread import hour_of
from engine.schema import enrolments, sends, touches
from engine.spans import Span
from engine.vocabulary import EnrolmentState, SendState, Stream, TouchState

SENDING_DAYS = 7
LOOK_BACK = timedelta(days=35)
LOOK_AHEAD = timedelta(days=60)
MOST = 1.5  # times the usual volume of an hour
WENT_OUT = (SendState.ATTEMPTING, SendState.ACCEPTED, SendState.REFUSED, SendState.UNKNOWN)
DAYS_OF_A_SHORT_CADENCE = 7.0


def most_per_hour(tx: Tx, before: datetime) -> int:
    """One and a half times what an hour with mail had in the middle, on the last sending days before then."""
    volume = sent_by_hour(tx, before - LOOK_BACK, before)
    days = sorted({hour.date() for hour in volume})[-SENDING_DAYS:]
    counts = [number for hour, number in volume.items() if hour.date() in days]
    return max(1, int(MOST * (median(counts) if counts else expected_per_hour(tx))))


def sent_by_hour(tx: Tx, since: datetime, before: datetime) -> dict[datetime, int]:
    first = first_send_since(tx, since)
    if first is None:
        return {}
    hour = spelt_hour(tx, sends.c.attempting_at)
    counted = (
        sa.select(hour.label("hour"), sa.func.count().label("mails"))
        .where(
            sends.c.id >= first,
            sends.c.stream == Stream.MARKETING,
            sends.c.state.in_(WENT_OUT),
            sends.c.attempting_at >= since,
            sends.c.attempting_at < before,
        )
        .group_by(hour)
    )
    return {read_hour(row.hour): row.mails for row in tx.run(counted)}


def first_send_since(tx: Tx, since: datetime) -> int | None:
    [ends] = ENDS.rows(tx)
    if ends.low is None:
        return None
    low, high = int(ends.low), int(ends.high)
    while low < high:
        middle = (low + high) // 2
        after = NEXT_SEND.rows(tx, middle=middle)
        if not after or after[0].created_at >= since:
            high = middle
        else:
            low = after[0].id
    return low


LOWEST, HIGHEST = sa.select(sa.func.min(sends.c.id)).scalar_subquery(), sa.select(sa.func.max(sends.c.id)).scalar_subquery()
ENDS = Prepared(sa.select(LOWEST.label("low"), HIGHEST.label("high")))  # asked for both at once, SQLite reads all there are
NEXT_SEND = Prepared(
    sa.select(sends.c.id, sends.c.created_at).where(sends.c.id > sa.bindparam("middle")).order_by(sends.c.id).limit(1)
)


def expected_per_hour(tx: Tx) -> float:
    """Without a history: what the cadences promise to those inside, spread evenly over their length and their open hours."""
    inside = sa.select(enrolments.c.version_id, sa.func.count().label("people")).where(
        enrolments.c.state == EnrolmentState.ACTIVE
    )
    rows = tx.run(inside.group_by(enrolments.c.version_id))
    return sum((int(row.people) * mails_per_hour(course(tx, row.version_id).plan) for row in rows), 0.0)


def mails_per_hour(plan: CadencePlan) -> float:
    mails = sum(isinstance(step, EmailStep) for step in plan.steps)
    length = max(days_of(plan), DAYS_OF_A_SHORT_CADENCE)
    return mails / (length * hours_of(plan.window) * len(plan.window.weekdays) / 7)


def days_of(plan: CadencePlan) -> float:
    counted = max((in_days(step.timing.span) for step in plan.steps if step.timing.base == "at"), default=0.0)
    return counted + sum(in_days(step.timing.span) for step in plan.steps if step.timing.base == "after")


def in_days(span: Span) -> float:
    return span.months * 30.4 + span.days + span.business_days * 1.4 + span.seconds / 86_400


def hours_of(window: Window) -> float:
    return window.closes.hour - window.opens.hour + (window.closes.minute - window.opens.minute) / 60


def planned_by_hour(tx: Tx, *, until: datetime | None = None) -> Counter[datetime]:
    """Marketing mail that has a time already, before `until` or in the next two months, and what went out in this hour."""
    this_hour, until = hour_of(tx.now), until or tx.now + LOOK_AHEAD
    found = Counter(sent_by_hour(tx, this_hour, tx.now + timedelta(seconds=1)))
    for state in (TouchState.WAITING, TouchState.CLAIMED):  # each has an index of its own
        hour = spelt_hour(tx, touches.c.due_at)
        planned = (
            sa.select(hour.label("hour"), enrolments.c.version_id, touches.c.step_id, sa.func.count().label("mails"))
            .join_from(touches, enrolments, enrolments.c.id == touches.c.enrolment_id)
            .where(touches.c.state == state, touches.c.due_at >= this_hour, touches.c.due_at < until)
            .group_by(hour, enrolments.c.version_id, touches.c.step_id)
        )
        for row in tx.run(planned):
            if isinstance(course(tx, row.version_id).steps.get(row.step_id), EmailStep):
                found[read_hour(row.hour)] += row.mails
    hour = spelt_hour(tx, sends.c.due_at)
    is_ready = sa.and_(sends.c.state == SendState.READY, sends.c.stream == Stream.MARKETING, sends.c.due_at >= this_hour)
    ready = sa.select(hour.label("hour"), sa.func.count().label("mails")).where(is_ready, sends.c.due_at < until).group_by(hour)
    for row in tx.run(ready):
        found[read_hour(row.hour)] += row.mails
    return found


def spelt_hour(tx: Tx, column: sa.Column[datetime]) -> sa.ColumnElement[str]:
    """`2026-01-05 09`: SQLite keeps instants as text."""
    if tx.is_sqlite:
        return sa.func.substr(sa.type_coerce(column, sa.String), 1, 13)
    return sa.func.to_char(sa.func.timezone("UTC", column), sa.literal_column("'YYYY-MM-DD HH24'"))


def read_hour(words: str) -> datetime:
    return datetime.strptime(words, "%Y-%m-%d %H").replace(tzinfo=UTC)
