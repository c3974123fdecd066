"""What an edit does to the people inside: what is told is what happens, whatever the edit and wherever they stand."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.clock import VirtualClock
from engine.compiler.plan import hash_of
from engine.database import Database, Tx
from engine.schedule.changes import CadenceChange, Changes, MailChange, StepMove
from engine.schedule.counterparts import counterparts
from engine.schedule.edited import Work, work_out
from engine.schedule.enrol import enrol_leads
from engine.schedule.fates import Fate
from engine.schedule.leave import leave, resume, suspend
from engine.schedule.progress import EndedTouch, end_touches
from engine.schedule.saved import as_saved, deviations
from engine.schedule.who import consequences
from engine.schedule.wording import WIDTH, lines
from engine.schema import enrolments, leads, touches
from engine.versions import current_version
from engine.vocabulary import TouchState
from tests.factories import add_lead, add_send
from tests.schedule.lived_out import START, Lived, live_out, new_case, throw_away_database
from tests.schedule.plans import after, apply, arm, at, branch, cadence, chain, email, split, task, wait, workspace

both = pytest.mark.both_databases
ONE, TWO, SIX = email("one", at("")), email("two", at("5 days")), email("six", at("9 days"))


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(min_value=0, max_value=10**9))
def test_what_was_told_is_what_is_sent_and_nobody_gets_a_mail_twice_or_is_lost(seed: int):
    clock = VirtualClock(START)
    with throw_away_database(clock) as database:
        live_out(database, clock, [new_case(number, seed) for number in range(4)], people=12, lived=Lived())


@both
def test_random_edits_hold_on_both_databases(database: Database, clock: VirtualClock):
    lived = Lived()

    live_out(database, clock, [new_case(number, 11) for number in range(6)], people=10, lived=lived)

    assert lived.moved and lived.mails


@both
def test_who_stands_at_a_step_that_is_gone_goes_on_to_the_next_that_is_there(database: Database):
    with database.write() as tx:
        enrolled(tx, ONE, TWO, SIX)

        [change] = apply(tx, migrating(TWO, SIX)).cadences

        assert change.steps == (StepMove(from_step="one", to_step="two", how="removed", people=1),)
        assert change.mails == (MailChange(step="one", email="one", how="lost", why="removed", people=1),)
        assert taken(tx) == [("one", "skipped", "removed"), ("two", "waiting", None)]


@both
def test_who_stands_at_the_last_step_and_loses_it_finishes_and_says_why(database: Database):
    with database.write() as tx:
        enrolled(tx, ONE, TWO)
        end_open(tx)

        [change] = apply(tx, migrating(ONE)).cadences

        assert change.steps == (StepMove(from_step="two", to_step=None, how="removed", people=1),)
        assert tx.run(sa.select(enrolments.c.state, enrolments.c.reason)).one() == ("finished", "removed")


@both
def test_a_mail_under_another_id_is_the_same_step_and_is_not_sent_again(database: Database):
    renamed_one = renamed(ONE, "hello")
    with database.write() as tx:
        enrolled(tx, ONE, TWO)
        apply(tx, migrating(renamed_one, TWO))
        assert taken(tx) == [("hello", "waiting", None)]
        end_open(tx)

        [change] = apply(tx, migrating(TWO, renamed(ONE, "good-day"))).cadences

        assert change.mails == (MailChange(step="good-day", email="one", how="twice", people=1),)
        end_open(tx)
        assert taken(tx) == [("hello", "done", None), ("two", "done", None), ("good-day", "skipped", "same_mail")]
        assert tx.run(sa.select(enrolments.c.state)).scalar_one() == "finished"


@both
def test_a_mail_that_was_moved_behind_somebody_who_had_it_is_not_sent_when_it_is_renamed_there(database: Database):
    with database.write() as tx:
        enrolled(tx, ONE, TWO, SIX)
        end_open(tx)
        apply(tx, migrating(TWO, ONE, SIX))

        [change] = apply(tx, migrating(TWO, renamed(ONE, "good-day"), SIX)).cadences
        end_open(tx)

        assert change.mails == (MailChange(step="good-day", email="one", how="twice", people=1),)
        assert [(step, state) for step, state, _reason in taken(tx) if state != "waiting"] == [
            ("one", "done"),
            ("two", "done"),
            ("good-day", "skipped"),
        ]


@both
def test_a_cadence_that_repeats_sends_a_mail_again_under_another_id(database: Database):
    with database.write() as tx:
        enrolled(tx, ONE, TWO, repeat=True)
        end_open(tx)

        apply(tx, migrating(TWO, renamed(ONE, "good-day"), repeat=True))
        end_open(tx)

        assert taken(tx)[-1] == ("good-day", "waiting", None)


@both
def test_a_mail_that_a_cadence_names_twice_is_sent_twice(database: Database):
    again = renamed(ONE, "once-more")
    with database.write() as tx:
        enrolled(tx, ONE, TWO)
        end_open(tx)

        [change] = apply(tx, migrating(ONE, TWO, again)).cadences

        assert [(mail.how, mail.step) for mail in change.mails] == [("gained", "once-more")]


@both
def test_a_step_that_is_retimed_is_due_at_its_new_time_and_a_claim_of_it_is_void(database: Database):
    with database.write() as tx:
        enrolled(tx, TWO)
        tx.run(sa.update(touches).values(state="claimed", worker_id="w", epoch=4))

        [change] = apply(tx, migrating(email("two", at("9 days")))).cadences

        assert change.mails[0].how == "later"
        assert change.mails[0].by == (timedelta(days=2),) * 3
        row = tx.run(sa.select(touches)).one()
        assert (row.state, row.epoch, row.due_at) == ("waiting", 5, datetime(2026, 1, 14, 9, tzinfo=UTC))


@both
def test_what_an_edit_leaves_alone_keeps_its_time_even_if_a_cap_moved_it(database: Database):
    held_until = datetime(2026, 1, 20, 9, tzinfo=UTC)
    with database.write() as tx:
        enrolled(tx, TWO, SIX)
        tx.run(sa.update(touches).values(due_at=held_until))

        apply(tx, migrating(TWO, email("six", at("30 days"))))

        assert tx.run(sa.select(touches.c.due_at)).scalar_one() == held_until


@both
def test_a_mail_on_its_way_is_not_called_back_and_its_passage_goes_on(database: Database):
    with database.write() as tx:
        lead_id = enrolled(tx, ONE, TWO)
        touch_id = tx.run(sa.update(touches).values(state="sending", due_at=None).returning(touches.c.id)).scalar_one()
        add_send(tx, lead_id=lead_id, touch_id=touch_id, email="one")

        [change] = apply(tx, migrating(TWO)).cadences
        end_touches(tx, [EndedTouch(touch_id=touch_id, state=TouchState.DONE)])

        assert [move.how for move in change.steps] == ["sending"]
        assert change.mails == ()
        assert taken(tx) == [("one", "done", None), ("two", "waiting", None)]


@both
def test_who_stands_still_moves_too_and_is_due_when_sales_gives_them_back(database: Database, clock: VirtualClock):
    with database.write() as tx:
        lead_id = enrolled(tx, ONE, TWO)
        suspend(tx, [lead_id])
        apply(tx, migrating(TWO))
        assert tx.run(sa.select(touches.c.due_at).where(touches.c.step_id == "two")).scalar_one() is None
    clock.move_to(START + timedelta(days=3))

    with database.write() as tx:
        resume(tx, [lead_id])

        assert tx.run(sa.select(touches.c.due_at).where(touches.c.step_id == "two")).scalar_one() == datetime(
            2026, 1, 13, 9, tzinfo=UTC
        )


@both
def test_who_was_left_behind_by_an_earlier_edit_moves_when_the_file_says_so(database: Database):
    with database.write() as tx:
        enrolled(tx, ONE, TWO)
        [pinned] = apply(tx, cadence(*chain(ONE, SIX))).cadences
        [change] = apply(tx, migrating(ONE, SIX)).cadences

        assert (pinned.stays, change.moves) == (1, 1)
        assert tx.run(sa.select(enrolments.c.version_id)).scalar_one() == current_version(tx, "new-enquiry")
        assert apply(tx, migrating(ONE, SIX)).is_nothing


@both
def test_a_saved_plan_knows_who_has_moved_on_since(database: Database):
    with database.write() as tx:
        enrolled(tx, ONE, TWO, SIX)
        plan = workspace(migrating(TWO, SIX))
        saved = as_saved(work_out(tx, plan, {}), hash_of(plan), tx.now)
        assert deviations(saved, work_out(tx, plan, {}), hash_of(plan)) == []
        end_open(tx)
        enrol_leads(tx, "new-enquiry", [add_lead(tx)])

        found = deviations(saved, work_out(tx, plan, {}), hash_of(plan))

        assert [(each.people, each.words) for each in found] == [
            (1, "new-enquiry: not planned for, at one"),
            (1, "new-enquiry: were at one, and are at two now"),
        ]


@both
def test_what_was_worked_out_before_is_worked_out_again_for_whoever_moved_came_in_or_left(database: Database):
    plan = workspace(migrating(TWO, email("six", at("12 days"))))
    with database.write() as tx:
        apply(tx, cadence(*chain(ONE, TWO, SIX)))
        people = [add_lead(tx) for _ in range(5)]
        enrol_leads(tx, "new-enquiry", people)
        before = work_out(tx, plan, {})
        end_open(tx, people[0])
        leave(tx, [tx.run(sa.select(enrolments.c.id).where(enrolments.c.lead_id == people[1])).scalar_one()], reason="replied")
        suspend(tx, [people[2]])
        moved_house = {"zone": "America/New_York", "updated_at": tx.now + timedelta(seconds=1)}
        tx.run(sa.update(leads).where(leads.c.id == people[3]).values(**moved_house))
        enrol_leads(tx, "new-enquiry", [add_lead(tx)])

        work, again = work_out(tx, plan, {}, since=before), work_out(tx, plan, {})

        assert work.changes == again.changes != before.changes
        assert fates_of(work) == fates_of(again)
        apply(tx, migrating(ONE, TWO))
        assert work_out(tx, plan, {}, since=before).changes == work_out(tx, plan, {}).changes


@both
def test_everybody_whom_it_concerns_is_named(database: Database):
    with database.write() as tx:
        lead_id = enrolled(tx, ONE, TWO)

        work = work_out(tx, workspace(migrating(TWO)), {})

        assert [(each.kind, each.step, each.lead_ids) for each in consequences(tx, work, "")] == [
            ("removed", "one", (lead_id,)),
            ("lost", "one", (lead_id,)),
        ]
        assert [each.words for each in consequences(tx, work, "lost")] == ["will not get one: it is gone"]


def test_pauses_without_a_name_are_known_by_what_they_follow():
    old = cadence(*chain(email("a"), wait("wait-2", "5 days"), wait("wait-3", "10 days"), email("b")))
    new = cadence(*chain(email("x"), email("a"), wait("wait-3", "5 days"), wait("wait-4", "10 days"), email("b")))

    assert counterparts(old, new) == {"a": "a", "wait-2": "wait-3", "wait-3": "wait-4", "b": "b"}


def test_a_branch_under_another_name_is_known_by_its_condition():
    def with_branch(name: str):
        return cadence(branch(name, "employees >= 50", next="call", otherwise="b"), task("call", next="b"), email("b"))

    assert counterparts(with_branch("big"), with_branch("large"))["big"] == "large"


def test_twenty_cadences_fit_a_terminal():
    long = "enquiry-with-a-name-that-goes-on-and-on-as-names-of-mails-do"
    move = StepMove(from_step=long, to_step=long + "-2", how="removed", people=123_456)
    spans = (timedelta(hours=3), timedelta(days=2), timedelta(days=40))
    mail = MailChange(step=long, email=long, how="later", people=7, by=spans)
    change = CadenceChange(cadence=long, how="structure", moves=9, words=3, steps=(move,) * 30, mails=(mail,) * 30)
    still = [CadenceChange(cadence=f"still-{n}", how="unchanged") for n in range(18)]

    told = "\n".join(lines(Changes(cadences=(change, change, *still), rules=(), emails=()))).splitlines()

    assert max(map(len, told)) <= WIDTH
    assert len(told) < 120
    assert told[-1] == "  18 cadences as before"


def test_after_counts_from_the_step_before_the_one_that_is_gone(sqlite_database: Database):
    late = email("late", after("3 days"))
    with sqlite_database.write() as tx:
        enrolled(tx, ONE, email("gone", after("20 days")), late)
        end_open(tx)

        apply(tx, migrating(ONE, late))

        assert tx.run(sa.select(touches.c.due_at).where(touches.c.step_id == "late")).scalar_one() == datetime(
            2026, 1, 8, 9, tzinfo=UTC
        )


def test_who_draws_another_arm_because_the_split_has_another_name_is_told(sqlite_database: Database):
    ways = (arm("short", next="two"), arm("long", next="six"))
    with sqlite_database.write() as tx:
        apply(tx, cadence(email("one", next="split"), split("split", *ways), TWO, SIX))
        enrol_leads(tx, "new-enquiry", [add_lead(tx) for _ in range(20)])
        plan = workspace(cadence(email("one", next="parts"), split("parts", *ways), TWO, SIX, on_change="migrate"))

        work = work_out(tx, plan, {})

        assert {(mail.step, mail.how) for mail in work.changes.cadences[0].mails} == {
            (step, how) for step in ("two", "six") for how in ("gained", "lost")
        }
        assert work.changes == work_out(tx, plan, {}, whole=True).changes


def test_a_mail_of_an_earlier_passage_that_comes_again_under_another_id_is_told(sqlite_database: Database):
    with sqlite_database.write() as tx:
        lead_id = enrolled(tx, TWO)
        end_open(tx)
        apply(tx, cadence(*chain(ONE, TWO, SIX)))
        enrol_leads(tx, "new-enquiry", [lead_id], again=True)

        [change] = work_out(tx, workspace(migrating(ONE, renamed(TWO, "deux"), SIX)), {}).changes.cadences

        assert [(mail.step, mail.how) for mail in change.mails] == [("deux", "gained")]


def enrolled(tx: Tx, *steps, **changed) -> int:
    """One lead at the first of these steps."""
    apply(tx, cadence(*chain(*steps), **changed))
    lead_id = add_lead(tx)
    enrol_leads(tx, "new-enquiry", [lead_id])
    return lead_id


def migrating(*steps, **changed):
    return cadence(*chain(*steps), on_change="migrate", **changed)


def renamed(step, id: str):
    return replace(step, id=id)


def end_open(tx: Tx, lead_id: int | None = None) -> None:
    """Of this lead, or of the only one."""
    theirs = sa.select(enrolments.c.id).where(lead_id is None or enrolments.c.lead_id == lead_id)
    touch_id = tx.run(
        sa.select(touches.c.id).where(touches.c.ended_at.is_(None), touches.c.enrolment_id.in_(theirs))
    ).scalar_one()
    end_touches(tx, [EndedTouch(touch_id=touch_id, state=TouchState.DONE)])


def fates_of(work: Work) -> dict[int, Fate]:
    return {person[0]: crowd.fate for edited in work.edited for crowd in edited.crowds for person in crowd.people}


def taken(tx: Tx) -> list[tuple[str, str, str | None]]:
    rows = tx.run(sa.select(touches.c.step_id, touches.c.state, touches.c.reason).order_by(touches.c.id))
    return [(row.step_id, row.state, row.reason) for row in rows]
