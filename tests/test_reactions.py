"""What follows from an event: cadences are left or woken, points are counted, a hand goes up or a lead comes back."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from engine.claim import REACTION, Claim, take_due
from engine.clock import VirtualClock
from engine.compiler.plan import Exit
from engine.database import Database, Tx
from engine.events import NewEvent, record_events
from engine.processes.broker import open_broker
from engine.processes.dispatcher import tick
from engine.processes.lanes import Lane
from engine.processes.worker import carry_out
from engine.reactions import react
from engine.schedule.enrol import enrol_leads
from engine.schema import enrolments, handoffs, metadata, reactions, scores, suppressions, touches
from engine.scoring.answers import answer
from engine.vocabulary import EventType, HandoffState, Origin
from tests.factories import add_event, add_lead, add_version
from tests.schedule.plans import after, at, cadence, chain, email, wait
from tests.scoring.models import apply_rules, model, points, runtime

LEASE = timedelta(seconds=30)
NURTURE = cadence(*chain(email("welcome", at("")), email("co2", after("3 days"))))


@pytest.fixture
def lead_id(database: Database) -> int:
    """Somebody in the nurture."""
    with database.write() as tx:
        apply_rules(tx, NURTURE)
        return enrolled(tx)


def enrolled(tx: Tx, name: str = "new-enquiry", **lead: Any) -> int:
    lead_id = add_lead(tx, **lead)
    enrol_leads(tx, name, [lead_id])
    return lead_id


def observe(database: Database, lead_id: int, type: str, at: datetime | None = None, **about: Any) -> list[Claim]:
    """The event with its claimed reaction."""
    with database.write() as tx:
        key = f"test:{type}:{lead_id}:{at}:{about}"
        told = {"origin": Origin.HUMAN, "data": {}, "occurred_at": at or tx.now, **about}
        record_events(tx, [NewEvent(source_key=key, type=type, lead_id=lead_id, **told)])
        return take_due(tx, REACTION, limit=50, lease=LEASE)


def happen(database: Database, lead_id: int, type: str, **about: Any) -> None:
    react(runtime(database), observe(database, lead_id, type, **about))


def passage(database: Database, lead_id: int, name: str = "new-enquiry") -> tuple[str, str | None]:
    with database.read() as tx:
        chosen = sa.select(enrolments.c.state, enrolments.c.reason).where(enrolments.c.cadence == name)
        row = tx.run(chosen.where(enrolments.c.lead_id == lead_id).order_by(enrolments.c.id.desc())).first()
        assert row is not None
        return row.state, row.reason


def column(database: Database, wanted: sa.Column[Any]) -> list[Any]:
    with database.read() as tx:
        return list(tx.run(sa.select(wanted)).scalars())


def everything(database: Database) -> dict[str, list[Any]]:
    """All rows that a reaction may touch."""
    with database.read() as tx:
        tables = [table for name, table in sorted(metadata.tables.items()) if name not in ("rules", "plans")]
        return {table.name: sorted(map(repr, tx.run(sa.select(table)))) for table in tables}


@pytest.mark.both_databases
@pytest.mark.parametrize(("type", "reason"), [("replied", "replied"), ("order_placed", "purchased")])
def test_an_exit_ends_the_nurture(database: Database, lead_id: int, type: str, reason: str):
    happen(database, lead_id, type)

    assert passage(database, lead_id) == ("left", reason)


def test_what_happened_before_the_nurture_began_does_not_end_it(database: Database, lead_id: int, clock: VirtualClock):
    happen(database, lead_id, "order_placed", at=clock.now() - timedelta(minutes=1))

    assert passage(database, lead_id) == ("active", None)


@pytest.mark.parametrize("origin", [Origin.MACHINE, Origin.UNSURE])
def test_nothing_follows_from_what_no_person_did(database: Database, lead_id: int, origin: Origin):
    with database.write() as tx:
        event_id = add_event(tx, type="replied", lead_id=lead_id, origin=origin)
        tx.run(sa.insert(reactions).values(event_id=event_id, due_at=tx.now, state="waiting"))
        claims = take_due(tx, REACTION, limit=1, lease=LEASE)

    react(runtime(database), claims)

    assert passage(database, lead_id) == ("active", None)
    assert column(database, reactions.c.state) == ["done"]


@pytest.mark.both_databases
@pytest.mark.parametrize("type", [EventType.BOUNCED, EventType.COMPLAINED])
def test_a_dead_address_ends_everything_even_when_a_machine_says_so(database: Database, lead_id: int, type: EventType):
    happen(database, lead_id, type, origin=Origin.MACHINE)

    assert passage(database, lead_id) == ("left", type)
    assert column(database, suppressions.c.scope) == ["everything"]


@pytest.mark.parametrize(
    ("scope", "left", "stays"),
    [
        ("topic:air-lessons", {"new-enquiry"}, {"news"}),
        ("marketing", {"new-enquiry", "news"}, set()),
        (None, {"new-enquiry", "news"}, set()),
    ],
)
def test_an_opt_out_ends_what_it_is_about(database: Database, scope: str | None, left: set[str], stays: set[str]):
    with database.write() as tx:
        apply_rules(tx, NURTURE, replace(NURTURE, name="news", topic="product-news"))
        lead_id = enrolled(tx)
        enrol_leads(tx, "news", [lead_id])

    happen(database, lead_id, "unsubscribed", data={"scope": scope} if scope else {})

    assert {name for name in ("new-enquiry", "news") if passage(database, lead_id, name) == ("left", "unsubscribed")} == left
    assert {name for name in ("new-enquiry", "news") if passage(database, lead_id, name) == ("active", None)} == stays


@pytest.mark.both_databases
def test_a_goal_is_reached_and_left_as_a_success(database: Database):
    with database.write() as tx:
        apply_rules(tx, replace(NURTURE, goal="clicked('pricing')"))
        lead_id = enrolled(tx)

    happen(database, lead_id, "clicked", data={"email": "co2", "link": "guide"})
    assert passage(database, lead_id) == ("active", None)
    happen(database, lead_id, "clicked", data={"email": "co2", "link": "pricing"})

    assert passage(database, lead_id) == ("finished", "goal")


@pytest.mark.parametrize("condition", ["score >= 20", "company == 'Rival' and not replied()"])
def test_an_exit_by_condition_sees_the_points_and_fields_that_the_event_brought(database: Database, condition: str):
    way_out = Exit(event=None, condition=condition, because="is a competitor")
    with database.write() as tx:
        apply_rules(tx, replace(NURTURE, exits=(way_out,)))
        lead_id = enrolled(tx, fields={"company": "Rival"})

    happen(database, lead_id, "clicked", data={"email": "co2"})

    assert passage(database, lead_id) == ("left", "is a competitor")


@pytest.mark.both_databases
def test_a_wait_looks_again(database: Database, clock: VirtualClock):
    steps = chain(email("welcome", at("")), wait("read", "10 days", condition="clicked()"), email("co2"))
    with database.write() as tx:
        apply_rules(tx, cadence(*steps))
        lead_id = enrolled(tx)
        tx.run(sa.update(touches).values(step_id="read", due_at=tx.now + timedelta(days=10)))

    happen(database, lead_id, "clicked", data={"email": "welcome"})

    assert column(database, touches.c.due_at) == [clock.now()]


@pytest.mark.both_databases
def test_points_are_counted_and_a_hand_goes_up(database: Database, lead_id: int):
    for number in range(3):
        happen(database, lead_id, "clicked", data={"email": "co2", "n": number})

    assert column(database, scores.c.points) == [60]
    assert column(database, handoffs.c.state) == ["raised"]
    assert passage(database, lead_id) == ("suspended", None)


def test_what_no_rule_is_about_is_not_scored(database: Database, lead_id: int):
    happen(database, lead_id, "opened", data={"email": "co2"})

    assert column(database, scores.c.points) == []


def test_a_form_is_scored_whatever_it_is_worth_for_it_may_bring_new_fields(database: Database, lead_id: int):
    happen(database, lead_id, "form_submitted", data={"form": "visit"})

    assert column(database, scores.c.points) == [0]


def hand_up(database: Database, lead_id: int) -> int:
    for number in range(3):
        happen(database, lead_id, "clicked", data={"email": "co2", "n": number})
    return int(column(database, handoffs.c.id)[-1])


def give_answer(database: Database, handoff_id: int, state: HandoffState) -> None:
    with database.write() as tx:
        answer(tx, handoff_id, state)
        claims = take_due(tx, REACTION, limit=50, lease=LEASE)
    react(runtime(database), claims)


@pytest.mark.both_databases
def test_a_declined_lead_goes_on_later_by_the_days_it_stood_still_and_its_score_begins_anew(
    database: Database, clock: VirtualClock
):
    with database.write() as tx:
        apply_rules(tx, NURTURE)
        lead_id = enrolled(tx)
        tx.run(sa.update(touches).values(step_id="co2", planned_on=tx.now.date() + timedelta(days=1)))
    handoff_id = hand_up(database, lead_id)
    clock.move_to(clock.now() + timedelta(days=2))

    give_answer(database, handoff_id, HandoffState.DECLINED)

    assert passage(database, lead_id) == ("active", None)
    assert column(database, enrolments.c.shift_days) == [2]
    assert column(database, touches.c.due_at) == [clock.now() + timedelta(days=1)]
    assert column(database, scores.c.points) == [0]


def test_a_declined_lead_raises_its_hand_again_for_new_reasons(database: Database, lead_id: int, clock: VirtualClock):
    give_answer(database, hand_up(database, lead_id), HandoffState.DECLINED)
    clock.move_to(clock.now() + timedelta(hours=1))

    for number in range(3):
        happen(database, lead_id, "clicked", data={"email": "heat", "n": number})

    assert column(database, handoffs.c.crossing) == [1, 2]
    assert passage(database, lead_id) == ("suspended", None)


def test_an_answer_heard_late_does_not_resume_a_lead_whose_hand_is_up_again(database: Database, lead_id: int):
    handoff_id = hand_up(database, lead_id)
    with database.write() as tx:
        answer(tx, handoff_id, HandoffState.DECLINED)
        late = take_due(tx, REACTION, limit=50, lease=LEASE)
        again = {"lead_id": lead_id, "crossing": 2, "state": "raised", "rep": "dana", "points": 60, "reasons": []}
        tx.run(sa.insert(handoffs).values(**again, raised_at=tx.now, answer_by=tx.now))

    react(runtime(database), late)

    assert passage(database, lead_id) == ("suspended", None)


def test_a_lead_that_sales_took_stays_out_of_the_nurture(database: Database, lead_id: int):
    give_answer(database, hand_up(database, lead_id), HandoffState.ACCEPTED)

    assert passage(database, lead_id) == ("suspended", None)


@pytest.mark.both_databases
def test_a_lead_that_sales_is_through_with_leaves_its_nurture(database: Database, lead_id: int):
    handoff_id = hand_up(database, lead_id)
    give_answer(database, handoff_id, HandoffState.ACCEPTED)

    give_answer(database, handoff_id, HandoffState.CLOSED)

    assert passage(database, lead_id) == ("left", "handoff")


@pytest.mark.both_databases
@pytest.mark.parametrize(
    "type", ["clicked", "replied", "order_placed", "unsubscribed", "bounced", "handoff_declined", "never_heard_of"]
)
def test_reacting_twice_changes_nothing_more(database: Database, lead_id: int, type: str):
    hand_up(database, lead_id)
    claims = observe(database, lead_id, type)
    react(runtime(database), claims)
    before = everything(database)

    react(runtime(database), claims)

    assert everything(database) == before


def test_the_same_event_reacted_to_again_under_a_new_claim_changes_nothing_more(database: Database, lead_id: int):
    hand_up(database, lead_id)
    before = everything(database)
    with database.write() as tx:
        tx.run(sa.update(reactions).values(state="waiting", due_at=tx.now))
        claims = take_due(tx, REACTION, limit=50, lease=LEASE)

    react(runtime(database), claims)

    untouched = ("touches", "enrolments", "handoffs", "sends", "bodies", "scores", "events", "leads")
    assert {name: everything(database)[name] for name in untouched} == {name: before[name] for name in untouched}


def test_a_broken_event_harms_itself_alone_and_is_set_aside(database: Database, clock: VirtualClock):
    with database.write() as tx:
        apply_rules(tx, NURTURE)
        some = [enrolled(tx) for _ in range(50)]
        tx.run(sa.update(enrolments).where(enrolments.c.lead_id == some[17]).values(version_id=breaking_version(tx)))
        record_events(tx, [replied(lead_id, tx.now) for lead_id in some])
    broker = open_broker("memory:")

    def publish(lane: Lane, claims: list[Claim]) -> None:
        carry_out(runtime(database), broker, {"reaction": react}, lane, claims)

    for _ in range(4):
        tick(database, publish, lease=LEASE)
        clock.move_to(clock.now() + timedelta(minutes=1))

    sound = [lead_id for number, lead_id in enumerate(some) if number != 17]
    assert {passage(database, lead_id) for lead_id in sound} == {("left", "replied")}
    assert sorted(column(database, reactions.c.state)) == ["done"] * 49 + ["waiting"]
    assert column(database, reactions.c.due_at).count(None) == 1


def breaking_version(tx: Tx) -> int:
    """A cadence version that nobody can read."""
    return add_version(tx, body="not a plan")


def replied(lead_id: int, at: datetime) -> NewEvent:
    return NewEvent(source_key=f"reply:{lead_id}", type="replied", origin=Origin.HUMAN, lead_id=lead_id, occurred_at=at)


@pytest.mark.both_databases
def test_workers_that_react_to_the_same_people_at_once_do_not_wait_in_a_circle(database: Database):
    with database.write() as tx:
        apply_rules(tx, NURTURE, scoring=model(points("clicked", 30), points("replied", 60)))
        some = [enrolled(tx) for _ in range(8)]
        told = [clicked(lead_id, number, tx.now) for number in range(4) for lead_id in some[::-1] + some]
        record_events(tx, [*told, *(replied(lead_id, tx.now) for lead_id in some)])
        jobs = [take_due(tx, REACTION, limit=9, lease=LEASE) for _ in range(10)]

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda job: react(runtime(database), job), jobs))

    assert set(column(database, reactions.c.state)) == {"done"}
    assert len(column(database, handoffs.c.id)) == len(some)
    assert {passage(database, lead_id) for lead_id in some} == {("left", "replied")}


def clicked(lead_id: int, number: int, at: datetime) -> NewEvent:
    key = f"click:{lead_id}:{number}"
    return NewEvent(source_key=key, type="clicked", origin=Origin.HUMAN, lead_id=lead_id, occurred_at=at)


def test_a_condition_that_the_workspace_has_outgrown_does_not_hold_and_breaks_nothing(database: Database):
    with database.write() as tx:
        apply_rules(tx, replace(NURTURE, goal="in_segment('gone') or employees >= 3"), segments={"gone": "employees >= 1"})
        lead_id = enrolled(tx, fields={"employees": 80})
        apply_rules(tx)

    happen(database, lead_id, "clicked", data={"email": "co2"})

    assert column(database, reactions.c.state) == ["done"]
    assert column(database, scores.c.points) == [30]
