"""The gate: the one statement that begins a flight, and is the check at the same time.

Before: the messages of a micro-batch are written. After: those it let through fly, and the rest gets its reason
(`engine.deliver.record`). It runs in the transaction that the caller commits before anything is said to a server.

Who else locks several of these rows at once does so in the same order: leads, passages, recipient domains, relays, mails.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import sqlalchemy as sa

from engine import claim
from engine.compiler.plan import Policy
from engine.database import Database, Tx
from engine.deliver.breaker import PROBE_TAKES, Key
from engine.deliver.fates import OWN_LIMITS, SOON, is_held_too_long
from engine.deliver.flights import Ready
from engine.deliver.load import Loaded
from engine.deliver.openings import in_its_window, opening_on
from engine.deliver.pace import pace_for, without_turn
from engine.deliver.room import without_room
from engine.deliver.warm_up import count_mails
from engine.deliver.ways import Held, Ways, begin_probes, choose_probes, find_ways, is_stopped
from engine.deliver.wire import NotBegun, Stopped
from engine.pauses import pauses_seen
from engine.prepared import Prepared
from engine.schema import sends
from engine.suppression import stops
from engine.vocabulary import Reason, SendState, Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """What the gate said. In none of these: somebody else has moved the send since, and it is no longer ours.

    `relays`: {send id: through which it goes}; of those `elsewhere` it is another than the one at which they hold room, so they
    are not marked yet. `shadows` would have flown, and only pretend; `over` are those that never go.
    `in_trouble`: which relays and routes are. `at`: when it was said.
    """

    through: list[Loaded]
    relays: dict[int, str]
    elsewhere: dict[int, str]
    held: list[tuple[Loaded, Held]]
    shadows: list[Loaded]
    over: list[tuple[Loaded, Reason]]
    in_trouble: frozenset[Key]
    at: datetime


def mark(tx: Tx, batch: Sequence[Loaded], policy: Policy, worker_id: str, *, room_at: str | None = None) -> Marked:
    """Mark as attempting what is still ours, not suppressed, within its caps and limits, and has a relay that is open. No two
    marketing sends of a batch may be to the same address. Exact under concurrency: SQLite has one writer, and on PostgreSQL what
    is counted is locked first. `room_at`: the relay at which they hold room; None: they need none.
    """
    ways = find_ways(tx, batch, policy)
    elsewhere = {} if room_at is None else ways.drop_other_than(room_at)
    batch = [send for send in batch if send.send_id not in elsewhere]
    held = ways.held
    held |= over_caps(tx, [send for send in batch if send.send_id not in held], policy)
    flying = [send for send in batch if send.send_id not in held and not send.is_shadow]
    held |= behind_probes(tx, ways, flying, policy)
    held |= out_of_turn(tx, [send for send in flying if send.send_id not in held], policy)
    held |= begin_probes(tx, ways, {send.send_id for send in flying if send.send_id not in held})
    flying = [send for send in flying if send.send_id not in held]
    through = begin_flights(tx, flying, ways, worker_id) if flying else set()
    count_warming(tx, policy, ways, through)
    held |= soon_where_room_is_left(tx.now, batch, ways, through)
    left = [send for send in flying if send.send_id not in through]
    suppressed = stopped_of(tx, [send.send_id for send in left], SendState.CLAIMED) if left else set()
    waiting = [(send, why, end_of(send, why, policy, tx.now)) for send in batch if (why := held.get(send.send_id)) is not None]
    return Marked(
        through=[send for send in flying if send.send_id in through],
        relays=ways.relays,
        elsewhere=elsewhere,
        held=[(send, why) for send, why, end in waiting if end is None],
        shadows=[send for send in batch if send.is_shadow and send.send_id not in held],
        over=[(send, end) for send, _why, end in waiting if end is not None]
        + [(send, Reason.SUPPRESSED) for send in left if send.send_id in suppressed],
        in_trouble=ways.in_trouble,
        at=tx.now,
    )


def end_of(send: Loaded, why: Held, policy: Policy, now: datetime) -> Reason | None:
    """Why the mail ends here and does not wait on: for want of room, or because it has waited for too long.

    Where others are just finding out how its relay or domain is, it waits for that.
    """
    if why.reason in (Reason.CAP, Reason.OUTRANKED):
        return why.reason if policy.between.loser == "drop" else None
    is_asked = why.due_at - now <= PROBE_TAKES
    return Reason.TOO_OLD if not is_asked and is_held_too_long(send.held_since, send.reason, why.reason, now) else None


def over_caps(tx: Tx, batch: Sequence[Loaded], policy: Policy) -> dict[int, Held]:
    found, send_of = without_room(tx, batch, policy), {send.send_id: send for send in batch}
    return {send_id: Held(reason=room.reason, due_at=opening_on(room.until, send_of[send_id])) for send_id, room in found.items()}


def out_of_turn(tx: Tx, flying: Sequence[Loaded], policy: Policy) -> dict[int, Held]:
    turns, send_of = without_turn(tx, flying, policy), {send.send_id: send for send in flying}
    return {send_id: Held(reason=Reason.PACED, due_at=in_its_window(send_of[send_id], turn)) for send_id, turn in turns.items()}


def behind_probes(tx: Tx, ways: Ways, flying: Sequence[Loaded], policy: Policy) -> dict[int, Held]:
    """Before any of them takes its domain's turn: what could find out how something is and waits for the one that does."""
    if not ways.probing:
        return {}
    stopped = stopped_of(tx, [send.send_id for send in flying], SendState.CLAIMED)
    free = [send.send_id for send in flying if pace_for(send.domain, policy) is None]
    limited = [send.send_id for send in flying if pace_for(send.domain, policy) is not None]
    return choose_probes(tx.now, ways, [send_id for send_id in (*free, *limited) if send_id not in stopped])


def count_warming(tx: Tx, policy: Policy, ways: Ways, through: set[int]) -> None:
    warming = {relay.name for relay in policy.relays if relay.warm_up is not None}
    if warming:
        count_mails(tx, policy, Counter(ways.relays[send_id] for send_id in through if ways.relays[send_id] in warming))


def soon_where_room_is_left(now: datetime, batch: Sequence[Loaded], ways: Ways, through: set[int]) -> dict[int, Held]:
    """Mails before these were to have the room of a warm-up, and then met a cap or a suppression."""
    carried = Counter(ways.relays[send_id] for send_id in through)
    has_room = {name for name, room in ways.rooms.items() if carried[name] < min(room, ways.taken[name])}
    full = [send for send in batch if send.send_id in ways.held and ways.held[send.send_id].reason == Reason.WARM_UP]
    soon = [send for send in full if has_room.intersection(send.relays)]
    return {send.send_id: Held(reason=Reason.WARM_UP, due_at=in_its_window(send, now + SOON)) for send in soon}


def begin_flights(tx: Tx, batch: Sequence[Loaded], ways: Ways, worker_id: str) -> set[int]:
    """The mark itself, by compare-and-set on (id, epoch); one statement for each local date and relay in the batch."""
    alike: dict[tuple[date | None, str], list[Loaded]] = {}
    for send in batch:
        cap_on = send.local_date(tx.now) if send.stream == Stream.MARKETING else None
        alike.setdefault((cap_on, ways.relays[send.send_id]), []).append(send)
    through: set[int] = set()
    for (cap_on, relay), some in alike.items():
        ours = [(send.send_id, send.epoch) for send in some]
        marked = MARK.rows(tx, **claim.these(ours), worker=worker_id, now=tx.now, day=cap_on, through=relay)
        through.update(row.id for row in marked)
    return through


def pretend(tx: Tx, shadows: Sequence[Loaded], worker_id: str) -> set[int]:
    """The mark of mails that only pretend: the same check, and the end of them."""
    ended = PRETEND.rows(tx, **claim.these([(send.send_id, send.epoch) for send in shadows]), worker=worker_id, now=tx.now)
    return {row.id for row in ended}


def recheck(database: Database, marked: Mapping[int, Ready], send_ids: Sequence[int]) -> dict[int, Stopped | NotBegun]:
    """The second look: what becomes of those that a suppression has forbidden since they were marked, or a person holds back."""
    with database.read() as tx:
        suppressed, pauses = stopped_of(tx, send_ids, SendState.ATTEMPTING), pauses_seen(tx)
    ours = [marked[send_id] for send_id in send_ids]
    held = [one.send for one in ours if is_stopped(one.send, pauses) or pauses.stops_relay(one.flight.relay)]
    return {send.send_id: NotBegun(reply="held back by a person") for send in held} | dict.fromkeys(suppressed, Stopped())


def stopped_of(tx: Tx, send_ids: Sequence[int], state: SendState) -> set[int]:
    return {row.id for row in STOPPED.rows(tx, ids=send_ids, state=state)}


MAY_GO = sa.and_(
    claim.held(sends),
    sa.or_(sends.c.worker_id.is_(None), sends.c.worker_id == sa.bindparam("worker")),
    ~stops(sends),
)
# How long it waited for room of our own says nothing of how long a server will not have it.
IN_TROUBLE_SINCE = sa.case((sa.or_(*(sends.c.reason == reason for reason in OWN_LIMITS)), sa.null()), else_=sends.c.held_since)
WAITED_FOR = sa.func.coalesce(sends.c.reason, sends.c.waited_for)
MARK = Prepared(
    sa.update(sends)
    .where(MAY_GO)
    .values(
        state=SendState.ATTEMPTING,
        worker_id=sa.bindparam("worker"),
        attempts=sends.c.attempts + 1,
        attempting_at=sa.bindparam("now"),
        cap_on=sa.bindparam("day"),
        relay=sa.bindparam("through"),
        held_since=IN_TROUBLE_SINCE,
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
