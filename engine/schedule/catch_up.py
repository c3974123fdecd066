"""Catching up: what was held up while nothing ran gets new times, little by little and in order, before any of it goes out.

Before: a dispatcher looks for the first time in half an hour or more. After: it claims what is due, as always. Marketing mail
that should have gone out meanwhile waits for its turn, no more an hour than is usual; what is too late by then is skipped, with
its reason. Mail that somebody waits for is never held back, and steps that send nothing go on at once.
"""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from engine.claim import QUARANTINE_AFTER
from engine.database import Tx
from engine.pauses import pauses_seen
from engine.schedule.held_up import HeldUp, Mailed, held_up_sends, held_up_touches, last_mail_of, note_lateness, rewrite
from engine.schedule.hold import marketing_hold
from engine.schedule.progress import EndedTouch, end_touches_that_can
from engine.schedule.spread import HOUR, Hours, hour_of
from engine.schedule.timing import end_of_gap
from engine.schedule.volume import most_per_hour, planned_by_hour
from engine.schema import catch_ups, installation, sends, touches, workers
from engine.sql import insert, rows_at_once
from engine.vocabulary import Reason, SendState, Stream, TouchState

log = logging.getLogger(__name__)

LAST_AT_WORK = "a dispatcher and a worker last ran"
AWAY = timedelta(minutes=30)
OVERDUE = timedelta(hours=1)  # what it takes where nobody knows when something last ran
A_MOMENT = timedelta(minutes=1)
NOTICE = timedelta(minutes=10)  # for somebody to look, before the first mail goes out
LOOK_EVERY = timedelta(minutes=1)
PATIENCE = timedelta(days=7)  # a mail that bears any lateness goes before one whose time runs out later than this
ROOM_TO_SPARE = 0.9  # of what an hour may have, for mail that is planned at short notice
WORKING = ("worker", "up")
LOCK = 0x63617463  # any number, the same for ever, and not that of `engine.migrations`


@dataclass(frozen=True, slots=True, kw_only=True)
class CatchUp:
    """One time that nothing ran for long. `per_hour`: of all marketing mail, None without a limit."""

    id: int
    since: datetime
    found_at: datetime
    mails: int
    skipped: int
    per_hour: int | None
    until: datetime | None
    looked_at: datetime


def keep_pace(tx: Tx) -> None:
    """Notice that nothing ran, give what was held up its times, and note that something runs. Whoever looks, and as often."""
    if marketing_hold(tx) is not None or pauses_seen(tx).stops_stream(Stream.MARKETING):
        return
    take_turn(tx)
    since, one = away_since(tx), current(tx)
    if one is None and tx.run(sa.select(touches.c.id).where(UNPLACED).limit(1)).first() is not None:
        one = reopened(tx)
    if since is not None:
        one = begin(tx, since, one)
    if one is not None and (since is not None or tx.now - one.looked_at >= LOOK_EVERY):
        go_on(tx, one)
    if since is not None and (told := current(tx)) is not None:
        log.warning(
            "nothing ran since %s UTC: %d mails go out later, at most %s an hour in all, and %d were too late; "
            "look with `handraiser catch-up`, the first goes in ten minutes",
            f"{since:%a %d %b %H:%M}", told.mails, told.per_hour, told.skipped,
        )  # fmt: skip
    note_at_work(tx)


def take_turn(tx: Tx) -> None:
    """Dispatchers that come back at once go one after the other: none claims what another is just giving its time."""
    if not tx.is_sqlite:
        tx.run(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))


def away_since(tx: Tx) -> datetime | None:
    """When something last ran, if that is long ago; where nobody noted it, since when mail is overdue."""
    text = tx.run(sa.select(installation.c.value).where(installation.c.name == LAST_AT_WORK)).scalar()
    if text is not None:
        last = datetime.fromisoformat(text)
        return last if tx.now - last >= AWAY else None
    oldest: datetime | None = tx.run(
        sa.select(sa.func.min(touches.c.due_at)).where(touches.c.state == TouchState.WAITING)
    ).scalar()
    return oldest if oldest is not None and tx.now - oldest >= OVERDUE else None


def note_at_work(tx: Tx) -> None:
    """Only while somebody is there to carry things out, or nobody says who is (a run by hand)."""
    alive = tx.run(sa.select(sa.func.count()).where(workers.c.kind.in_(WORKING), workers.c.lease_until >= tx.now)).scalar_one()
    if not alive and tx.run(sa.select(sa.func.count()).select_from(workers)).scalar_one():
        return
    text = tx.now.isoformat()
    stale = sa.or_(installation.c.value < (tx.now - A_MOMENT).isoformat(), installation.c.value > text)
    if tx.run(sa.update(installation).where(installation.c.name == LAST_AT_WORK, stale).values(value=text)).rowcount == 0:
        first = insert(tx, installation).on_conflict_do_nothing(index_elements=["name"])
        tx.run(first, [{"name": LAST_AT_WORK, "value": text}])


def current(tx: Tx) -> CatchUp | None:
    """The one that is not over."""
    chosen = sa.select(catch_ups).where(catch_ups.c.ended_at.is_(None)).order_by(catch_ups.c.id.desc()).limit(1)
    row = tx.run(chosen).first()
    return as_catch_up(row) if row is not None else None


def as_catch_up(row: sa.Row[Any]) -> CatchUp:
    return CatchUp(
        id=row.id,
        since=row.since,
        found_at=row.found_at,
        mails=row.mails,
        skipped=row.skipped,
        per_hour=row.per_hour,
        until=row.until,
        looked_at=row.looked_at,
    )


def reopened(tx: Tx) -> CatchUp | None:
    """Something late came after the last one was over."""
    last = sa.select(sa.func.max(catch_ups.c.id)).scalar_subquery()
    tx.run(sa.update(catch_ups).where(catch_ups.c.id == last).values(ended_at=None))
    return current(tx)


def begin(tx: Tx, since: datetime, known: CatchUp | None) -> CatchUp | None:
    """Write down that nothing ran, where something was held up by it. A second time within one goes on with that."""
    if known is not None:
        tx.run(sa.update(catch_ups).where(catch_ups.c.id == known.id).values(found_at=tx.now))
        return current(tx)
    if not is_overdue(tx, touches, TouchState.WAITING) and not is_overdue(tx, sends, SendState.READY):
        return None
    row = {"since": since, "found_at": tx.now, "mails": 0, "per_hour": most_per_hour(tx, since), "looked_at": tx.now}
    tx.run(sa.insert(catch_ups).values(**row))
    return current(tx)


def is_overdue(tx: Tx, table: sa.Table, state: str) -> bool:
    marketing = [table.c.stream == Stream.MARKETING] if table is sends else []
    overdue = sa.select(table.c.id).where(table.c.state == state, table.c.due_at < tx.now - A_MOMENT, *marketing)
    return tx.run(overdue.limit(1)).first() is not None


def go_on(tx: Tx, one: CatchUp) -> None:
    """Place what has no time yet, until nothing new comes of what is skipped."""
    crowded, hours = too_full(tx, one), None
    placed = skipped = 0
    while True:
        before = one.found_at - A_MOMENT
        found = held_up_touches(tx, overdue(before)) + held_up_sends(tx, sends.c.due_at < before)
        found += held_up_touches(tx, UNPLACED) + crowded
        if not found:
            break
        hours = hours or Hours(one.per_hour and max(1, int(one.per_hour * ROOM_TO_SPARE)), planned_by_hour(tx))
        timed, expired = place(tx, hours, found, first=max(tx.now, one.found_at + NOTICE) if one.per_hour else tx.now)
        rewrite(tx, timed)
        skip(tx, expired)
        placed += sum(each.is_new for each, _at in timed)
        skipped += len(expired)
        crowded = []
    note(tx, one, placed=placed, skipped=skipped)


def overdue(before: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(touches.c.state == TouchState.WAITING, touches.c.due_at < before)


def too_full(tx: Tx, one: CatchUp) -> list[HeldUp]:
    """Ours among the mails of this hour and the next, where others came in since they were given their times."""
    found: list[HeldUp] = []
    if one.per_hour is None:
        return found
    this_hour = hour_of(tx.now)
    planned = planned_by_hour(tx, until=this_hour + 2 * HOUR)
    for hour in (this_hour, this_hour + HOUR):
        surplus = planned[hour] - one.per_hour
        if surplus > 0:
            ours = sa.select(touches.c.id).where(
                touches.c.state == TouchState.WAITING,
                touches.c.reason == Reason.CATCH_UP,
                touches.c.due_at > tx.now,
                touches.c.due_at >= hour,
                touches.c.due_at < hour + HOUR,
            )
            ids = list(tx.run(ours.order_by(touches.c.due_at.desc()).limit(surplus)).scalars())
            found += held_up_touches(tx, touches.c.id.in_(ids)) if ids else []
    return found


Timed = list[tuple[HeldUp, datetime]]


def place(tx: Tx, hours: Hours, found: Sequence[HeldUp], *, first: datetime) -> tuple[Timed, list[HeldUp]]:
    """Times for all of them, whoever's time runs out first before the others; and those that will be too late."""
    timed: Timed = [(each, tx.now) for each in found if not each.is_mail]
    mails = [each for each in found if each.is_mail]
    lately = last_mail_of(tx, {each.lead_id for each in mails}, but_not={each.touch_id for each in mails})
    expired = []
    for each in sorted(mails, key=lambda mail: (mail.deadline or mail.should_be_at + PATIENCE, mail.touch_id)):
        zone, days_off = each.passage.zone, each.passage.days_off
        earliest = max(first, each.earliest)
        earliest = max([earliest, *(end_of_both(each, mail) for mail in lately.get(each.lead_id, []))])
        at = hours.place(earliest, each.window, zone, days_off, until=each.deadline)
        if at is None:
            expired.append(each)
            continue
        lately.setdefault(each.lead_id, []).append(each.mailed(at))
        timed.append((each, at))
    return timed, expired


def end_of_both(each: HeldUp, mail: Mailed) -> datetime:
    """No two mails of a catch-up reach a person within the gap of either's cadence."""
    zone, days_off = each.passage.zone, each.passage.days_off
    return max(end_of_gap(gap, mail.at, zone, days_off) for gap in (each.gap, mail.gap))


def skip(tx: Tx, expired: Sequence[HeldUp]) -> int:
    """End these touches as too late; a mail that was written is cancelled. What comes after knows how late they were."""
    note_lateness(tx, expired)
    send_ids = [each.send_id for each in expired if each.send_id is not None]
    for some in rows_at_once(send_ids):
        over = {"state": SendState.CANCELLED, "reason": Reason.LATE, "ended_at": tx.now, "epoch": sends.c.epoch + 1}
        tx.run(sa.update(sends).where(sends.c.id.in_(some), sends.c.state == SendState.READY).values(over))
    ended = [EndedTouch(touch_id=each.touch_id, state=TouchState.SKIPPED, reason=Reason.LATE) for each in expired]
    lay_aside(tx, end_touches_that_can(tx, ended))
    return len(expired)


def lay_aside(tx: Tx, touch_ids: Collection[int]) -> None:
    """Those that cannot be ended would be found late again and again: they wait for a person (`handraiser set-aside`)."""
    aside = {"due_at": None, "reason": None, "claims": QUARANTINE_AFTER}
    for some in rows_at_once(sorted(touch_ids)):
        tx.run(sa.update(touches).where(touches.c.id.in_(some), touches.c.state == TouchState.WAITING).values(aside))


def let_all_go(tx: Tx) -> int:
    """Lift the limit of the hour: everything goes as soon as its window and the gap to the person's last mail allow."""
    one = current(tx)
    if one is None:
        return 0
    tx.run(sa.update(catch_ups).where(catch_ups.c.id == one.id).values(per_hour=None))
    found = waiting(tx)
    timed, expired = place(tx, Hours(None, {}), [replace(each, earliest=tx.now) for each in found], first=tx.now)
    rewrite(tx, timed)
    note(tx, one, placed=0, skipped=skip(tx, expired))
    return len(timed)


def skip_all(tx: Tx) -> int:
    """Leave out every mail that is still held up, and what follows it and is late as well; returns how many."""
    one, skipped = current(tx), 0
    while one is not None and (found := waiting(tx)):
        skipped += skip(tx, found)
    if one is not None:
        note(tx, one, placed=0, skipped=skipped)
    return skipped


def waiting(tx: Tx) -> list[HeldUp]:
    ours = sa.and_(touches.c.state == TouchState.WAITING, touches.c.reason == Reason.CATCH_UP)
    return held_up_touches(tx, ours) + held_up_sends(tx, sends.c.reason == Reason.CATCH_UP)


def note(tx: Tx, one: CatchUp, *, placed: int, skipped: int) -> None:
    """What is known of it now. It is over when nothing is late any more."""
    ours = sa.select(sa.func.max(touches.c.due_at)).where(touches.c.state == TouchState.WAITING, sa.text("late_by > 0"))
    until = tx.run(ours).scalar()
    is_over = until is None and not placed and not is_still_late(tx)
    tx.run(
        sa.update(catch_ups)
        .where(catch_ups.c.id == one.id)
        .values(
            mails=catch_ups.c.mails + placed,
            skipped=catch_ups.c.skipped + skipped,
            until=until or one.until,
            looked_at=tx.now,
            ended_at=tx.now if is_over else None,
        )
    )


def is_still_late(tx: Tx) -> bool:
    """Whether late mail waits for its time or is under way. The last reads much, and is asked when nothing else is left."""
    states = (TouchState.WAITING, TouchState.CLAIMED, TouchState.SENDING)
    late = [sa.select(touches.c.id).where(touches.c.state == state, sa.text("late_by > 0")) for state in states]
    written = sa.select(sends.c.id).where(sends.c.state == SendState.READY, sends.c.reason == Reason.CATCH_UP)
    return any(tx.run(each.limit(1)).first() is not None for each in (late[0], written, *late[1:]))


UNPLACED = sa.and_(
    touches.c.state == TouchState.WAITING,
    sa.text("late_by > 0"),
    touches.c.due_at.is_(None),
    touches.c.reason == Reason.CATCH_UP,
)
