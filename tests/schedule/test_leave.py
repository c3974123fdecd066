"""Passages that end before their end, stand still, go on, and waits that are woken."""

from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from engine.clock import VirtualClock
from engine.database import Database, Tx
from engine.schedule.enrol import enrol_leads
from engine.schedule.leave import leave, resume, suspend
from engine.schedule.progress import EndedTouch, end_touches
from engine.schedule.wake import wake_waits
from engine.schema import enrolments, sends, tasks, touches
from engine.vocabulary import EnrolmentState, TouchState
from tests.factories import add_lead, add_send
from tests.schedule.plans import after, apply, at, cadence, chain, email, wait

pytestmark = pytest.mark.both_databases


def test_leaving_ends_the_passage_its_touch_and_its_waiting_mail(database: Database):
    with database.write() as tx:
        enrolment_id, touch_id, send_id = enrolled_with_send(tx, "ready")

        leave(tx, [enrolment_id], reason="replied")

        assert one(tx, enrolments, enrolment_id)[:2] == ("left", "replied")
        assert one(tx, touches, touch_id)[:2] == ("left", "replied")
        assert one(tx, sends, send_id)[:2] == ("cancelled", "enrolment_ended")


def test_a_mail_on_its_way_ends_as_it_ends_and_nothing_follows(database: Database):
    with database.write() as tx:
        enrolment_id, touch_id, send_id = enrolled_with_send(tx, "attempting")

        leave(tx, [enrolment_id], reason="replied")
        assert one(tx, sends, send_id).state == "attempting"
        assert one(tx, touches, touch_id).state == "sending"
        end_touches(tx, [EndedTouch(touch_id=touch_id, state=TouchState.DONE)])

        assert one(tx, touches, touch_id).state == "done"
        assert tx.run(sa.select(sa.func.count()).select_from(touches)).scalar_one() == 1


def test_leaving_twice_keeps_the_first_reason(database: Database):
    with database.write() as tx:
        enrolment_id, _touch_id, _send_id = enrolled_with_send(tx, "ready")

        leave(tx, [enrolment_id], reason="goal", state=EnrolmentState.FINISHED)
        leave(tx, [enrolment_id], reason="replied")

        assert one(tx, enrolments, enrolment_id)[:2] == ("finished", "goal")


def test_leaving_drops_open_tasks(database: Database):
    with database.write() as tx:
        enrolment_id, touch_id, _send_id = enrolled_with_send(tx, "accepted")
        row = {"touch_id": touch_id, "rep": "dana", "title": "Call", "note": "", "state": "open"}
        lead_id = tx.run(sa.select(enrolments.c.lead_id)).scalar_one()
        tx.run(sa.insert(tasks).values(**row, lead_id=lead_id, due_at=tx.now, created_at=tx.now))

        leave(tx, [enrolment_id], reason="replied")

        assert tx.run(sa.select(tasks.c.state)).scalar_one() == "dropped"


def test_a_suspended_passage_has_nothing_due(database: Database):
    with database.write() as tx:
        _enrolment_id, _touch_id, send_id = enrolled_with_send(tx, "claimed")
        lead_id = tx.run(sa.select(enrolments.c.lead_id)).scalar_one()

        suspend(tx, [lead_id])

        held = one(tx, sends, send_id)
        assert (held.state, held.due_at, held.epoch) == ("ready", None, 1)


def test_resuming_moves_what_is_to_come_by_the_days_it_stood_still(database: Database, clock: VirtualClock):
    with database.write() as tx:
        apply(tx, cadence(email("welcome", at("10 days"))))
        lead_id = add_lead(tx)
        enrol_leads(tx, "new-enquiry", [lead_id])
        suspend(tx, [lead_id])
        assert tx.run(sa.select(touches.c.due_at)).scalar_one() is None
    clock.move_to(clock.now() + timedelta(days=30))

    with database.write() as tx:
        resume(tx, [lead_id])

        assert tx.run(sa.select(touches.c.due_at)).scalar_one() == datetime(2026, 2, 16, 9, tzinfo=UTC)
        assert tx.run(sa.select(enrolments.c.shift_days, enrolments.c.state)).one() == (30, "active")


def test_after_a_suspension_later_steps_are_shifted_too(database: Database, clock: VirtualClock):
    with database.write() as tx:
        apply(tx, cadence(*chain(email("one", at("")), email("two", at("7 days")), email("three", after("7 days")))))
        lead_id = add_lead(tx)
        enrol_leads(tx, "new-enquiry", [lead_id])
        suspend(tx, [lead_id])
    clock.move_to(clock.now() + timedelta(days=7))

    with database.write() as tx:
        resume(tx, [lead_id])
        end_open(tx)
        assert open_touch(tx).due_at.date() == date(2026, 1, 19)
        end_open(tx)

        assert open_touch(tx).due_at.date() == date(2026, 1, 26)
        assert open_touch(tx).planned_on == date(2026, 1, 19)


def test_resuming_releases_a_held_mail(database: Database):
    with database.write() as tx:
        _enrolment_id, _touch_id, send_id = enrolled_with_send(tx, "ready")
        lead_id = tx.run(sa.select(enrolments.c.lead_id)).scalar_one()

        suspend(tx, [lead_id])
        resume(tx, [lead_id])

        assert one(tx, sends, send_id).due_at == tx.now


def test_waking_makes_a_wait_due_and_leaves_other_steps(database: Database):
    with database.write() as tx:
        apply(tx, cadence(wait("read", "10 days", condition="clicked('guide')")), cadence(email("x", at("9 days")), name="b"))
        lead_id = add_lead(tx)
        enrol_leads(tx, "new-enquiry", [lead_id])
        enrol_leads(tx, "b", [lead_id])
        tx.run(sa.update(touches).values(due_at=tx.now + timedelta(days=9), state="waiting"))

        assert wake_waits(tx, [lead_id]) == 1

        due = dict(tx.run(sa.select(touches.c.step_id, touches.c.due_at)).all())
        assert due == {"read": tx.now, "x": tx.now + timedelta(days=9)}


def test_a_wait_that_is_being_asked_is_taken_back_and_asked_again(database: Database):
    with database.write() as tx:
        apply(tx, cadence(wait("read", "10 days", condition="clicked('guide')")))
        lead_id = add_lead(tx)
        enrol_leads(tx, "new-enquiry", [lead_id])
        tx.run(sa.update(touches).values(state="claimed", epoch=4, worker_id="w"))

        wake_waits(tx, [lead_id])

        touch = open_touch(tx)
        assert (touch.state, touch.epoch, touch.worker_id) == ("waiting", 5, None)


def enrolled_with_send(tx: Tx, state: str) -> tuple[int, int, int]:
    """A passage whose open touch has a mail in this state."""
    apply(tx, cadence(*chain(email("welcome", at("")), email("guide", at("7 days")))))
    lead_id = add_lead(tx)
    enrol_leads(tx, "new-enquiry", [lead_id])
    touch = open_touch(tx)
    tx.run(sa.update(touches).values(state="sending"))
    return touch.enrolment_id, touch.id, add_send(tx, lead_id=lead_id, touch_id=touch.id, state=state)


def end_open(tx: Tx) -> None:
    end_touches(tx, [EndedTouch(touch_id=open_touch(tx).id, state=TouchState.DONE)])


def open_touch(tx: Tx):
    return tx.run(sa.select(touches).where(touches.c.ended_at.is_(None))).one()


def one(tx: Tx, table: sa.Table, row_id: int):
    others = [column for column in table.c if column.name not in ("state", "reason")]
    return tx.run(sa.select(table.c.state, table.c.reason, *others).where(table.c.id == row_id)).one()
