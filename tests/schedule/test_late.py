"""What becomes of a mail that we are later with than it bears: by our own fault alone, on both databases."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from engine.advance import advance_touches
from engine.claim import SEND, TOUCH, Claim, put_back, take_due
from engine.claim import begin as begin_sends
from engine.clock import VirtualClock
from engine.compiler.plan import Caps
from engine.database import Database, Tx
from engine.deliver.batch import load
from engine.deliver.send import deliver, in_time
from engine.schedule.enrol import enrol_leads
from engine.schedule.leave import resume, suspend
from engine.schema import enrolments, sends, touches
from engine.vocabulary import Late
from tests.factories import add_lead
from tests.schedule.outage import House, mail
from tests.schedule.plans import apply, at, cadence, chain

pytestmark = pytest.mark.both_databases
DAY = timedelta(days=1)
TUESDAY_9 = datetime(2026, 1, 6, 9, tzinfo=UTC)


@pytest.fixture
def house(database: Database, clock: VirtualClock, tmp_path: Path) -> House:
    return House(database=database, clock=clock, folder=tmp_path)


@pytest.mark.parametrize(("late_by", "state"), [(DAY, "done"), (3 * DAY, "skipped")])
def test_a_mail_is_skipped_when_it_is_later_than_it_bears(house: House, late_by: timedelta, state: str):
    begin(house, mail("news", at("1 day"), valid_for="2 days", late=Late.SKIP), mail("lesson", at("30 days")))
    house.clock.move_to(TUESDAY_9)

    house.off(late_by)
    advance_all(house)

    reason = "late" if state == "skipped" else None
    assert touched(house)[0] == ("news", state, reason)
    assert touched(house)[1][:2] == ("lesson", "waiting")


def test_a_mail_that_shifts_goes_out_and_all_that_follows_moves_by_as_many_days(house: House):
    begin(house, mail("one", at("1 day"), valid_for="12 hours", late=Late.SHIFT), mail("two", at("30 days")))
    house.clock.move_to(TUESDAY_9)

    house.off(3 * DAY)
    advance_all(house)

    assert touched(house)[0] == ("one", "done", None)
    with house.database.read() as tx:
        assert tx.run(sa.select(enrolments.c.shift_days)).scalar_one() == 3
        second = tx.run(sa.select(touches.c.due_at).where(touches.c.step_id == "two")).scalar_one()
    assert second == datetime(2026, 2, 9, 9, tzinfo=UTC)  # day 30 is 4 February; three days on is a Saturday


def test_a_mail_that_is_taken_up_a_second_time_shifts_what_follows_once(house: House):
    begin(house, mail("news", at("1 day"), valid_for="12 hours", late=Late.SHIFT), mail("two", at("30 days")))
    house.clock.move_to(TUESDAY_9)
    make_ready(house)

    house.off(3 * DAY)
    held = claim_sends(house)
    with house.database.write() as tx:
        begin_sends(tx, SEND, held, worker_id=house.runtime.worker_id)
    with house.database.read() as tx:
        batch = load(tx, house.runtime.places, held)
    in_time(house.runtime, batch.sends)  # and then that worker dies
    with house.database.write() as tx:
        put_back(tx, SEND, held)
    deliver_all(house)

    assert touched(house)[0] == ("news", "done", None)
    with house.database.read() as tx:
        assert tx.run(sa.select(enrolments.c.shift_days)).scalar_one() == 3


def test_a_mail_that_is_sent_whatever_happens_leaves_what_follows_where_it_was(house: House):
    begin(house, mail("one", at("1 day"), valid_for="1 hour", late=Late.SEND), mail("two", at("30 days")))
    house.clock.move_to(TUESDAY_9)

    house.off(3 * DAY)
    advance_all(house)

    assert touched(house)[0] == ("one", "done", None)
    with house.database.read() as tx:
        assert tx.run(sa.select(enrolments.c.shift_days)).scalar_one() == 0


def test_waiting_for_sales_is_not_lateness(house: House):
    (lead_id,) = begin(house, mail("news", at("1 day"), valid_for="1 day", late=Late.SKIP))
    with house.database.write() as tx:
        suspend(tx, [lead_id])
    house.clock.move_to(TUESDAY_9 + 10 * DAY)
    with house.database.write() as tx:
        resume(tx, [lead_id])
        due_at = tx.run(sa.select(touches.c.due_at)).scalar_one()

    house.clock.move_to(due_at)
    advance_all(house)

    assert touched(house) == [("news", "done", None)]


def test_waiting_for_room_under_a_cap_is_not_lateness(house: House):
    steps = mail("one", at("")), mail("two", at(""), valid_for="2 days", late=Late.SKIP)
    begin(house, *steps, caps=Caps(per_day=None, per_week=1, per_month=None))
    house.run(timedelta(minutes=10))

    house.run(10 * DAY, step=timedelta(hours=1))

    assert touched(house) == [("one", "done", None), ("two", "done", None)]


@pytest.mark.parametrize(("off", "became"), [(DAY, ("accepted", None)), (3 * DAY, ("cancelled", "late"))])
def test_a_mail_that_lay_ready_is_judged_again_before_the_wire(house: House, off: timedelta, became: tuple[str, str | None]):
    begin(house, mail("news", at("1 day"), valid_for="2 days", late=Late.SKIP))
    house.clock.move_to(TUESDAY_9)
    make_ready(house)

    house.off(off)
    deliver_all(house)

    with house.database.read() as tx:
        assert tx.run(sa.select(sends.c.state, sends.c.reason)).one() == became
    assert touched(house) == [("news", "done" if off == DAY else "skipped", became[1])]
    assert len(house.wire.flights) == (1 if off == DAY else 0)


def test_a_mail_that_lay_ready_does_not_go_out_at_night(house: House):
    begin(house, mail("news", at("1 day")))
    house.clock.move_to(TUESDAY_9)
    make_ready(house)

    house.off(timedelta(hours=10))
    deliver_all(house)

    with house.database.read() as tx:
        row = tx.run(sa.select(sends)).one()
    assert (row.state, row.reason, row.due_at) == ("ready", "window", TUESDAY_9 + DAY)


def begin(house: House, *steps, **policy) -> list[int]:
    with house.database.write() as tx:
        apply(tx, cadence(*chain(*steps)), **policy)
        lead_id = add_lead(tx)
        enrol_leads(tx, "new-enquiry", [lead_id])
    return [lead_id]


def advance_all(house: House) -> None:
    with house.database.write() as tx:
        house.renew(tx)
        claims = take_due(tx, TOUCH, limit=50, lease=timedelta(seconds=30))
    advance_touches(house.runtime, claims)


def deliver_all(house: House) -> None:
    deliver(house.runtime, claim_sends(house))


def claim_sends(house: House) -> list[Claim]:
    with house.database.write() as tx:
        house.renew(tx)
        return take_due(tx, SEND, limit=50, lease=timedelta(seconds=30))


def make_ready(house: House) -> None:
    """Its mail is written down and waits, as after a temporary refusal."""
    with house.database.write() as tx:
        touch_id = tx.run(sa.select(touches.c.id)).scalar_one()
        tx.run(sa.update(touches).values(state="sending"))
        write_send(tx, touch_id)


def write_send(tx: Tx, touch_id: int) -> None:
    lead = tx.run(sa.text("SELECT id, address_key FROM leads")).one()
    artifact = tx.run(sa.text("SELECT hash FROM artifacts WHERE email = 'news'")).scalar_one()
    row = {
        "source": f"touch:{touch_id}", "stream": "marketing", "topic": "air-lessons", "lead_id": lead.id, "state": "ready",
        "address_key": lead.address_key, "touch_id": touch_id, "email": "news", "artifact_hash": artifact,
        "due_at": tx.now, "created_at": tx.now,
    }  # fmt: skip
    tx.run(sa.insert(sends).values(**row))


def touched(house: House) -> list[tuple[str, str, str | None]]:
    with house.database.read() as tx:
        return [(row.step_id, row.state, row.reason) for row in tx.run(sa.select(touches).order_by(touches.c.id))]
