"""The gate: the one statement that begins a flight, and is the check at the same time.

Before: the messages of a micro-batch are written. After: those it let through fly, and the rest gets its reason
(`engine.deliver.record`). It runs in the transaction that the caller commits before anything is said to a server.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

import sqlalchemy as sa

from engine.compiler.plan import Caps, Policy
from engine.database import Database, Tx
from engine.deliver.caps import LONGEST_SPAN, has_room, next_day_with_room
from engine.deliver.load import Loaded
from engine.deliver.rivals import ahead_of
from engine.prepared import Prepared
from engine.schema import leads, sends
from engine.suppression import stops
from engine.vocabulary import CAP_HOLDING_SEND, Reason, SendState, Stream


class NoRoom(NamedTuple):
    """Why a mail may not go today, and the first day on which it may."""

    reason: Reason
    until: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """What the gate said. In none of these: somebody else has moved the send since, and it is no longer ours.

    `pretended`: they would have flown, and end here.
    """

    through: list[Loaded]
    pretended: list[Loaded]
    suppressed: list[Loaded]
    held_back: list[tuple[Loaded, NoRoom]]


def mark(tx: Tx, batch: Sequence[Loaded], policy: Policy, worker_id: str) -> Marked:
    """Mark as attempting what is still ours, not suppressed and within its caps. No two marketing sends of a batch may be to
    the same address. Exact under concurrency: SQLite has one writer, and on PostgreSQL the leads are locked before counting.
    """
    held_back = without_room(tx, batch, policy)
    open_to = [send for send in batch if send.send_id not in held_back]
    flying = [send for send in open_to if not send.is_shadow]
    through = begin_flights(tx, flying, worker_id) if flying else set()
    pretended = pretend(tx, [send for send in open_to if send.is_shadow], worker_id)
    left = [send for send in open_to if send.send_id not in through | pretended]
    stopped = stopped_of(tx, [send.send_id for send in left], SendState.CLAIMED) if left else set()
    return Marked(
        through=[send for send in open_to if send.send_id in through],
        pretended=[send for send in open_to if send.send_id in pretended],
        suppressed=[send for send in left if send.send_id in stopped],
        held_back=[(send, held_back[send.send_id]) for send in batch if send.send_id in held_back],
    )


def without_room(tx: Tx, batch: Sequence[Loaded], policy: Policy) -> dict[int, NoRoom]:
    """Those that a cap forbids today, by send id, whether it is used up or another mail has the better claim to what is left."""
    caps, limited = policy.caps, [send for send in batch if send.stream == Stream.MARKETING]
    if not limited or caps == Caps(per_day=None, per_week=None, per_month=None):
        return {}
    counted = mails_counted(tx, sorted({send.address_key for send in limited}))
    ahead = ahead_of(tx, limited, policy)
    found = {}
    for send in limited:
        days, today = counted.get(send.address_key, []), send.local_date(tx.now)
        with_those_ahead = [*days, *[today] * ahead.get(send.send_id, 0)]
        if not has_room(with_those_ahead, caps, today):
            reason = Reason.OUTRANKED if has_room(days, caps, today) else Reason.CAP
            found[send.send_id] = NoRoom(reason, next_day_with_room(with_those_ahead, caps, today))
    return found


def mails_counted(tx: Tx, address_keys: Sequence[str]) -> dict[str, list[date]]:
    """The local days of the marketing mails of the last month to each of these addresses, which stay locked till the commit."""
    if not tx.is_sqlite:
        LOCK_LEADS.rows(tx, address_keys=address_keys)
    counted: dict[str, list[date]] = {}
    since = date.fromordinal(tx.now.date().toordinal() - LONGEST_SPAN - 1)
    for row in COUNT.rows(tx, address_keys=address_keys, since=since):
        counted.setdefault(row.address_key, []).append(row.cap_on)
    return counted


def begin_flights(tx: Tx, batch: Sequence[Loaded], worker_id: str) -> set[int]:
    """The mark itself, by compare-and-set on (id, epoch); one statement for each local date in the batch."""
    by_day: dict[date | None, list[Loaded]] = {}
    for send in batch:
        by_day.setdefault(send.local_date(tx.now) if send.stream == Stream.MARKETING else None, []).append(send)
    through: set[int] = set()
    for cap_on, some in by_day.items():
        pairs = [(send.send_id, send.epoch) for send in some]
        marked = MARK.rows(tx, ids=[send.send_id for send in some], pairs=pairs, worker=worker_id, now=tx.now, day=cap_on)
        through.update(row.id for row in marked)
    return through


def pretend(tx: Tx, shadows: Sequence[Loaded], worker_id: str) -> set[int]:
    """The mark of mails that only pretend: the same check, and the end of them."""
    if not shadows:
        return set()
    pairs = [(send.send_id, send.epoch) for send in shadows]
    ended = PRETEND.rows(tx, ids=[send.send_id for send in shadows], pairs=pairs, worker=worker_id, now=tx.now)
    return {row.id for row in ended}


def recheck(database: Database, send_ids: Sequence[int]) -> set[int]:
    """The second look: which of these marked sends a suppression has forbidden since."""
    with database.read() as tx:
        return stopped_of(tx, send_ids, SendState.ATTEMPTING)


def stopped_of(tx: Tx, send_ids: Sequence[int], state: SendState) -> set[int]:
    return {row.id for row in STOPPED.rows(tx, ids=send_ids, state=state)}


LOCK_LEADS = Prepared(
    sa.select(leads.c.id)
    .where(leads.c.address_key.in_(sa.bindparam("address_keys", expanding=True)))
    .order_by(leads.c.id)
    .with_for_update(key_share=True)
)
COUNT = Prepared(
    sa.select(sends.c.address_key, sends.c.cap_on).where(
        sends.c.address_key.in_(sa.bindparam("address_keys", expanding=True)),
        sends.c.cap_on > sa.bindparam("since", type_=sa.Date),
        sends.c.state.in_(CAP_HOLDING_SEND),
    )
)
MAY_GO = sa.and_(
    sends.c.id.in_(sa.bindparam("ids", expanding=True)),
    sa.tuple_(sends.c.id, sends.c.epoch).in_(sa.bindparam("pairs", expanding=True)),
    sends.c.state == SendState.CLAIMED,
    sends.c.worker_id == sa.bindparam("worker"),
    ~stops(sends),
)
WAITED_FOR = sa.func.coalesce(sends.c.reason, sends.c.waited_for)
MARK = Prepared(
    sa.update(sends)
    .where(MAY_GO)
    .values(
        state=SendState.ATTEMPTING,
        attempts=sends.c.attempts + 1,
        attempting_at=sa.bindparam("now"),
        cap_on=sa.bindparam("day"),
        reason=None,
        waited_for=WAITED_FOR,
    )
    .returning(sends.c.id)
)
PRETEND = Prepared(
    sa.update(sends)
    .where(MAY_GO)
    .values(
        state=SendState.CANCELLED,
        reason=Reason.SHADOW,
        waited_for=WAITED_FOR,
        ended_at=sa.bindparam("now"),
        due_at=None,
        worker_id=None,
        lease_until=None,
        claims=0,
    )
    .returning(sends.c.id)
)
STOPPED = Prepared(
    sa.select(sends.c.id).where(
        sends.c.id.in_(sa.bindparam("ids", expanding=True)), sends.c.state == sa.bindparam("state"), stops(sends)
    )
)
