"""What a person holds back, and what becomes of it when it goes on."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Event

import pytest
import sqlalchemy as sa

from engine.clock import VirtualClock
from engine.database import Database, Tx
from engine.pauses import pauses_now, pauses_seen
from engine.schedule.enrol import enrol_leads
from engine.schedule.leave import resume as give_back
from engine.schedule.leave import suspend
from engine.schedule.pause import keep_still, pause, resume
from engine.schema import enrolments, handoffs, pauses, touches
from engine.vocabulary import PauseKind, Stream
from tests.factories import add_lead, insert
from tests.schedule.plans import apply, at, cadence, email

BOTH = pytest.mark.both_databases


@BOTH
def test_a_pause_stops_what_it_names_and_nothing_else(database: Database) -> None:
    with database.write() as tx:
        pause(tx, PauseKind.DOMAIN, "example.com")
        pause(tx, PauseKind.CADENCE, "winter")
        pause(tx, PauseKind.RELAY, "bulk")

        held = pauses_now(tx)

    assert held.stops(Stream.TRANSACTIONAL, domain="Example.COM")
    assert held.stops(Stream.MARKETING, cadence="winter", domain="example.org")
    assert not held.stops(Stream.MARKETING, cadence="summer", domain="example.org")
    assert not held.stops(Stream.INTERNAL, domain="example.org")
    assert held.stops_relay("bulk") and not held.stops_relay("main")


@BOTH
@pytest.mark.parametrize(("kind", "stopped"), [(PauseKind.ALL, 3), (PauseKind.RESTORED, 3), (PauseKind.MARKETING, 1)])
def test_a_pause_of_much_stops_these_streams(database: Database, kind: PauseKind, stopped: int) -> None:
    with database.write() as tx:
        pause(tx, kind)

        held = pauses_now(tx)

    assert sum(held.stops(stream) for stream in Stream) == stopped
    assert held.stops(Stream.MARKETING)


@BOTH
def test_pausing_and_resuming_twice_is_as_good_as_once(database: Database, clock: VirtualClock) -> None:
    with database.write() as tx:
        assert pause(tx, PauseKind.ALL, note="a wrong price")
    clock.move_to(clock.now() + timedelta(hours=1))
    with database.write() as tx:
        assert not pause(tx, PauseKind.ALL, note="again")

        held = resume(tx, PauseKind.ALL)

        assert held is not None and (held.since, held.note) == (clock.now() - timedelta(hours=1), "a wrong price")
        assert resume(tx, PauseKind.ALL) is None
        assert not pauses_seen(tx).held


def test_a_pause_waits_for_a_mark_and_a_mark_for_a_pause(postgres_database: Database) -> None:
    asked, paused, seen = Event(), Event(), []

    def press() -> None:
        with postgres_database.write() as tx:
            pause(tx, PauseKind.ALL)
            paused.set()
            asked.wait(5)

    def mark() -> None:
        asked.set()
        with postgres_database.write() as tx:
            seen.append(pauses_now(tx).stops_all)

    with ThreadPoolExecutor(2) as threads:
        with postgres_database.write() as tx:
            assert not pauses_now(tx).held
            pressing = threads.submit(press)
            assert not paused.wait(0.3)  # what this transaction marks is marked before the pause
        assert paused.wait(5)
        threads.submit(mark).result(5)
        pressing.result(5)

    assert seen == [True]


@BOTH
def test_a_paused_cadence_stands_still_and_goes_on_later_by_its_days(database: Database, clock: VirtualClock) -> None:
    with database.write() as tx:
        apply(tx, cadence(email("one", at("10 days"))), cadence(email("two", at("10 days")), name="other"))
        leads = [add_lead(tx) for _ in range(3)]
        enrol_leads(tx, "new-enquiry", leads)
        enrol_leads(tx, "other", leads)
        pause(tx, PauseKind.CADENCE, "new-enquiry")
        assert keep_still(tx) == 3
        assert keep_still(tx) == 0
        assert due(tx) == {"new-enquiry": {None}, "other": {datetime(2026, 1, 15, 9, tzinfo=UTC)}}
    clock.move_to(clock.now() + timedelta(days=30))

    with database.write() as tx:
        resume(tx, PauseKind.CADENCE, "new-enquiry")
        while keep_still(tx):
            pass

        assert due(tx)["new-enquiry"] == {datetime(2026, 2, 16, 9, tzinfo=UTC)}
        assert not tx.run(sa.select(pauses)).all()


@BOTH
def test_a_lead_that_sales_has_goes_on_only_when_neither_holds_it(database: Database, clock: VirtualClock) -> None:
    with database.write() as tx:
        apply(tx, cadence(email("one", at("10 days"))))
        first, second = add_lead(tx), add_lead(tx)
        enrol_leads(tx, "new-enquiry", [first, second])
        for lead_id in (first, second):
            raise_hand_of(tx, lead_id)
        suspend(tx, [first, second])
    clock.move_to(clock.now() + timedelta(days=2))
    with database.write() as tx:
        pause(tx, PauseKind.CADENCE, "new-enquiry")
        keep_still(tx)
        decline(tx, first)
        give_back(tx, [first])
        assert states(tx) == {first: "suspended", second: "suspended"}
    clock.move_to(clock.now() + timedelta(days=3))

    with database.write() as tx:
        resume(tx, PauseKind.CADENCE, "new-enquiry")
        while keep_still(tx):
            pass

        assert states(tx) == {first: "active", second: "suspended"}
        assert tx.run(sa.select(enrolments.c.shift_days).where(enrolments.c.lead_id == first)).scalar_one() == 5
        decline(tx, second)
        give_back(tx, [second])
        assert states(tx) == {first: "active", second: "active"}


@BOTH
def test_who_comes_into_a_paused_cadence_begins_when_it_goes_on(database: Database, clock: VirtualClock) -> None:
    with database.write() as tx:
        apply(tx, cadence(email("one", at("10 days"))))
        pause(tx, PauseKind.CADENCE, "new-enquiry")
        enrol_leads(tx, "new-enquiry", [add_lead(tx)])
        assert due(tx) == {"new-enquiry": {None}}
    clock.move_to(clock.now() + timedelta(days=7))

    with database.write() as tx:
        resume(tx, PauseKind.CADENCE, "new-enquiry")
        keep_still(tx)

        assert due(tx) == {"new-enquiry": {datetime(2026, 1, 22, 9, tzinfo=UTC)}}


def due(tx: Tx) -> dict[str, set[datetime | None]]:
    found: dict[str, set[datetime | None]] = {}
    for row in tx.run(sa.select(enrolments.c.cadence, touches.c.due_at).join(touches, touches.c.enrolment_id == enrolments.c.id)):
        found.setdefault(row.cadence, set()).add(row.due_at)
    return found


def states(tx: Tx) -> dict[int, str]:
    return {row.lead_id: row.state for row in tx.run(sa.select(enrolments.c.lead_id, enrolments.c.state))}


def raise_hand_of(tx: Tx, lead_id: int) -> None:
    insert(tx, handoffs, {"lead_id": lead_id, "crossing": 1, "state": "raised", "rep": "dana", "points": 70.0, "reasons": [],
                          "raised_at": tx.now, "answer_by": tx.now})  # fmt: skip


def decline(tx: Tx, lead_id: int) -> None:
    tx.run(sa.update(handoffs).where(handoffs.c.lead_id == lead_id).values(state="declined"))
