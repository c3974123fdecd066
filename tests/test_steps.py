"""What the steps do that are no mail: splits, fields, raised hands, other cadences, ways out. On both databases."""

from dataclasses import replace

import pytest
import sqlalchemy as sa

from engine.clock import VirtualClock
from engine.database import Database, Tx
from engine.leads import load_leads
from engine.schedule.enrol import enrol_leads
from engine.schedule.leave import resume
from engine.schedule.progress import EndedTouch, end_touches
from engine.schema import enrolments, handoffs, leads, scores, sends, tasks, touches
from engine.scoring.answers import answer
from engine.scoring.card import cards
from engine.versions import live_rules
from engine.vocabulary import Ask, HandoffState, TouchState
from tests.factories import add_consent, add_lead, add_suppression
from tests.schedule.plans import (
    apply,
    arm,
    at,
    branch,
    cadence,
    chain,
    email,
    enter,
    leave_here,
    raise_hand,
    set_values,
    split,
    task,
    wait,
)
from tests.test_advance import advance_due, enrolled, states

pytestmark = pytest.mark.both_databases


def test_a_lead_goes_the_way_of_the_arm_it_drew_and_the_touch_keeps_it(database: Database):
    with database.write() as tx:
        people = [add_lead(tx) for _ in range(40)]
        enrolled(tx, *short_or_long(), lead_id=people[0])
        enrol_leads(tx, "new-enquiry", people)

        advance_due(tx)

        ways = {(row.arm, row.next_step) for row in tx.run(DRAWN_AND_NEXT)}
        assert ways == {("short", "brief"), ("long", "detailed")}


def test_a_holdout_gets_none_of_it_and_goes_on_where_the_arms_meet(database: Database):
    with database.write() as tx:
        enrolled(tx, split("test", arm("none", holdout=True), next="after"), email("after"))

        advance_due(tx)

        assert states(tx) == [("test", "done", "holdout"), ("after", "waiting", None)]
        assert tx.run(sa.select(touches.c.arm).where(touches.c.step_id == "test")).scalar_one() == "none"


def test_a_lead_has_the_arm_it_had_whatever_the_shares_are_by_then(database: Database):
    with database.write() as tx:
        lead_id = enrolled(tx, split("test", arm("a", 1, next="x"), arm("b", 0, next="y")), email("x"), email("y"))
        advance_due(tx)
        tx.run(sa.update(enrolments).values(state="left", reason="by_hand"))
        tx.run(sa.update(touches).where(touches.c.step_id == "x").values(state="left", reason="by_hand"))

        apply(tx, cadence(split("test", arm("a", 0, next="x"), arm("b", 1, next="y")), email("x"), email("y")))
        enrol_again(tx, lead_id)
        advance_due(tx)

        assert list(tx.run(sa.select(touches.c.arm).where(touches.c.step_id == "test")).scalars()) == ["a", "a"]


@pytest.mark.parametrize(("arms", "after"), [(("a", "b"), "x"), (("b", "c"), "end")])
def test_a_split_that_moved_goes_the_way_drawn_then_while_there_is_such_an_arm(
    database: Database, arms: tuple[str, ...], after: str
):
    drawn = split("test", arm("a", next="between"), next="end")
    with database.write() as tx:
        enrolled(tx, drawn, email("between", next="end"), email("end"), on_change="migrate")
        advance_due(tx)

        moved = split("test", *(arm(name, next="x" if name == "a" else "y") for name in arms), next="end")
        steps = email("between", next="test"), moved, email("x", next="end"), email("y", next="end"), email("end")
        apply(tx, cadence(*steps, on_change="migrate"))
        tx.run(sa.update(touches).where(touches.c.step_id == "between").values(due_at=tx.now))
        skip_open(tx)

        assert states(tx)[-1] == (after, "waiting", None)


def test_a_branch_that_moved_goes_the_way_it_went(database: Database):
    with database.write() as tx:
        steps = branch("size", "employees >= 50", next="between", otherwise="between"), email("between", next="end"), email("end")
        enrolled(tx, *steps, on_change="migrate")
        advance_due(tx)

        asked = branch("size", "employees >= 50", next="big", otherwise="small")
        apply(tx, cadence(email("between", next="size"), asked, email("big"), email("small"), on_change="migrate"))
        skip_open(tx)

        assert states(tx)[-1] == ("small", "waiting", None)


def test_a_field_that_is_set_counts_like_any_change_of_the_lead(database: Database):
    with database.write() as tx:
        lead_id = enrolled(tx, *chain(set_values("mark", employees=80, first_name=None), branch("size", "employees >= 50")),
                           fields={"first_name": "Ada", "employees": 2})  # fmt: skip

        advance_due(tx)
        advance_due(tx)

        assert tx.run(sa.select(leads.c.fields)).scalar_one() == {"first_name": None, "employees": 80}
        assert states(tx) == [("mark", "done", None), ("size", "done", None)]
        assert tx.run(sa.select(scores.c.next_change_at).where(scores.c.lead_id == lead_id)).scalar_one() <= tx.now


def test_whoever_waits_for_a_field_looks_when_it_is_set(database: Database, clock: VirtualClock):
    waiting = cadence(wait("grown", "30 days", condition="employees >= 50"), name="waiting")
    with database.write() as tx:
        lead_id = add_lead(tx)
        apply(tx, waiting, cadence(set_values("mark", employees=80)))
        enrol_leads(tx, "waiting", [lead_id])
        advance_due(tx)
        enrol_leads(tx, "new-enquiry", [lead_id])

        advance_due(tx)

        due = tx.run(sa.select(touches.c.due_at).where(touches.c.step_id == "grown")).scalar_one()
        assert due == tx.now


def test_a_field_that_is_no_longer_declared_is_not_written(database: Database):
    with database.write() as tx:
        enrolled(tx, set_values("mark", former="x"), fields={"employees": 2})

        advance_due(tx)

        assert states(tx) == [("mark", "skipped", "no_field")]
        assert tx.run(sa.select(leads.c.fields)).scalar_one() == {"employees": 2}


def test_a_step_raises_a_hand_whatever_the_score_and_the_passage_stands_still(database: Database):
    steps = chain(raise_hand("visit", "{{ lead.first_name }} asked for a visit"), email("thanks"))
    with database.write() as tx:
        lead_id = enrolled_with_brand(tx, *steps, fields={"first_name": "Ada\nBcc: x"})

        advance_due(tx)

        hand = tx.run(sa.select(handoffs)).one()
        assert (hand.lead_id, hand.state, hand.rep, hand.crossing) == (lead_id, "raised", "dana", None)
        assert "Ada" not in str(hand.reasons), "what is personal stands in leads alone"
        (card,) = cards(tx, live_rules(tx), Ask.HANDOFF, [hand.id]).values()
        assert [(reason.words, reason.points) for reason in card.reasons] == [("Ada Bcc: x asked for a visit", "asked")]
        assert set(tx.run(sa.select(sends.c.email)).scalars()) == {"handoff-raised", "handoff-reminder"}
        assert tx.run(sa.select(enrolments.c.state)).scalar_one() == "suspended"
        assert [(row.step_id, row.due_at) for row in tx.run(sa.select(touches)) if row.state == "waiting"] == [("thanks", None)]

        answer(tx, hand.id, HandoffState.DECLINED)
        resume(tx, [lead_id])  # as the reaction to that answer does

        assert tx.run(sa.select(touches.c.due_at).where(touches.c.step_id == "thanks")).scalar_one() is not None


def test_a_hand_that_is_up_is_not_raised_again(database: Database):
    with database.write() as tx:
        lead_id = add_lead(tx)
        apply(tx, cadence(raise_hand("one")), cadence(raise_hand("two"), name="other"))
        enrol_leads(tx, "new-enquiry", [lead_id])
        enrol_leads(tx, "other", [lead_id])

        advance_due(tx)

        assert len(tx.run(sa.select(handoffs)).all()) == 1
        assert sorted(states(tx)) == [("one", "done", None), ("two", "skipped", "with_sales")]


def test_a_step_begins_another_cadence_and_the_passage_goes_on(database: Database):
    with database.write() as tx:
        lead_id = add_lead(tx)
        apply(tx, cadence(*chain(enter("other"), email("next"))), cadence(email("hello"), name="other"))
        enrol_leads(tx, "new-enquiry", [lead_id])

        advance_due(tx)

        assert states(tx) == [("enter-other", "done", None), ("hello", "waiting", None), ("next", "waiting", None)]


def test_whoever_may_not_enter_has_the_reason_on_the_step(database: Database):
    with database.write() as tx:
        inside, stopped, refusing, plain = (add_lead(tx) for _ in range(4))
        first = cadence(enter("other"))
        apply(tx, first, cadence(email("hello"), name="other", topic="air-lessons"))
        enrol_leads(tx, "other", [inside])
        enrol_leads(tx, "new-enquiry", [inside, stopped, refusing, plain])
        add_consent(tx, lead_id=refusing, state="refused")
        address_key = tx.run(sa.select(leads.c.address_key).where(leads.c.id == stopped)).scalar_one()
        add_suppression(tx, address_key=address_key)

        advance_due(tx)

        of_step = sa.select(enrolments.c.lead_id, touches.c.state, touches.c.reason).join(
            enrolments, enrolments.c.id == touches.c.enrolment_id
        )
        found = {row.lead_id: (row.state, row.reason) for row in tx.run(of_step.where(touches.c.step_id == "enter-other"))}
        assert found == {
            inside: ("skipped", "inside"),
            stopped: ("skipped", "suppressed"),
            refusing: ("skipped", "consent_refused"),
            plain: ("done", None),
        }


def test_a_cadence_that_is_not_there_is_not_entered(database: Database):
    with database.write() as tx:
        enrolled(tx, enter("nowhere"))

        advance_due(tx)

        assert states(tx) == [("enter-nowhere", "skipped", "no_cadence")]


def test_a_passage_leaves_where_the_cadence_says_so(database: Database):
    with database.write() as tx:
        enrolled(tx, leave_here("too-small", "has fewer than 10 people"), email("never"))

        advance_due(tx)

        assert states(tx) == [("too-small", "done", None)]
        assert tx.run(sa.select(enrolments.c.state, enrolments.c.reason)).one() == ("left", "has fewer than 10 people")


def test_a_task_goes_to_whom_the_step_names(database: Database):
    named = replace(task("write"), owner="dana", action="other")
    gone = replace(task("call"), owner="nobody-any-more")
    with database.write() as tx:
        enrolled(tx, *chain(named, gone))

        advance_due(tx)
        advance_due(tx)

        assert [(row.rep, row.action) for row in tx.run(sa.select(tasks))] == [("dana", "other"), ("dana", "call")]
        assert tx.run(sa.select(leads.c.rep)).scalar_one() is None, "asking somebody else makes nobody the lead's rep"


def test_a_cadence_in_shadow_asks_nobody_for_anything(database: Database):
    steps = chain(task("call"), raise_hand("visit"), enter("other"), set_values("mark", employees=80))
    with database.write() as tx:
        lead_id = add_lead(tx)
        apply(tx, cadence(*steps, shadow=True), cadence(email("hello"), name="other"))
        enrol_leads(tx, "new-enquiry", [lead_id])

        for _step in steps:
            advance_due(tx)

        skipped = [(step, "skipped", "shadow") for step in ("call", "visit", "enter-other")]
        assert states(tx) == [*skipped, ("mark", "done", None)]
        assert not tx.run(sa.select(tasks)).all() and not tx.run(sa.select(handoffs)).all()
        assert load_leads(tx, [lead_id])[lead_id].fields["employees"] == 80


def test_what_pretends_may_begin_what_pretends(database: Database):
    with database.write() as tx:
        lead_id = add_lead(tx)
        apply(tx, cadence(enter("other"), shadow=True), cadence(email("hello"), name="other", shadow=True))
        enrol_leads(tx, "new-enquiry", [lead_id])

        advance_due(tx)

        assert states(tx) == [("enter-other", "done", None), ("hello", "waiting", None)]


def short_or_long():
    return (
        split("test", arm("short", next="brief"), arm("long", next="detailed"), next="end"),
        email("brief", at("7 days"), next="end"),
        email("detailed", at("7 days"), next="end"),
        email("end"),
    )


def enrolled_with_brand(tx: Tx, *steps, fields=None) -> int:
    """A notice of a raised hand needs the brand's sender."""
    apply(tx, cadence(*steps))
    lead_id = add_lead(tx, fields=fields)
    enrol_leads(tx, "new-enquiry", [lead_id])
    return lead_id


def enrol_again(tx: Tx, lead_id: int) -> None:
    assert enrol_leads(tx, "new-enquiry", [lead_id], again=True).enrolled == 1


def skip_open(tx: Tx) -> None:
    """End the one open touch, whatever it is, so that the passage goes on."""

    touch_id = tx.run(sa.select(touches.c.id).where(touches.c.ended_at.is_(None))).scalar_one()
    end_touches(tx, [EndedTouch(touch_id=touch_id, state=TouchState.SKIPPED, reason="test")])


_after = touches.alias()
DRAWN_AND_NEXT = (
    sa.select(touches.c.arm, _after.c.step_id.label("next_step"))
    .join(_after, _after.c.enrolment_id == touches.c.enrolment_id)
    .where(touches.c.step_id == "test", _after.c.step_id != "test")
)
