"""Limits by recipient domain: never one mail more in any hour, however many workers there are, and a queue that moves on."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
import sqlalchemy as sa

from engine.claim import SEND, Claim, take_due
from engine.clock import VirtualClock
from engine.compiler.relay import OTHERS, DomainLimit
from engine.database import Database
from engine.deliver.gate import mark
from engine.deliver.load import load_sends
from engine.deliver.pace import HOUR, Room, given_turns, pace_of
from engine.deliver.record import record_held
from engine.deliver.send import deliver
from engine.schema import domain_states, sends
from engine.simulate.sink import Sink
from engine.versions import live_rules
from engine.vocabulary import Reason, SendState, Stream
from tests.deliver.given import WORKER, a_policy, add_mail, add_workspace, deliver_begun, runtime_over, send_of
from tests.factories import add_lead

NINE = datetime(2026, 1, 5, 9, tzinfo=UTC)
TEN_AN_HOUR = {"slow.example": DomainLimit(per_hour=10)}


@pytest.mark.parametrize("per_hour", [1, 2, 3, 7, 10, 59, 500, 3_000])
def test_any_hour_whatever_holds_no_more_than_the_limit(per_hour: int) -> None:
    pace, draw = pace_of(per_hour), Random(per_hour)
    room, now, went = Room(paced_until=NINE - HOUR, queued_until=NINE), NINE, []
    for _ in range(4 * per_hour):
        now += pace.every * draw.choice((0, 0, 0, 0.5, 1, 1))
        if room.paced_until - now <= pace.slack:
            room = Room(paced_until=max(room.paced_until, now) + pace.every, queued_until=now)
            went.append(now)

    assert all(later - earlier >= HOUR for earlier, later in zip(went, went[per_hour:], strict=False))
    assert len(went) >= 0.9 * per_hour * ((now - NINE) / HOUR) or per_hour < 20


def test_those_without_room_get_a_turn_each_and_take_it(sqlite_database: Database, clock: VirtualClock, tmp_path: Path) -> None:
    database = sqlite_database
    with database.write() as tx:
        version_id = add_workspace(tx, limits=TEN_AN_HOUR)
        claims = [add_mail(tx, version_id, lead_id=add_lead(tx, email=f"r{n}@slow.example")) for n in range(20)]
        free = add_mail(tx, version_id)
    sink = Sink()

    with runtime_over(database, sink, tmp_path) as runtime:
        deliver_begun(runtime, [*claims, free])
        waiting = {claim[0]: send_of(database, claim[0]) for claim in claims}
        tries, hours = 1, 0
        while (due := [row.due_at for row in waiting.values() if row.state == SendState.READY]) and hours < 30:
            clock.move_to(max(min(due), clock.now()))
            tries += len(due_now := take(database))
            deliver(runtime, due_now)
            waiting, hours = {claim[0]: send_of(database, claim[0]) for claim in claims}, hours + 1

    assert send_of(database, free[0]).state == SendState.ACCEPTED
    assert [row.state for row in waiting.values()] == [SendState.ACCEPTED] * 20
    assert {row.waited_for for row in waiting.values()} == {None, Reason.PACED}
    times = sorted(row.attempting_at for row in waiting.values())
    assert all(later - earlier >= HOUR for earlier, later in zip(times, times[10:], strict=False))
    assert [row.attempting_at for row in waiting.values()] == times, "the queue keeps its order"
    assert tries <= 21 + 3


def take(database: Database) -> list[Claim]:
    with database.write() as tx:
        return take_due(tx, SEND, limit=100, lease=timedelta(minutes=1))


def test_what_somebody_waits_for_goes_at_once_and_counts(sqlite_database: Database) -> None:
    with sqlite_database.write() as tx:
        [mail] = load_sends(tx, [add_mail(tx, add_workspace(tx))], live_rules(tx))
        awaited = [replace(mail, send_id=n, stream=Stream.TRANSACTIONAL) for n in (101, 102)]

        room, turns = given_turns(Room(paced_until=tx.now - HOUR, queued_until=tx.now), pace_of(1), [mail, *awaited], tx.now)

        assert turns == {mail.send_id: tx.now + HOUR}
        assert room.paced_until == tx.now + HOUR, "an hour is the longest that others wait for it"


def test_a_queue_in_which_nothing_is_left_stops_nobody(sqlite_database: Database) -> None:
    with sqlite_database.write() as tx:
        version_id = add_workspace(tx)
        [send] = load_sends(tx, [add_mail(tx, version_id)], live_rules(tx))
        phantom = Room(paced_until=tx.now - timedelta(minutes=30), queued_until=tx.now + timedelta(days=1))

        _room, turns = given_turns(phantom, pace_of(500), [send], tx.now)

    assert turns == {}


@pytest.mark.both_databases
def test_eight_workers_at_once_never_exceed_a_limit(database: Database) -> None:
    """The gate alone, since that is where it is decided; 640 mails to a domain that bears 100 an hour."""
    with database.write() as tx:
        version_id = add_workspace(tx, limits={OTHERS: DomainLimit(per_hour=100)})
        shares = [
            [add_mail(tx, version_id, lead_id=add_lead(tx, email=f"w{worker}n{n}@busy.example")) for n in range(40)]
            for worker in range(8)
        ]

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda claims: mark_in_batches(database, claims), shares))

    with database.read() as tx:
        marked = tx.run(sa.select(sa.func.count()).where(sends.c.state == SendState.ATTEMPTING)).scalar_one()
        due = sorted(tx.run(sa.select(sends.c.due_at).where(sends.c.state == SendState.READY)).scalars())
        rows = tx.run(sa.select(domain_states.c.domain)).scalars().all()
    assert marked == 5, "a twentieth of an hour's mails at once"
    assert len(due) == 315
    assert min(later - earlier for earlier, later in pairwise(due)) >= pace_of(100).every
    assert rows == ["busy.example"]


def mark_in_batches(database: Database, claims: list[Claim]) -> None:
    policy = a_policy(limits={OTHERS: DomainLimit(per_hour=100)})
    for start in range(0, len(claims), 8):
        with database.write() as tx:
            marked = mark(tx, load_sends(tx, claims[start : start + 8], live_rules(tx)), policy, WORKER)
            record_held(tx, marked.held)
