"""Who comes into a cadence by itself: by an event, and by coming to match a segment."""

from datetime import timedelta
from threading import Barrier, Thread

import pytest
import sqlalchemy as sa

from engine.claim import REACTION, take_due
from engine.clock import VirtualClock
from engine.compiler.plan import CadencePlan, Entry
from engine.database import Database, Tx
from engine.events import NewEvent, record_events
from engine.expressions.fields import EventKind, EventSchema, Field, FieldType, LeadSchema
from engine.leads import set_fields
from engine.reactions import react
from engine.schedule.enrol import enrol_leads
from engine.schedule.entries import enter_by_segment
from engine.schedule.leave import leave
from engine.schedule.sweep import EVERY, sweep, sweep_if_due
from engine.schema import cadences, enrolments, leads, memberships, refusals
from engine.spans import Span
from engine.vocabulary import Origin
from tests.factories import add_consent, add_event, add_lead, serial
from tests.schedule.plans import apply, at, cadence, email
from tests.scoring.models import runtime

FIELDS = LeadSchema((Field(name="employees", type=FieldType.NUMBER),))
EVENTS = EventSchema((EventKind(name="demo_requested"), EventKind(name="order_placed", counts_as="purchased")))
SEGMENTS = {"big": "employees >= 50", "warm": "clicked(within='30 days')", "quiet": "not clicked(within='30 days')"}
RULES = {"lead_schema": FIELDS, "event_schema": EVENTS, "segments": SEGMENTS}
pytestmark = pytest.mark.both_databases


def entering(*entries: Entry, name: str = "welcome", **changed: object) -> CadencePlan:
    return cadence(email("hello", at("")), name=name, exits=(), entries=entries, **changed)


def by_event(name: str, condition: str | None = None) -> Entry:
    return Entry(segment=None, event=name, condition=condition)


def by_segment(name: str, condition: str | None = None) -> Entry:
    return Entry(segment=name, event=None, condition=condition)


def happen(database: Database, lead_id: int, type: str, **about: object) -> None:
    with database.write() as tx:
        told = {"origin": Origin.HUMAN, "data": {}, "occurred_at": tx.now, **about}
        record_events(tx, [NewEvent(source_key=f"test:{next(serial)}", type=type, lead_id=lead_id, **told)])
        claims = take_due(tx, REACTION, limit=50, lease=timedelta(seconds=30))
    react(runtime(database), claims)


def inside(database: Database, name: str = "welcome") -> list[int]:
    with database.read() as tx:
        chosen = sa.select(enrolments.c.lead_id).where(enrolments.c.cadence == name).order_by(enrolments.c.id)
        return list(tx.run(chosen).scalars())


def came_by(database: Database) -> list[str]:
    with database.read() as tx:
        return list(tx.run(sa.select(enrolments.c.came_by)).scalars())


def refused(database: Database) -> list[tuple[int, str, str]]:
    with database.read() as tx:
        return [(row.lead_id, row.reason, row.asked_by) for row in tx.run(sa.select(refusals).order_by(refusals.c.lead_id))]


def set_employees(tx: Tx, lead_id: int, employees: int) -> None:
    set_fields(tx, {lead_id: {"employees": employees}})
    enter_by_segment(tx, [lead_id])


def test_an_event_lets_in_whoever_its_condition_holds_for(database: Database):
    with database.write() as tx:
        apply(tx, entering(by_event("demo_requested", "employees >= 50")), **RULES)
        small, large = add_lead(tx, fields={"employees": 5}), add_lead(tx, fields={"employees": 50})

    happen(database, small, "demo_requested")
    happen(database, large, "demo_requested")

    assert inside(database) == [large]
    assert came_by(database) == ["event:demo_requested"]
    assert refused(database) == [(small, "condition", "event:demo_requested")]


def test_an_event_that_counts_as_another_lets_in_as_that_does(database: Database):
    with database.write() as tx:
        apply(tx, entering(by_event("purchased")), **RULES)
        lead_id = add_lead(tx)

    happen(database, lead_id, "order_placed")

    assert inside(database) == [lead_id]


@pytest.mark.parametrize("origin", [Origin.MACHINE, Origin.UNSURE])
def test_a_machine_lets_nobody_in(database: Database, origin: Origin):
    with database.write() as tx:
        apply(tx, entering(by_event("clicked"), by_event("unsubscribed"), by_segment("warm")), **RULES)
        lead_id = add_lead(tx)

    happen(database, lead_id, "clicked", origin=origin)
    happen(database, lead_id, "unsubscribed", origin=origin, data={"scope": "topic:another"})

    assert inside(database) == []


def test_what_stops_an_enrolment_by_hand_stops_one_by_itself_and_is_kept(database: Database):
    with database.write() as tx:
        apply(tx, entering(by_event("demo_requested")), **RULES)
        no_address, unwilling, had_before = add_lead(tx, email=None), add_lead(tx), add_lead(tx)
        add_consent(tx, lead_id=unwilling, state="refused")
    happen(database, had_before, "demo_requested")
    end_all(database)

    for lead_id in (no_address, unwilling, had_before):
        happen(database, lead_id, "demo_requested")

    assert inside(database) == [had_before]
    assert refused(database) == [
        (no_address, "no_address", "event:demo_requested"),
        (unwilling, "consent_refused", "event:demo_requested"),
        (had_before, "had_before", "event:demo_requested"),
    ]


def end_all(database: Database) -> None:
    with database.write() as tx:
        leave(tx, list(tx.run(sa.select(enrolments.c.id)).scalars()), reason="replied")


def test_who_matches_a_segment_already_does_not_come_in(database: Database):
    with database.write() as tx:
        large = add_lead(tx, fields={"employees": 80})

        changes = apply(tx, entering(by_segment("big")), **RULES)
        enter_by_segment(tx, [large])

    assert [(each.segment, each.people) for each in changes.already_in] == [("big", 1)]
    assert sweep(database, everything=True) == 0
    assert inside(database) == []


def test_a_lead_comes_in_as_it_comes_to_match_and_again_only_at_a_new_edge(database: Database):
    with database.write() as tx:
        apply(tx, entering(by_segment("big"), reentry=Span()), **RULES)
        lead_id = add_lead(tx, fields={"employees": 5})

        set_employees(tx, lead_id, 50)
        set_employees(tx, lead_id, 60)
    end_all(database)
    with database.write() as tx:
        set_employees(tx, lead_id, 70)
    assert inside(database) == [lead_id]

    with database.write() as tx:
        set_employees(tx, lead_id, 5)
        set_employees(tx, lead_id, 50)

    assert inside(database) == [lead_id, lead_id]


def test_an_event_that_makes_a_lead_match_lets_it_in_at_once(database: Database):
    with database.write() as tx:
        apply(tx, entering(by_segment("warm", "employees >= 50")), **RULES)
        small, large = add_lead(tx, fields={"employees": 5}), add_lead(tx, fields={"employees": 50})

    happen(database, small, "clicked")
    happen(database, large, "clicked")

    assert inside(database) == [large]
    assert came_by(database) == ["segment:warm"]
    assert refused(database) == [(small, "condition", "segment:warm")]


def test_the_sweep_lets_in_whom_time_alone_brings_to_match(database: Database, clock: VirtualClock):
    with database.write() as tx:
        lead_id = add_lead(tx)
        add_event(tx, type="clicked", lead_id=lead_id)
        apply(tx, entering(by_segment("quiet")), **RULES)
    assert sweep_if_due(database) == 0
    clock.move_to(clock.now() + timedelta(days=30))
    assert sweep_if_due(database) == 0
    clock.move_to(clock.now() + EVERY)

    assert sweep_if_due(database) == 1
    assert sweep_if_due(database) == 0
    assert inside(database) == [lead_id]


def test_a_lead_that_cannot_be_let_in_keeps_no_other_out(
    database: Database, clock: VirtualClock, caplog: pytest.LogCaptureFixture
):
    with database.write() as tx:
        first, broken, last = (add_lead(tx, fields={"employees": 80}) for _ in range(3))
        for lead_id in (first, broken, last):
            add_event(tx, type="clicked", lead_id=lead_id)
        apply(tx, entering(by_segment("quiet", "employees >= 50")), **RULES)
        tx.run(sa.update(leads).where(leads.c.id == broken).values(fields=["a list, which no import writes"]))
    clock.move_to(clock.now() + timedelta(days=31))

    sweep(database)

    assert inside(database) == [first, last]
    assert [record.facts for record in caplog.records] == [{"lead": broken}]  # type: ignore[attr-defined]


def test_a_segment_that_means_something_else_lets_in_nobody_for_that(database: Database):
    with database.write() as tx:
        apply(tx, entering(by_segment("big")), **RULES)
        middling = add_lead(tx, fields={"employees": 30})

        changes = apply(tx, entering(by_segment("big")), **RULES | {"segments": SEGMENTS | {"big": "employees >= 20"}})

    assert [(each.segment, each.people) for each in changes.already_in] == [("big", 1)]
    assert sweep(database, everything=True) == 0
    assert inside(database) == []
    assert members(database) == [middling]


def members(database: Database) -> list[int]:
    with database.read() as tx:
        return list(tx.run(sa.select(memberships.c.lead_id)).scalars())


def test_who_came_to_match_before_a_second_cadence_asked_enters_the_first_alone(database: Database, clock: VirtualClock):
    with database.write() as tx:
        lead_id = add_lead(tx)
        add_event(tx, type="clicked", lead_id=lead_id)
        apply(tx, entering(by_segment("quiet")), **RULES)
    clock.move_to(clock.now() + timedelta(days=31))

    with database.write() as tx:
        apply(tx, entering(by_segment("quiet")), entering(by_segment("quiet"), name="second"), **RULES)
    sweep(database, everything=True)

    assert (inside(database), inside(database, "second")) == ([lead_id], [])


def test_a_cadence_taken_away_forgets_who_was_in_its_segment(database: Database):
    with database.write() as tx:
        add_lead(tx, fields={"employees": 80})
        apply(tx, entering(by_segment("big")), **RULES)
        assert tx.run(sa.select(memberships)).all()

        apply(tx, **RULES)

        assert tx.run(sa.select(memberships)).all() == []
        assert tx.run(sa.select(cadences.c.version_id).where(cadences.c.name == "welcome")).scalar() is None


def test_who_was_refused_on_coming_into_a_segment_is_asked_again_when_the_reason_is_gone(database: Database, clock: VirtualClock):
    with database.write() as tx:
        apply(tx, entering(by_segment("big"), reentry=Span(days=5)), unknown_consent="hold", **RULES)
        silent, nameless, unwilling, had_before = (add_lead(tx, email=email) for email in ("", None, "", ""))
        add_consent(tx, lead_id=unwilling, state="refused")
        for lead_id in (nameless, had_before):
            add_consent(tx, lead_id=lead_id)
        enrol_leads(tx, "welcome", [had_before])
    end_all(database)
    clock.move_to(clock.now() + timedelta(minutes=1))
    with database.write() as tx:
        for lead_id in (silent, nameless, unwilling, had_before):
            set_employees(tx, lead_id, 80)
    told = refused(database)
    assert [reason for _lead_id, reason, _by in told] == ["consent_unknown", "no_address", "consent_refused", "had_before"]
    assert sweep(database) == 0

    with database.write() as tx:
        add_consent(tx, lead_id=silent)
        tx.run(sa.update(leads).where(leads.c.id == nameless).values(email="a@example.com", address_key="a"))
    assert sweep(database) == 2
    assert inside(database) == [had_before, silent, nameless]
    clock.move_to(clock.now() + timedelta(days=6))
    assert sweep(database) == 1

    assert inside(database) == [had_before, silent, nameless, had_before]
    assert sweep(database) == 0
    assert refused(database)[2] == (unwilling, "consent_refused", "segment:big")


def test_whoever_left_the_segment_meanwhile_is_not_asked_again(database: Database):
    with database.write() as tx:
        apply(tx, entering(by_segment("big")), unknown_consent="hold", **RULES)
        lead_id = add_lead(tx)
        set_employees(tx, lead_id, 80)
        tx.run(sa.update(leads).values(fields={"employees": 5}))
        add_consent(tx, lead_id=lead_id)

    assert sweep(database) == 1
    assert (inside(database), members(database)) == ([], [])


def test_an_edit_lets_in_nobody_who_was_refused(database: Database, clock: VirtualClock):
    with database.write() as tx:
        apply(tx, entering(by_segment("big")), unknown_consent="hold", **RULES)
        silent, had_before = add_lead(tx), add_lead(tx)
        add_consent(tx, lead_id=had_before)
        enrol_leads(tx, "welcome", [had_before])
    end_all(database)
    clock.move_to(clock.now() + timedelta(minutes=1))
    with database.write() as tx:
        for lead_id in (silent, had_before):
            set_employees(tx, lead_id, 80)
        apply(tx, entering(by_segment("big"), reentry=Span()), unknown_consent="nurture", **RULES)

    assert sweep(database) == 0
    assert inside(database) == [had_before]


def test_a_new_span_of_reentry_lets_in_nobody_whom_it_would_have_let_in_before(database: Database, clock: VirtualClock):
    with database.write() as tx:
        apply(tx, entering(by_segment("big")), **RULES)
        long_ago = add_lead(tx)
        enrol_leads(tx, "welcome", [long_ago])
    end_all(database)
    clock.move_to(clock.now() + timedelta(days=30))
    with database.write() as tx:
        set_employees(tx, long_ago, 80)

        apply(tx, entering(by_segment("big"), reentry=Span(days=5)), **RULES)

    assert [reason for _lead_id, reason, _by in refused(database)] == ["had_before"]
    assert sweep(database) == 0
    assert inside(database) == [long_ago]


def test_two_processes_that_see_the_same_edge_enrol_once(database: Database):
    with database.write() as tx:
        apply(tx, entering(by_segment("big"), reentry=Span()), **RULES)
        people = [add_lead(tx, fields={"employees": 5}) for _ in range(20)]
        tx.run(sa.update(leads).values(fields={"employees": 80}))
    together = Barrier(2)

    def look(order: int) -> None:
        together.wait()
        with database.write() as tx:
            enter_by_segment(tx, people[::order])

    threads = [Thread(target=look, args=(order,)) for order in (1, -1)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]

    assert sorted(inside(database)) == people
