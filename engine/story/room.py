"""Which other mails left no room for one that a cap holds back, by their names and days.

Before: a send with the reason `cap` or `outranked`. After: `engine.story.steps` tells it.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from engine.compiler.plan import Caps, Policy
from engine.database import Tx
from engine.deliver.caps import LONGEST_SPAN, MOST_DAYS_AHEAD, limits_of
from engine.deliver.rivals import Rival, mails_ahead
from engine.schema import sends
from engine.vocabulary import CAP_HOLDING_SEND, Reason, Stream

Row = Any  # of `engine.story.steps.steps_of`
MOST = 6
A_MOMENT = timedelta(seconds=1)


def who_took_it(tx: Tx, row: Row, policy: Policy) -> Iterator[str]:
    """The caps, what counted towards them, and for a mail that was outranked what else was to go that day."""
    if row.send_reason not in (Reason.CAP, Reason.OUTRANKED):
        return
    yield f"the caps are {in_words(policy.caps)}"
    counted = list(counting(tx, row))
    if counted:
        yield "counted: " + ", ".join(f"{each.email} on {each.cap_on:%a %d %b %Y}" for each in counted)
    if row.send_reason == Reason.OUTRANKED:
        yield from (f"{each.step_id} of {each.cadence} goes before it" for each in rivals(tx, row, policy))


def in_words(caps: Caps) -> str:
    return ", ".join(f"{limit} a {name}" for limit, _days, name in limits_of(caps)) or "none"


def counting(tx: Tx, row: Row) -> Iterator[Row]:
    """The newest first."""
    until = row.sent_at or tx.now
    chosen = sa.select(sends.c.email, sends.c.cap_on).where(
        sends.c.address_key == row.address_key,
        sends.c.stream == Stream.MARKETING,
        sends.c.state.in_(CAP_HOLDING_SEND),
        sends.c.cap_on > (until - timedelta(days=LONGEST_SPAN)).date(),
        sends.c.cap_on <= until.date() + timedelta(days=MOST_DAYS_AHEAD),
    )
    yield from tx.run(chosen.order_by(sends.c.cap_on.desc(), sends.c.id.desc()).limit(MOST))


def rivals(tx: Tx, row: Row, policy: Policy) -> list[Rival]:
    """The mails that go before this one, by the time at which it is tried again."""
    before = (row.send_due_at or tx.now) + A_MOMENT
    return mails_ahead(tx, row.address_key, row.touch_id, policy, before=before)[:MOST]
