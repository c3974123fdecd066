"""Claiming: no two processes hold a row, whatever is lost comes back, and a late writer is fenced off."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa

from engine.claim import (
    LONGEST_JOB,
    RETRY_AFTER,
    SEND,
    TOUCH,
    Claim,
    begin,
    is_set_aside,
    put_back,
    set_aside,
    sweep,
    take_due,
    take_up_again,
)
from engine.clock import VirtualClock
from engine.database import Database
from engine.schema import sends, touches
from engine.vocabulary import Stream
from tests.factories import add_lead, add_send, add_touch, add_worker

pytestmark = pytest.mark.both_databases
LEASE = timedelta(seconds=30)
WORKER_LEASE = timedelta(seconds=60)


def test_rows_are_claimed_the_longest_due_first_and_not_before_they_are_due(database: Database) -> None:
    with database.write() as tx:
        later = add_touch(tx, due_at=tx.now - timedelta(hours=1))
        sooner = add_touch(tx, due_at=tx.now - timedelta(hours=2))
        add_touch(tx, due_at=tx.now + timedelta(seconds=1))

        first = take_due(tx, TOUCH, limit=1, lease=LEASE)
        rest = take_due(tx, TOUCH, limit=10, lease=LEASE)

    assert (first, rest) == ([(sooner, 1)], [(later, 1)])


def test_two_claimers_at_once_never_hold_the_same_row(database: Database) -> None:
    with database.write() as tx:
        lead = add_lead(tx)
        due = {add_send(tx, lead_id=lead) for _ in range(60)}

    def claim_all(_claimer: int) -> list[Claim]:
        taken: list[Claim] = []
        while claims := take_some(database):
            taken += claims
        return taken

    with ThreadPoolExecutor(4) as claimers:
        taken = [row_id for claims in claimers.map(claim_all, range(4)) for row_id, _epoch in claims]

    assert sorted(taken) == sorted(due)


def test_only_narrows_a_claim(database: Database) -> None:
    with database.write() as tx:
        add_send(tx, stream=Stream.MARKETING)
        wanted = add_send(tx, stream=Stream.TRANSACTIONAL)

        claims = take_due(tx, SEND, limit=10, lease=LEASE, only=sends.c.stream == Stream.TRANSACTIONAL)

    assert claims == [(wanted, 1)]


def test_a_job_that_arrives_twice_begins_once(database: Database) -> None:
    claims = claimed_touch(database)

    with database.write() as tx:
        first = begin(tx, TOUCH, claims, worker_id="a")
        second = begin(tx, TOUCH, claims, worker_id="b")

    assert (len(first), second) == (1, set())


def test_a_row_lost_in_a_queue_comes_back_when_its_lease_runs_out(database: Database, clock: VirtualClock) -> None:
    claims = claimed_touch(database)

    clock.move_to(clock.now() + LEASE)
    with database.write() as tx:
        too_early = sweep(tx, TOUCH)
    clock.move_to(clock.now() + timedelta(seconds=1))
    with database.write() as tx:
        swept = sweep(tx, TOUCH)
        late = begin(tx, TOUCH, claims, worker_id="late")
        state, counted = tx.run(sa.select(touches.c.state, touches.c.claims)).one()

    assert (too_early, swept, late) == (0, 1, set())
    assert (state, counted) == ("waiting", 0), "what was never tried does not count as a try"


def test_a_row_that_a_worker_began_comes_back_only_when_that_worker_is_dead(database: Database, clock: VirtualClock) -> None:
    claims = claimed_touch(database)
    with database.write() as tx:
        add_worker(tx, id="a", lease_until=tx.now + WORKER_LEASE)
        begin(tx, TOUCH, claims, worker_id="a")

    clock.move_to(clock.now() + WORKER_LEASE)
    with database.write() as tx:
        alive = sweep(tx, TOUCH)
    clock.move_to(clock.now() + timedelta(seconds=1))
    with database.write() as tx:
        dead = sweep(tx, TOUCH)

    assert (alive, dead) == (0, 1)


def test_a_row_that_a_living_worker_forgot_comes_back_in_the_end(database: Database, clock: VirtualClock) -> None:
    claims = claimed_touch(database)
    with database.write() as tx:
        add_worker(tx, id="a", lease_until=tx.now + timedelta(days=1))
        begin(tx, TOUCH, claims, worker_id="a")

    clock.move_to(clock.now() + LONGEST_JOB + timedelta(seconds=1))
    with database.write() as tx:
        swept = sweep(tx, TOUCH)

    assert swept == 1


def test_a_row_that_kills_three_workers_waits_for_a_person(database: Database, clock: VirtualClock) -> None:
    claimed_touch(database)

    for _ in range(3):
        with database.write() as tx:
            begin(tx, TOUCH, held_claims(database), worker_id="gone")
            sweep(tx, TOUCH)
        clock.move_to(clock.now() + RETRY_AFTER)
        claims = take_some_touches(database)
    with database.read() as tx:
        named = tx.run(sa.select(sa.func.count()).select_from(touches).where(is_set_aside(TOUCH))).scalar_one()
    with database.write() as tx:
        released = take_up_again(tx, TOUCH)

    assert (claims, named, released) == ([], 1, 1)
    assert len(take_some_touches(database)) == 1


def test_a_row_no_queue_would_take_is_due_again_at_once_and_uncounted(database: Database) -> None:
    claims = claimed_touch(database)

    with database.write() as tx:
        put_back(tx, TOUCH, claims)
        again = take_due(tx, TOUCH, limit=1, lease=LEASE)
        counted = tx.run(sa.select(touches.c.claims)).scalar_one()

    assert [row_id for row_id, _epoch in again] == [claims[0][0]]
    assert counted == 1


def test_a_row_on_which_a_verb_fails_is_tried_three_times(database: Database, clock: VirtualClock) -> None:
    tried = []
    claimed_touch(database)

    for _ in range(4):
        with database.write() as tx:
            claims = held_claims(database)
            tried.append(len(begin(tx, TOUCH, claims, worker_id="a")))
            set_aside(tx, TOUCH, claims)
        clock.move_to(clock.now() + timedelta(minutes=1))
        take_some_touches(database)

    assert tried == [1, 1, 1, 0]


def claimed_touch(database: Database) -> list[Claim]:
    with database.write() as tx:
        add_touch(tx)
    return take_some_touches(database)


def take_some_touches(database: Database) -> list[Claim]:
    with database.write() as tx:
        return take_due(tx, TOUCH, limit=1, lease=LEASE)


def take_some(database: Database) -> list[Claim]:
    with database.write() as tx:
        return take_due(tx, SEND, limit=7, lease=LEASE)


def held_claims(database: Database) -> list[Claim]:
    with database.read() as tx:
        rows = tx.run(sa.select(touches.c.id, touches.c.epoch).where(touches.c.state == "claimed"))
        return [(row.id, row.epoch) for row in rows]
