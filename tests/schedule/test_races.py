"""Two processes that meet at one passage on PostgreSQL: whoever comes first, nothing stays open behind an ended passage."""

import threading
from collections.abc import Callable

import sqlalchemy as sa

from engine.database import Database, Tx
from engine.schedule.enrol import enrol_leads
from engine.schedule.leave import leave
from engine.schedule.progress import EndedTouch, end_touches
from engine.schedule.wake import wake_waits
from engine.schema import enrolments, touches
from engine.vocabulary import TouchState
from tests.factories import add_lead
from tests.schedule.plans import apply, at, cadence, chain, email, wait


def test_a_passage_that_is_left_while_it_moves_on_has_nothing_open(postgres_database: Database):
    enrolled(postgres_database)

    meet(postgres_database, first=move_on, second=leave_it)

    assert left_with_nothing_open(postgres_database)


def test_a_passage_that_moves_on_while_it_is_left_has_nothing_open(postgres_database: Database):
    enrolled(postgres_database)

    meet(postgres_database, first=leave_it, second=move_on)

    assert left_with_nothing_open(postgres_database)


def test_two_processes_that_enrol_the_same_lead_begin_one_passage(postgres_database: Database):
    with postgres_database.write() as tx:
        apply(tx, cadence(email("welcome", at(""))))
        lead_id = add_lead(tx)

    def enrol(tx: Tx) -> None:
        enrol_leads(tx, "new-enquiry", [lead_id])

    meet(postgres_database, first=enrol, second=enrol)

    with postgres_database.read() as tx:
        assert len(tx.run(sa.select(enrolments)).all()) == len(tx.run(sa.select(touches)).all()) == 1


def test_a_wait_that_is_woken_while_it_is_put_back_stays_due(postgres_database: Database):
    with postgres_database.write() as tx:
        apply(tx, cadence(wait("read", "10 days", condition="clicked('guide')")))
        lead_id = add_lead(tx)
        enrol_leads(tx, "new-enquiry", [lead_id])
        tx.run(sa.update(touches).values(state="claimed", worker_id="w"))
        asked_at = tx.now

    def put_back(tx: Tx) -> None:
        claimed = sa.and_(touches.c.state == "claimed", touches.c.epoch == 0)
        tx.run(sa.update(touches).where(claimed).values(state="waiting", due_at=None, worker_id=None))

    meet(postgres_database, first=put_back, second=lambda tx: wake_waits(tx, [lead_id]))

    with postgres_database.read() as tx:
        assert tx.run(sa.select(touches.c.state, touches.c.due_at)).one() == ("waiting", asked_at)


def meet(database: Database, *, first: Callable[[Tx], object], second: Callable[[Tx], object]) -> None:
    """Begin the second in another connection before the first has committed; it waits where it has to."""
    begun = threading.Event()

    def come_second() -> None:
        with database.write() as tx:
            begun.set()
            second(tx)

    other = threading.Thread(target=come_second)
    with database.write() as tx:
        first(tx)
        other.start()
        assert begun.wait(10)
        other.join(0.3)  # time enough to do its work, or to run into our locks
    other.join(10)
    assert not other.is_alive()


def enrolled(database: Database) -> None:
    with database.write() as tx:
        apply(tx, cadence(*chain(email("one", at("")), email("two", at("7 days")))))
        enrol_leads(tx, "new-enquiry", [add_lead(tx)])


def move_on(tx: Tx) -> None:
    touch_id = tx.run(sa.select(touches.c.id).where(touches.c.step_id == "one")).scalar_one()
    end_touches(tx, [EndedTouch(touch_id=touch_id, state=TouchState.DONE)])


def leave_it(tx: Tx) -> None:
    leave(tx, [tx.run(sa.select(enrolments.c.id)).scalar_one()], reason="replied")


def left_with_nothing_open(database: Database) -> bool:
    with database.read() as tx:
        state = tx.run(sa.select(enrolments.c.state)).scalar_one()
        return state == "left" and not tx.run(sa.select(touches).where(touches.c.ended_at.is_(None))).all()
