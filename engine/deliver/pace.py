"""Pacing: a recipient domain gets so many mails an hour and no more, over all workers; the rest of its mail comes at its turn.

Before: `relays.yaml` limits a domain, and the gate is about to mark mails to it. After: those that find room are marked, others
come back later. This is the generic cell rate algorithm: all that went is one instant a domain, as far as its hours are used up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from engine.compiler.plan import Policy
from engine.database import Tx
from engine.deliver.load import Loaded
from engine.prepared import Prepared, PreparedInsert
from engine.schema import domain_states
from engine.vocabulary import Reason, Stream

HOUR = timedelta(hours=1)
IDLE = timedelta(seconds=30)
SHARE_AT_ONCE = 20  # of an hour's mails one in so many may go at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """One mail each `every`, but some at once as long as they are not ahead of that by more than `slack`."""

    every: timedelta
    slack: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How far the hours of a domain are used up, and how far those that wait were given their turns."""

    paced_until: datetime
    queued_until: datetime


def pace_of(per_hour: int) -> Pace:
    """So that any hour whatever holds `per_hour` at most: those that go at once count towards it."""
    at_once = 1 if per_hour == 1 else max(2, per_hour // SHARE_AT_ONCE)
    microseconds = -(-HOUR // timedelta(microseconds=per_hour - at_once + 1))
    every = timedelta(microseconds=microseconds)
    return Pace(every=every, slack=every * (at_once - 1))


def given_turns(room: Room, pace: Pace, mails: Sequence[Loaded], now: datetime) -> tuple[Room, dict[int, datetime]]:
    """The room that is left, and {send id: its turn} of those that find none. What somebody waits for always goes, and counts.

    A mail that waited and whose turn has come goes before one that is new, unless the queue has nothing in it any more.
    """
    free, queued = max(room.paced_until, now), max(room.queued_until, now)
    if now - room.paced_until > max(3 * pace.every, IDLE):
        queued = now
    turns: dict[int, datetime] = {}
    for send in sorted(mails, key=lambda mail: (mail.stream == Stream.MARKETING, mail.reason != Reason.PACED)):
        may_go = send.reason == Reason.PACED or queued <= now
        if send.stream != Stream.MARKETING or (may_go and free - now <= pace.slack):
            free = min(free + pace.every, now + HOUR + pace.slack)
        else:
            turns[send.send_id] = queued = max(queued, free)
            queued += pace.every
    return Room(paced_until=free, queued_until=queued), turns


def without_turn(tx: Tx, batch: Sequence[Loaded], policy: Policy) -> dict[int, datetime]:
    """{send id: when it may come again} of those for which their domain has no room now; the others have taken theirs.

    The domains stay locked till the commit, in the order of their names.
    """
    paces = {domain: pace for domain in {send.domain for send in batch} if (pace := pace_for(domain, policy)) is not None}
    if not paces:
        return {}
    found: dict[int, datetime] = {}
    rooms = {}
    for domain, room in rooms_of(tx, sorted(paces)).items():
        mails = [send for send in batch if send.domain == domain]
        rooms[domain], turns = given_turns(room, paces[domain], mails, tx.now)
        found.update(turns)
    TAKE.run_each(tx, [row_of(domain, room) for domain, room in rooms.items()])
    return found


def follow_edit(tx: Tx, before: Policy, after: Policy) -> None:
    """The room that was taken stays taken, as much of it as the new limit means by so many mails, though not for longer than the
    hour in which they count; who queued may queue anew. The domains are locked in the order of their names, as marks do.
    """
    chosen = sa.select(domain_states.c.domain, domain_states.c.paced_until).order_by(domain_states.c.domain).with_for_update()
    changed = [row for row in tx.run(chosen).all() if before.limit_for(row.domain) != after.limit_for(row.domain)]
    TAKE.run_each(
        tx,
        [
            row_of(row.domain, Room(paced_until=scaled(row.paced_until, row.domain, before, after, tx.now), queued_until=tx.now))
            for row in changed
        ],
    )


def scaled(until: datetime | None, domain: str, before: Policy, after: Policy, now: datetime) -> datetime:
    old, new = pace_for(domain, before), pace_for(domain, after)
    if until is None or until <= now or old is None or new is None:
        return until or now - HOUR
    return min(now + (until - now) * (new.every / old.every), now + HOUR)


def pace_for(domain: str, policy: Policy) -> Pace | None:
    limit = policy.limit_for(domain)
    return pace_of(limit.per_hour) if limit is not None and limit.per_hour is not None else None


def rooms_of(tx: Tx, domains: Sequence[str]) -> Mapping[str, Room]:
    NEW.run(tx, [(domain,) for domain in domains])
    rows = (KNOWN if tx.is_sqlite else LOCKED).rows(tx, domains=domains)
    if len(rows) < len(domains):  # one was forgotten between the two statements
        return rooms_of(tx, domains)
    return {
        row.domain: Room(paced_until=row.paced_until or tx.now - HOUR, queued_until=row.queued_until or tx.now) for row in rows
    }


def row_of(domain: str, room: Room) -> dict[str, object]:
    return {"of_domain": domain, "paced": room.paced_until, "queued": room.queued_until}


NEW = PreparedInsert(domain_states, ("domain",), unless=("domain",))
CHOSEN = (
    sa.select(domain_states.c.domain, domain_states.c.paced_until, domain_states.c.queued_until)
    .where(domain_states.c.domain.in_(sa.bindparam("domains", expanding=True)))
    .order_by(domain_states.c.domain)
)
KNOWN, LOCKED = Prepared(CHOSEN), Prepared(CHOSEN.with_for_update())
TAKE = Prepared(
    sa.update(domain_states)
    .where(domain_states.c.domain == sa.bindparam("of_domain"))
    .values(
        paced_until=sa.bindparam("paced", type_=domain_states.c.paced_until.type),
        queued_until=sa.bindparam("queued", type_=domain_states.c.queued_until.type),
    )
)
