"""A raised hand: what happens to the lead, what the rep is told, and what the rep may answer."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from engine.database import Database, Tx
from engine.errors import StaleError, UsageError
from engine.schedule.enrol import enrol_leads
from engine.schema import bodies, enrolments, events, handoffs, leads, sends, touches
from engine.scoring.answers import answer
from engine.scoring.rescore import rescore
from engine.vocabulary import HandoffState
from tests.factories import TOKENS, add_event, add_lead
from tests.schedule.plans import after, at, cadence, chain, email
from tests.scoring.models import DANA, apply_rules, model, points, runtime

NURTURE = cadence(*chain(email("welcome", at("")), email("co2", after("3 days"))))


def raise_hand(tx: Tx, database: Database, lead_id: int | None = None) -> int:
    lead_id = lead_id or add_lead(tx)
    add_event(tx, type="replied", lead_id=lead_id, data={"email": "co2"})
    (handoff_id,) = rescore(tx, runtime(database), [lead_id])
    return handoff_id


def handoff(tx: Tx, handoff_id: int) -> sa.Row[tuple[object, ...]]:
    return tx.run(sa.select(handoffs).where(handoffs.c.id == handoff_id)).one()


def notices(tx: Tx, handoff_id: int) -> dict[str, sa.Row[tuple[object, ...]]]:
    return {row.email: row for row in tx.run(sa.select(sends).where(sends.c.handoff_id == handoff_id))}


@pytest.mark.both_databases
def test_a_raised_hand_has_its_rep_its_reasons_and_its_promise(database: Database):
    with database.write() as tx:
        apply_rules(tx)
        handoff_id = raise_hand(tx, database)

        found = handoff(tx, handoff_id)
        assert (found.state, found.rep, found.points, found.crossing) == ("raised", "dana", 60, 1)
        assert [reason["because"] for reason in found.reasons] == ["replied"]
        assert found.answer_by == tx.now + timedelta(hours=4)
        assert tx.run(sa.select(leads.c.rep)).scalar_one() == "dana"


@pytest.mark.both_databases
def test_the_nurture_stands_still_while_sales_has_the_lead(database: Database):
    with database.write() as tx:
        apply_rules(tx, NURTURE)
        lead_id = add_lead(tx)
        enrol_leads(tx, "new-enquiry", [lead_id])

        raise_hand(tx, database, lead_id)

        assert tx.run(sa.select(enrolments.c.state)).scalar_one() == "suspended"
        assert tx.run(sa.select(touches.c.due_at)).scalar_one() is None


@pytest.mark.both_databases
def test_a_nurture_that_begins_while_sales_has_the_lead_stands_still_too(database: Database):
    with database.write() as tx:
        apply_rules(tx, NURTURE)
        lead_id = add_lead(tx)
        raise_hand(tx, database, lead_id)

        enrol_leads(tx, "new-enquiry", [lead_id, add_lead(tx)])

        assert sorted(tx.run(sa.select(enrolments.c.state)).scalars()) == ["active", "suspended"]
        assert tx.run(sa.select(sa.func.count()).where(touches.c.due_at.is_(None))).scalar_one() == 1


@pytest.mark.both_databases
def test_the_rep_is_told_at_once_and_reminded_at_three_quarters_of_the_time(database: Database):
    with database.write() as tx:
        apply_rules(tx)
        handoff_id = raise_hand(tx, database)

        found = notices(tx, handoff_id)
        assert found["handoff-raised"].due_at == tx.now
        assert found["handoff-reminder"].due_at == tx.now + timedelta(hours=3)
        assert {row.stream for row in found.values()} == {"internal"}
        assert {row.address_key for row in found.values()} == {TOKENS.address_key(DANA.email)}
        assert tx.run(sa.select(sa.func.count()).select_from(bodies)).scalar_one() == 2


def test_a_promise_in_days_is_kept_by_the_reps_calendar(sqlite_database: Database):
    with sqlite_database.write() as tx:
        apply_rules(tx, scoring=model(points("replied", 60), respond_within="1 business day"))

        handoff_id = raise_hand(tx, sqlite_database)

        assert handoff(tx, handoff_id).answer_by == datetime(2026, 1, 6, 9, 0, tzinfo=UTC)


def test_no_second_hand_while_sales_has_the_lead(sqlite_database: Database):
    with sqlite_database.write() as tx:
        apply_rules(tx)
        lead_id = add_lead(tx)
        raise_hand(tx, sqlite_database, lead_id)
        apply_rules(tx, scoring=model(points("replied", 0), points("clicked", 60)))
        rescore(tx, runtime(sqlite_database), [lead_id])
        add_event(tx, type="clicked", lead_id=lead_id)

        assert rescore(tx, runtime(sqlite_database), [lead_id]) == []


@pytest.mark.parametrize("state", [HandoffState.ACCEPTED, HandoffState.DECLINED])
def test_an_answer_is_kept_and_cancels_what_was_not_yet_sent(sqlite_database: Database, state: HandoffState):
    with sqlite_database.write() as tx:
        apply_rules(tx)
        handoff_id = raise_hand(tx, sqlite_database)
        tx.run(sa.update(sends).where(sends.c.email == "handoff-raised").values(state="accepted"))

        answer(tx, handoff_id, state, note=" rings on Monday ")

        found = handoff(tx, handoff_id)
        assert (found.state, found.answered_at, found.note) == (state, tx.now, "rings on Monday")
        assert notices(tx, handoff_id)["handoff-raised"].state == "accepted"
        assert notices(tx, handoff_id)["handoff-reminder"].state == "cancelled"
        assert tx.run(sa.select(events.c.type).order_by(events.c.id.desc()).limit(1)).scalar_one() == f"handoff_{state}"


def test_a_reminder_in_a_workers_hands_is_taken_back(sqlite_database: Database):
    with sqlite_database.write() as tx:
        apply_rules(tx)
        handoff_id = raise_hand(tx, sqlite_database)
        tx.run(sa.update(sends).values(state="claimed", worker_id="worker-2", epoch=4))

        answer(tx, handoff_id, HandoffState.ACCEPTED)

        assert {(row.state, row.epoch, row.worker_id) for row in notices(tx, handoff_id).values()} == {("cancelled", 5, None)}


def test_the_second_of_two_different_answers_is_refused(sqlite_database: Database):
    with sqlite_database.write() as tx:
        apply_rules(tx)
        handoff_id = raise_hand(tx, sqlite_database)
        answer(tx, handoff_id, HandoffState.DECLINED)

        with pytest.raises(StaleError, match="it is declined"):
            answer(tx, handoff_id, HandoffState.ACCEPTED)


def test_the_same_answer_twice_is_one_answer(sqlite_database: Database):
    with sqlite_database.write() as tx:
        apply_rules(tx)
        handoff_id = raise_hand(tx, sqlite_database)

        for note in ("first", "second"):
            answer(tx, handoff_id, HandoffState.ACCEPTED, note=note)

        assert handoff(tx, handoff_id).note == "first"
        answers = sa.select(sa.func.count()).select_from(events).where(events.c.type == "handoff_accepted")
        assert tx.run(answers).scalar_one() == 1


def test_only_what_was_taken_can_be_closed(sqlite_database: Database):
    with sqlite_database.write() as tx:
        apply_rules(tx)
        handoff_id = raise_hand(tx, sqlite_database)

        with pytest.raises(StaleError, match="it is raised"):
            answer(tx, handoff_id, HandoffState.CLOSED)


def test_there_is_no_answering_what_was_never_raised(sqlite_database: Database):
    with sqlite_database.write() as tx, pytest.raises(UsageError, match="no hand-off 7"):
        answer(tx, 7, HandoffState.ACCEPTED)
