"""Passages begin, go on and end, on both databases."""

from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from engine.clock import VirtualClock
from engine.database import Database, Tx
from engine.schedule.enrol import enrol_leads
from engine.schedule.progress import EndedTouch, end_touches
from engine.schema import enrolments, touches
from engine.vocabulary import TouchState
from tests.factories import add_lead
from tests.schedule.plans import after, apply, at, branch, cadence, chain, email, wait

pytestmark = pytest.mark.both_databases
DONE, SKIPPED = TouchState.DONE, TouchState.SKIPPED


def test_the_first_touch_is_made_with_the_enrolment(database: Database):
    with database.write() as tx:
        apply(tx, cadence(email("welcome", at("3 days"))))

        enrol_leads(tx, "new-enquiry", [add_lead(tx)])

        touch = open_touch(tx)
        assert (touch.step_id, touch.planned_on) == ("welcome", date(2026, 1, 8))
        assert touch.due_at == datetime(2026, 1, 8, 9, tzinfo=UTC)


def test_the_end_of_a_touch_makes_the_next(database: Database, clock: VirtualClock):
    with database.write() as tx:
        apply(tx, cadence(*chain(email("welcome", at("")), email("guide", after("3 business days")))))
        enrol_leads(tx, "new-enquiry", [add_lead(tx)])

    with database.write() as tx:
        end(tx)

        touch = open_touch(tx)
        assert (touch.step_id, touch.planned_on) == ("guide", date(2026, 1, 8))
        assert states(tx) == [("welcome", "done"), ("guide", "waiting")]


def test_a_passage_without_a_next_step_is_finished(database: Database):
    with database.write() as tx:
        apply(tx, cadence(email("welcome", at(""))))
        enrol_leads(tx, "new-enquiry", [add_lead(tx)])

        end(tx)

        assert tx.run(sa.select(enrolments.c.state, enrolments.c.reason)).one() == ("finished", "end")


def test_a_touch_ended_twice_moves_the_passage_once(database: Database):
    with database.write() as tx:
        apply(tx, cadence(*chain(email("one", at("")), email("two", at("7 days")), email("three", at("14 days")))))
        enrol_leads(tx, "new-enquiry", [add_lead(tx)])
        first = open_touch(tx).id

        end_touches(tx, [EndedTouch(touch_id=first, state=DONE)])
        end_touches(tx, [EndedTouch(touch_id=first, state=DONE)])

        assert states(tx) == [("one", "done"), ("two", "waiting")]


def test_a_branch_takes_the_way_it_is_told(database: Database):
    steps = branch("big", "employees >= 50", next="call", otherwise="guide"), email("call", at("")), email("guide", at(""))
    with database.write() as tx:
        apply(tx, cadence(*steps))
        enrol_leads(tx, "new-enquiry", [add_lead(tx)])

        end(tx, took="otherwise")

        assert open_touch(tx).step_id == "guide"


def test_a_pause_is_due_at_its_end(database: Database):
    with database.write() as tx:
        apply(tx, cadence(*chain(wait("pause", "5 days"), email("guide"))))

        enrol_leads(tx, "new-enquiry", [add_lead(tx)])

        assert open_touch(tx).due_at == datetime(2026, 1, 10, 9, tzinfo=UTC)


def test_a_wait_for_something_looks_at_once_and_has_the_date_of_its_timeout(database: Database):
    with database.write() as tx:
        apply(tx, cadence(wait("read", "10 days", condition="clicked('guide')")))

        enrol_leads(tx, "new-enquiry", [add_lead(tx)])

        assert (open_touch(tx).due_at, open_touch(tx).planned_on) == (tx.now, date(2026, 1, 15))


def test_a_wait_that_ends_early_lets_the_next_step_count_from_today(database: Database, clock: VirtualClock):
    steps = wait("read", "10 days", condition="clicked('guide')", next="offer"), email("offer", after("1 day"))
    with database.write() as tx:
        apply(tx, cadence(*steps))
        enrol_leads(tx, "new-enquiry", [add_lead(tx)])
    clock.move_to(clock.now() + timedelta(days=2))

    with database.write() as tx:
        end(tx)

        assert open_touch(tx).planned_on == date(2026, 1, 8)


def test_mails_of_a_passage_keep_their_gap_over_steps_between(database: Database):
    steps = chain(email("one", at("")), branch("big", "employees >= 50", otherwise="two"), email("two", at("")))
    with database.write() as tx:
        apply(tx, cadence(*steps))
        enrol_leads(tx, "new-enquiry", [add_lead(tx)])

        end(tx)
        end(tx)

        assert open_touch(tx).due_at == datetime(2026, 1, 6, 9, tzinfo=UTC)


def test_a_new_passage_leaves_out_what_was_sent_before(database: Database):
    with database.write() as tx:
        apply(tx, cadence(*chain(email("one", at("")), email("two", at("4 days")))))
        lead_id = add_lead(tx)
        enrol_leads(tx, "new-enquiry", [lead_id])
        end(tx)
        end(tx, state=SKIPPED, reason="cap")

        enrol_leads(tx, "new-enquiry", [lead_id], again=True)

        second = tx.run(sa.select(touches).where(touches.c.id > 2).order_by(touches.c.id)).all()
        assert [(row.step_id, row.state, row.reason) for row in second] == [
            ("one", "skipped", "sent_before"),
            ("two", "waiting", None),
        ]


def test_a_cadence_that_repeats_sends_again(database: Database):
    with database.write() as tx:
        apply(tx, cadence(email("one", at("")), repeat=True))
        lead_id = add_lead(tx)
        enrol_leads(tx, "new-enquiry", [lead_id])
        end(tx)

        enrol_leads(tx, "new-enquiry", [lead_id], again=True)

        assert (open_touch(tx).step_id, open_touch(tx).state) == ("one", "waiting")


def test_a_suspended_passage_gets_its_next_touch_without_a_due_time(database: Database):
    with database.write() as tx:
        apply(tx, cadence(*chain(email("one", at("")), email("two", at("4 days")))))
        enrol_leads(tx, "new-enquiry", [add_lead(tx)])
        tx.run(sa.update(enrolments).values(state="suspended", suspended_at=tx.now))

        end(tx)

        assert open_touch(tx).due_at is None


def end(tx: Tx, state=DONE, **how) -> None:
    end_touches(tx, [EndedTouch(touch_id=open_touch(tx).id, state=state, **how)])


def open_touch(tx: Tx):
    return tx.run(sa.select(touches).where(touches.c.ended_at.is_(None))).one()


def states(tx: Tx) -> list[tuple[str, str]]:
    return [(row.step_id, row.state) for row in tx.run(sa.select(touches).order_by(touches.c.id))]
