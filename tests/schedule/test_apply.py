"""Applying a workspace: what becomes of the people inside, on both databases."""

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from engine.database import Database, Tx
from engine.schedule.apply import apply_plan
from engine.schedule.changes import CadenceChange
from engine.schedule.edited import work_out
from engine.schedule.enrol import enrol_leads
from engine.schedule.progress import EndedTouch, end_touches
from engine.schedule.wording import lines
from engine.schema import artifacts, cadence_versions, enrolments, plans, rules, touches
from engine.versions import current_version, live_rules
from engine.vocabulary import TouchState
from tests.factories import add_lead, plain_copy
from tests.schedule.plans import apply, artifact, at, cadence, chain, email, workspace

pytestmark = pytest.mark.both_databases


def test_applying_twice_changes_nothing(database: Database):
    plan = cadence(email("welcome", at("")))
    with database.write() as tx:
        apply(tx, plan)

        again = apply(tx, plan)

        assert again.is_nothing
        assert [count(tx, table) for table in (plans, rules, cadence_versions, artifacts)] == [1, 4, 1, 1]


def test_a_first_application_says_what_is_new(database: Database):
    with database.write() as tx:
        changes = apply(tx, cadence(email("welcome", at(""))))

        assert changes.cadences == (CadenceChange(cadence="new-enquiry", how="new"),)
        assert changes.rules == ("policy", "scoring", "assignment", "offers")


def test_the_difference_writes_nothing(database: Database):
    with database.write() as tx:
        work_out(tx, workspace(cadence(email("welcome", at("")))), {})

        assert count(tx, cadence_versions) == count(tx, plans) == 0


def test_a_change_of_words_moves_everyone(database: Database):
    with database.write() as tx:
        apply(tx, cadence(email("welcome", at("1 day"), text="helo")))
        enrol_leads(tx, "new-enquiry", [add_lead(tx), add_lead(tx)])

        changes = apply(tx, cadence(email("welcome", at("1 day"), text="hello")), texts=("hello",))

        assert changes.cadences == (CadenceChange(cadence="new-enquiry", how="copy", moves=2, words=2),)
        assert versions(tx) == [current_version(tx, "new-enquiry")] * 2


def test_a_change_of_steps_leaves_everyone_where_they_are(database: Database):
    with database.write() as tx:
        apply(tx, cadence(email("welcome", at("1 day"))))
        enrol_leads(tx, "new-enquiry", [add_lead(tx)])
        before = versions(tx)

        changes = apply(tx, cadence(email("welcome", at("2 days"))))

        assert changes.cadences == (CadenceChange(cadence="new-enquiry", how="structure", stays=1),)
        assert versions(tx) == before


def test_migrating_lets_those_whose_step_is_there_stay_at_it_and_the_others_go_on(database: Database):
    with database.write() as tx:
        apply(tx, cadence(*chain(email("old", at("1 day")), email("kept", at("5 days")))))
        enrol_leads(tx, "new-enquiry", [add_lead(tx), add_lead(tx)])
        first = tx.run(sa.select(sa.func.min(touches.c.id))).scalar_one()
        end_touches(tx, [EndedTouch(touch_id=first, state=TouchState.DONE)])

        [change] = apply(tx, cadence(email("kept", at("9 days")), on_change="migrate")).cadences

        assert (change.how, change.moves, change.stays) == ("structure", 2, 0)
        assert {(move.from_step, move.to_step, move.how, move.people) for move in change.steps} == {
            ("kept", "kept", "stays", 1),
            ("old", "kept", "removed", 1),
        }
        kept = sa.select(touches.c.due_at).where(touches.c.step_id == "kept")
        assert list(tx.run(kept).scalars()) == [datetime(2026, 1, 14, 9, tzinfo=UTC)] * 2


def test_a_step_taken_before_a_move_is_not_taken_again(database: Database):
    with database.write() as tx:
        apply(tx, cadence(*chain(email("one", at("")), email("two", at("5 days")))))
        enrol_leads(tx, "new-enquiry", [add_lead(tx)])
        end_open(tx)

        apply(
            tx, cadence(*chain(email("two", at("")), email("one", at("5 days")), email("six", at("9 days"))), on_change="migrate")
        )
        end_open(tx)

        assert [row.step_id for row in tx.run(sa.select(touches).order_by(touches.c.id))] == ["one", "two", "six"]


def test_a_removed_cadence_takes_nobody_in_and_keeps_who_is_inside(database: Database):
    with database.write() as tx:
        apply(tx, cadence(email("welcome", at("1 day"))))
        enrol_leads(tx, "new-enquiry", [add_lead(tx)])

        changes = apply(tx)

        assert changes.cadences == (CadenceChange(cadence="new-enquiry", how="removed", stays=1),)
        assert current_version(tx, "new-enquiry") is None
        assert tx.run(sa.select(enrolments.c.state)).scalar_one() == "active"


def test_a_cadence_that_comes_back_takes_its_people_along(database: Database):
    with database.write() as tx:
        apply(tx, cadence(email("welcome", at("1 day"))))
        enrol_leads(tx, "new-enquiry", [add_lead(tx)])
        apply(tx)

        changes = apply(tx, cadence(email("welcome", at("1 day"))))

        assert changes.cadences == (CadenceChange(cadence="new-enquiry", how="returned"),)
        assert versions(tx) == [current_version(tx, "new-enquiry")]
        assert count(tx, cadence_versions) == 1


def test_only_the_rules_that_changed_get_a_new_row(database: Database):
    with database.write() as tx:
        apply(tx, cadence(email("welcome", at(""))))

        changes = apply(tx, cadence(email("welcome", at(""))), zone="Europe/Berlin")

        assert changes.rules == ("policy",)
        assert live_rules(tx).policy.zone == "Europe/Berlin"
        assert count(tx, rules) == 5


def test_the_current_artifact_of_an_email_follows_the_workspace(database: Database):
    old, new = artifact("receipt", "old"), artifact("receipt", "new")
    with database.write() as tx:
        for made in (old, new):
            plan = workspace()
            plan.emails["receipt"] = plain_copy(made.hash)
            changes = apply_plan(tx, plan, {made.hash: made})

        assert changes.emails == (("receipt", "changed"),)
        assert apply_plan(tx, workspace(), {}).emails == (("receipt", "gone"),)


def test_the_difference_reads_like_a_letter(database: Database):
    with database.write() as tx:
        apply(tx, cadence(email("welcome", at("1 day"), text="helo")))
        enrol_leads(tx, "new-enquiry", [add_lead(tx)])

        changes = apply(tx, cadence(email("welcome", at("1 day"), text="hello")), texts=("hello",))

        assert list(lines(changes)) == [
            "~ cadence new-enquiry: other words, the same steps",
            "    1 person moves to the new version",
        ]


def end_open(tx: Tx) -> None:
    touch_id = tx.run(sa.select(touches.c.id).where(touches.c.ended_at.is_(None))).scalar_one()
    end_touches(tx, [EndedTouch(touch_id=touch_id, state=TouchState.DONE)])


def versions(tx: Tx) -> list[int]:
    return list(tx.run(sa.select(enrolments.c.version_id).order_by(enrolments.c.id)).scalars())


def count(tx: Tx, table: sa.Table) -> int:
    return tx.run(sa.select(sa.func.count()).select_from(table)).scalar_one()
