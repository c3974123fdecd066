"""Keeping scores up to date, and raising one hand for each time a lead becomes ready."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from threading import Barrier

import pytest
import sqlalchemy as sa

from engine.clock import VirtualClock
from engine.compiler.plan import Assignment
from engine.database import Database, Tx
from engine.events import NewEvent, record_events
from engine.schema import handoffs, scores, sends
from engine.scoring.rescore import rescore, rescore_fading, take_fading
from engine.vocabulary import Origin
from tests.factories import add_event, add_lead
from tests.scoring.models import DANA_ALONE, USUAL, apply_rules, model, points, profile, runtime

FADING = model(points("clicked", 20, fades="10 days"), points("replied", 60, fades="2 days"))


def score_of(tx: Tx, lead_id: int) -> sa.Row[tuple[object, ...]]:
    return tx.run(sa.select(scores).where(scores.c.lead_id == lead_id)).one()


def count(tx: Tx, table: sa.Table) -> int:
    return int(tx.run(sa.select(sa.func.count()).select_from(table)).scalar_one())


def clicks(lead_id: int, number: int, at: datetime) -> list[NewEvent]:
    return [
        NewEvent(
            source_key=f"click:{lead_id}:{each}",
            type="clicked",
            origin=Origin.HUMAN,
            lead_id=lead_id,
            data={"email": "co2"},
            occurred_at=at - timedelta(hours=each),
        )
        for each in range(number)
    ]


@pytest.mark.both_databases
def test_a_score_is_kept_with_its_reasons_and_its_model(database: Database):
    with database.write() as tx:
        apply_rules(tx, scoring=FADING)
        lead_id = add_lead(tx)
        add_event(tx, type="clicked", lead_id=lead_id, data={"email": "co2"})

        raised = rescore(tx, runtime(database), [lead_id])

        kept = score_of(tx, lead_id)
        assert raised == []
        assert (kept.points, kept.above, kept.crossings) == (20, False, 0)
        assert kept.reasons == [{"points": 20, "because": "clicked “co2”", "at": tx.now.isoformat(), "times": 1}]
        assert kept.next_change_at == tx.now + timedelta(days=10)
        assert kept.rules_id is not None


@pytest.mark.both_databases
def test_leads_with_points_and_without_are_scored_at_once(database: Database):
    with database.write() as tx:
        apply_rules(tx, scoring=FADING)
        nobody_knows, clicked = add_lead(tx), add_lead(tx)
        add_event(tx, type="clicked", lead_id=clicked)

        rescore(tx, runtime(database), [nobody_knows, clicked])

        assert [score_of(tx, lead_id).points for lead_id in (nobody_knows, clicked)] == [0, 20]


def test_events_told_late_twice_and_in_any_order_make_the_same_score(sqlite_database: Database):
    with sqlite_database.write() as tx:
        apply_rules(tx)
        first, second = add_lead(tx), add_lead(tx)
        record_events(tx, clicks(first, 4, tx.now))
        told = clicks(second, 4, tx.now) * 3
        Random(7).shuffle(told)
        for each in told:
            record_events(tx, [each])
            rescore(tx, runtime(sqlite_database), [second])

        rescore(tx, runtime(sqlite_database), [first])

        kept, other = score_of(tx, first), score_of(tx, second)
        assert (kept.points, kept.reasons, kept.crossings) == (other.points, other.reasons, other.crossings) != (0, [], 0)


def test_a_hand_is_raised_when_the_lead_becomes_ready_and_only_then(sqlite_database: Database):
    with sqlite_database.write() as tx:
        apply_rules(tx)
        lead_id = add_lead(tx)
        add_event(tx, type="replied", lead_id=lead_id)

        first = rescore(tx, runtime(sqlite_database), [lead_id])
        add_event(tx, type="clicked", lead_id=lead_id)
        again = rescore(tx, runtime(sqlite_database), [lead_id])

        assert (len(first), again) == (1, [])
        assert score_of(tx, lead_id).crossings == 1


def test_a_hand_is_raised_again_after_the_points_had_faded(sqlite_database: Database, clock: VirtualClock):
    with sqlite_database.write() as tx:
        apply_rules(tx, scoring=FADING)
        lead_id = add_lead(tx)
        add_event(tx, type="replied", lead_id=lead_id)
        rescore(tx, runtime(sqlite_database), [lead_id])
        tx.run(sa.update(handoffs).values(state="closed"))
    clock.move_to(clock.now() + timedelta(days=3))
    with sqlite_database.write() as tx:
        rescore(tx, runtime(sqlite_database), [lead_id])
        add_event(tx, type="replied", lead_id=lead_id)

        raised = rescore(tx, runtime(sqlite_database), [lead_id])

        assert len(raised) == 1
        assert score_of(tx, lead_id).crossings == 2


def test_machines_raise_no_hand(sqlite_database: Database):
    with sqlite_database.write() as tx:
        apply_rules(tx)
        lead_id = add_lead(tx)
        for _ in range(50):
            add_event(tx, type="clicked", lead_id=lead_id, origin=Origin.MACHINE)

        assert rescore(tx, runtime(sqlite_database), [lead_id]) == []


def test_with_nobody_to_hand_it_to_a_lead_waits_until_there_is_somebody(sqlite_database: Database):
    with sqlite_database.write() as tx:
        apply_rules(tx, assignment=Assignment(reps={}, rules=()))
        lead_id = add_lead(tx)
        add_event(tx, type="replied", lead_id=lead_id)
        assert rescore(tx, runtime(sqlite_database), [lead_id]) == []

        apply_rules(tx, assignment=DANA_ALONE)

        assert len(rescore(tx, runtime(sqlite_database), [lead_id])) == 1


@pytest.mark.both_databases
def test_eight_processes_at_once_raise_one_hand(database: Database):
    with database.write() as tx:
        apply_rules(tx)
        some = [add_lead(tx, fields={"employees": 80}) for _ in range(6)]
        for lead_id in some:
            add_event(tx, type="replied", lead_id=lead_id)
    together = Barrier(8)

    def score_all(number: int) -> int:
        together.wait()
        with database.write() as tx:
            return len(rescore(tx, runtime(database), Random(number).sample(some, len(some))))

    with ThreadPoolExecutor(8) as threads:
        raised = sum(threads.map(score_all, range(8)))

    with database.read() as tx:
        assert raised == count(tx, handoffs) == len(some)
        assert count(tx, sends) == 2 * len(some)


@pytest.mark.both_databases
def test_points_that_faded_are_taken_back_without_an_event(database: Database, clock: VirtualClock):
    with database.write() as tx:
        apply_rules(tx, scoring=FADING)
        lead_id = add_lead(tx)
        add_event(tx, type="clicked", lead_id=lead_id)
        rescore(tx, runtime(database), [lead_id])
        assert take_fading(tx, 10) == []
    clock.move_to(clock.now() + timedelta(days=10))

    with database.write() as tx:
        assert take_fading(tx, 10) == [lead_id]
        assert rescore_fading(tx, runtime(database)) == 1

        assert (score_of(tx, lead_id).points, score_of(tx, lead_id).next_change_at) == (0, None)
        assert take_fading(tx, 10) == []


@pytest.mark.both_databases
def test_a_new_model_scores_everyone_anew(database: Database):
    with database.write() as tx:
        apply_rules(tx)
        lead_id = add_lead(tx)
        add_event(tx, type="clicked", lead_id=lead_id)
        rescore(tx, runtime(database), [lead_id])

        apply_rules(tx, scoring=replace(USUAL, threshold=15))
        done = rescore_fading(tx, runtime(database))

        assert done == 1
        assert count(tx, handoffs) == 1
        assert take_fading(tx, 10) == []


@pytest.mark.both_databases
def test_a_lead_that_cannot_be_scored_keeps_no_other_from_it(database: Database, clock: VirtualClock):
    with database.write() as tx:
        apply_rules(tx, scoring=FADING)
        sound, broken = add_lead(tx), add_lead(tx)
        for lead_id in (broken, sound):
            add_event(tx, type="clicked", lead_id=lead_id)
        rescore(tx, runtime(database), [sound, broken])
        add_event(tx, type="clicked", lead_id=broken, origin="nobody knows")
    clock.move_to(clock.now() + timedelta(days=11))

    with database.write() as tx:
        rescore_fading(tx, runtime(database))

        assert score_of(tx, sound).points == 0
        assert score_of(tx, broken).points == 20
        assert take_fading(tx, 10) == []


def test_a_database_without_a_workspace_has_nothing_to_score(sqlite_database: Database):
    with sqlite_database.write() as tx:
        assert rescore_fading(tx, runtime(sqlite_database)) == 0


def test_who_the_lead_is_shows_in_its_score(sqlite_database: Database):
    with sqlite_database.write() as tx:
        apply_rules(tx, scoring=model(profile("employees >= 50", 70), points("clicked", 1)))
        lead_id = add_lead(tx, fields={"employees": 80})

        assert rescore(tx, runtime(sqlite_database), [lead_id]) == []
        assert score_of(tx, lead_id).points == 70
