"""Room: whose caps allow one more marketing mail today, exactly, however many workers ask.

Before: `engine.deliver.gate` is about to mark a batch. After: those without room wait for a day with some, or are dropped.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa

from engine.compiler.plan import Caps, Policy
from engine.database import Tx
from engine.deliver.caps import LONGEST_SPAN, MOST_DAYS_AHEAD, has_room, next_day_with_room
from engine.deliver.load import Loaded
from engine.deliver.rivals import ahead_of
from engine.prepared import Prepared
from engine.schema import leads, sends
from engine.vocabulary import CAP_HOLDING_SEND, Reason, Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class NoRoom:
    """Why a mail may not go today, and the first day on which it may."""

    reason: Reason
    until: date


def without_room(tx: Tx, batch: Sequence[Loaded], policy: Policy) -> dict[int, NoRoom]:
    """Those that a cap forbids today, by send id, whether it is used up or another mail has the better claim to what is left."""
    caps, limited = policy.caps, [send for send in batch if send.stream == Stream.MARKETING]
    if not limited or caps == Caps(per_day=None, per_week=None, per_month=None):
        return {}
    counted = mails_counted(tx, sorted({send.address_key for send in limited}))
    ahead = ahead_of(tx, limited, policy)
    found = {}
    for send in limited:
        days, today = [day_of(mail, send) for mail in counted.get(send.address_key, [])], send.local_date(tx.now)
        with_those_ahead = [*days, *[today] * ahead.get(send.send_id, 0)]
        if not has_room(with_those_ahead, caps, today):
            reason = Reason.OUTRANKED if has_room(days, caps, today) else Reason.CAP
            found[send.send_id] = NoRoom(reason=reason, until=next_day_with_room(with_those_ahead, caps, today))
    return found


def day_of(mail: sa.Row[Any], send: Loaded) -> date:
    """The day on which a mail counts for this lead: by its own clock, and not before the day on which another had it."""
    cap_on: date = mail.cap_on
    return cap_on if mail.attempting_at is None else max(cap_on, send.local_date(mail.attempting_at))


def mails_counted(tx: Tx, address_keys: Sequence[str]) -> dict[str, list[sa.Row[Any]]]:
    """The marketing mails of the last month to each of these addresses, which stay locked till the commit."""
    if not tx.is_sqlite:
        LOCK_LEADS.rows(tx, address_keys=address_keys)
    counted: dict[str, list[sa.Row[Any]]] = {}
    since = tx.now.date() - timedelta(days=LONGEST_SPAN + 1 + MOST_DAYS_AHEAD)
    for row in COUNT.rows(tx, address_keys=address_keys, since=since):
        counted.setdefault(row.address_key, []).append(row)
    return counted


LOCK_LEADS = Prepared(
    sa.select(leads.c.id)
    .where(leads.c.address_key.in_(sa.bindparam("address_keys", expanding=True)))
    .order_by(leads.c.id)
    .with_for_update(key_share=True)
)
COUNT = Prepared(
    sa.select(sends.c.address_key, sends.c.cap_on, sends.c.attempting_at).where(
        sends.c.address_key.in_(sa.bindparam("address_keys", expanding=True)),
        sends.c.cap_on > sa.bindparam("since", type_=sa.Date),
        sends.c.state.in_(CAP_HOLDING_SEND),
    )
)
