"""Whether every passage went its whole way: each step once, each touch over, each mail where its step says.

Before: a trial is over. After: what is found here fails it, as what `tests.crash.oracle` finds among the sends does.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from engine.database import Database
from engine.schema import enrolments, leads, posts, sends, touches
from engine.vocabulary import EnrolmentState, PostState, SendState, TouchState
from tests.crash.lessons import MAILS_OF_A_PASSAGE

SMALL = ["lesson-1", "big-or-small", "tell-crm", "a-moment", "lesson-2", "lesson-3"]
BIG = ["lesson-1", "big-or-small", "call-them", "tell-crm", "a-moment", "lesson-2", "lesson-3"]
OVER = (TouchState.DONE, TouchState.SKIPPED)
LEFT = (SendState.ACCEPTED, SendState.UNKNOWN)
Row = sa.Row[Any]


def complaints_about_passages(database: Database) -> list[str]:
    by_passage: dict[int, list[Row]] = {}
    with database.read() as tx:
        for row in tx.run(STEPS):
            by_passage.setdefault(row.enrolment_id, []).append(row)
    return [f"{what}: {rows}" for rows in by_passage.values() for what in complaints_about(rows)]


def complaints_about_orphans(database: Database) -> list[str]:
    """Mails that name a lead or a touch that is not there, and touches of no passage: here the database has no foreign keys."""
    with database.read() as tx:
        mails = [f"a mail without its lead or its touch: {row}" for row in tx.run(ORPHANS)]
        return mails + [f"a touch without its passage: {row}" for row in tx.run(STRAYS)]


def complaints_about_posts(database: Database, received: Collection[str]) -> list[str]:
    """Each step told the other system, which has heard of it: once, or again under the same id."""
    with database.read() as tx:
        told = tx.run(sa.select(posts)).all()
        asked = tx.run(sa.select(sa.func.count()).where(touches.c.step_id == "tell-crm")).scalar_one()
    unheard = [row.id for row in told if not any(webhook_id.endswith(f"_{row.id}") for webhook_id in received)]
    problems = {
        "steps without a post": asked - len(told),
        "posts that are not done": sum(row.state != PostState.DONE for row in told),
        "posts that nobody heard of": len(unheard),
        "ids that nobody gave": len(set(received)) - len(told),
    }
    return [f"{number} {what}" for what, number in problems.items() if number]


def complaints_about(rows: Sequence[Row]) -> Iterable[str]:
    """One passage, its steps in the order in which they were made."""
    way = BIG if rows[0].fields["employees"] else SMALL
    if [row.step_id for row in rows] != way:
        yield f"not the way {way}"
    if rows[0].enrolment_state != EnrolmentState.FINISHED:
        yield "a passage that is not finished"
    for row in rows:
        if row.state not in OVER:
            yield "a touch that is not over"
        if row.step_id in MAILS_OF_A_PASSAGE and (row.state == TouchState.DONE) != (row.send_state in LEFT):
            yield "a touch that does not say what its mail says"


ORPHANS = (
    sa.select(sends.c.id, sends.c.lead_id, sends.c.touch_id)
    .join_from(sends, leads, leads.c.id == sends.c.lead_id, isouter=True)
    .join(touches, touches.c.id == sends.c.touch_id, isouter=True)
    .where(sa.or_(leads.c.id.is_(None), sa.and_(sends.c.touch_id.is_not(None), touches.c.id.is_(None))))
)
STRAYS = (
    sa.select(touches.c.id, touches.c.enrolment_id)
    .join_from(touches, enrolments, enrolments.c.id == touches.c.enrolment_id, isouter=True)
    .where(enrolments.c.id.is_(None))
)
STEPS = (
    sa.select(
        touches.c.enrolment_id, touches.c.step_id, touches.c.state, touches.c.reason, leads.c.fields,
        enrolments.c.state.label("enrolment_state"), sends.c.state.label("send_state"),
    )
    .join_from(touches, enrolments, enrolments.c.id == touches.c.enrolment_id)
    .join(leads, leads.c.id == enrolments.c.lead_id)
    .join(sends, sends.c.touch_id == touches.c.id, isouter=True)
    .order_by(touches.c.enrolment_id, touches.c.id)
)  # fmt: skip
