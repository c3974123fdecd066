"""What the questions about events answer: which events count, until when, and with what data."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from engine.expressions.condition import compile_condition
from engine.expressions.facts import EventFact, Facts
from engine.expressions.scope import Scope
from engine.vocabulary import Origin
from tests.expressions.conftest import NOW, Asked

SECOND = timedelta(seconds=1)
ORDER = EventFact(
    type="order_placed",
    at=NOW,
    data={
        "number": "CR-1",
        "total": 90,
        "items": [{"sku": "FILTER", "quantity": 2}, {"sku": "monitor", "quantity": 1}, "not a record"],
    },
)


@pytest.mark.parametrize(
    ("text", "event"),
    [
        ("opened()", EventFact(type="opened", at=NOW, email="welcome")),
        ("opened('welcome')", EventFact(type="opened", at=NOW, email="welcome")),
        ("opened('Welcome')", EventFact(type="opened", at=NOW, email="welcome")),
        ("clicked()", EventFact(type="clicked", at=NOW)),
        ("clicked('co2')", EventFact(type="clicked", at=NOW, email="co2", link="guide")),
        ("clicked('guide')", EventFact(type="clicked", at=NOW, email="co2", link="guide")),
        ("replied()", EventFact(type="replied", at=NOW)),
        ("purchased()", EventFact(type="purchased", at=NOW)),
        ("purchased()", ORDER),
        ("visited('/pricing')", EventFact(type="visited", at=NOW, page="/Pricing/")),
        ("visited('pricing')", EventFact(type="visited", at=NOW, page="/pricing")),
        ("submitted('site-visit')", EventFact(type="form_submitted", at=NOW, form="site-visit")),
        ("happened('order_placed')", ORDER),
        ("happened('bounced')", EventFact(type="bounced", at=NOW)),
    ],
)
def test_each_question_is_answered_by_its_event_and_by_no_machine(holds: Asked, text: str, event: EventFact) -> None:
    assert holds(text, event)
    assert not holds(text)
    assert not holds(text, replace(event, type="imported"))
    assert not holds(text, replace(event, origin=Origin.MACHINE))
    assert not holds(text, replace(event, origin=Origin.UNSURE))


@pytest.mark.parametrize(
    "text", ["opened('co2')", "clicked('pricing')", "visited('/')", "submitted('x')", "happened('trial_begun')"]
)
def test_an_event_about_something_else_does_not_count(holds: Asked, text: str) -> None:
    events = [EventFact(type=type_, at=NOW, email="welcome") for type_ in ("opened", "clicked", "visited")]

    assert not holds(text, *events, ORDER)


def test_both_ends_of_within_count(holds: Asked) -> None:
    text, first = "replied(within='30 days')", NOW - timedelta(days=30)

    assert holds(text, EventFact(type="replied", at=first))
    assert not holds(text, EventFact(type="replied", at=first - SECOND))
    assert holds(text, EventFact(type="replied", at=NOW))
    assert not holds(text, EventFact(type="replied", at=NOW + SECOND))
    assert not holds("replied()", EventFact(type="replied", at=NOW + SECOND))


def test_months_within_are_the_calendars_in_the_leads_zone(holds: Asked) -> None:
    facts = {"now": datetime(2026, 4, 15, 12, 0, tzinfo=UTC), "zone": ZoneInfo("Europe/London")}  # summer time
    first = datetime(2026, 3, 15, 13, 0, tzinfo=UTC)  # the same wall time, in winter time

    assert holds("replied(within='1 month')", EventFact(type="replied", at=first), facts=facts)
    assert not holds("replied(within='1 month')", EventFact(type="replied", at=first - SECOND), facts=facts)


def test_a_wait_counts_only_what_came_after_it_began(holds: Asked) -> None:
    waiting = {"since": NOW - timedelta(days=1)}

    assert not holds("replied()", EventFact(type="replied", at=NOW - timedelta(days=1)), facts=waiting)
    assert holds("replied()", EventFact(type="replied", at=NOW - timedelta(days=1) + SECOND), facts=waiting)


def test_a_segment_describes_the_lead_whenever_a_wait_began(holds: Asked) -> None:
    earlier = EventFact(type="clicked", at=NOW - timedelta(days=3))
    waiting = {"since": NOW - timedelta(days=1)}

    assert holds("in_segment('warm-big-offices') and not clicked()", earlier, facts=waiting, employees=50)
    assert not holds("in_segment('warm-big-offices')", earlier, facts=waiting, employees=49)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("purchased(number='cr-1')", True),
        ("purchased(total=90)", True),
        ("purchased(total=91)", False),
        ("purchased(sku='filter')", True),
        ("purchased(sku='filter', quantity=2)", True),
        ("purchased(sku='monitor', quantity=2)", False),
        ("purchased(sku='monitor', number='CR-1', within='1 day')", True),
        ("purchased(sku='monitor', number='CR-2')", False),
        ("happened('order_placed', sku='monitor')", True),
    ],
)
def test_data_must_be_equal_and_of_one_record_in_a_list(holds: Asked, text: str, expected: bool) -> None:
    assert holds(text, ORDER) is expected


def test_an_event_without_its_data_does_not_fit(holds: Asked) -> None:
    assert not holds("purchased(sku='filter')", replace(ORDER, data={}))
    assert not holds("purchased(sku='filter')", replace(ORDER, data={"items": None}))
    assert not holds("purchased(sku='filter')", EventFact(type="purchased", at=NOW, data={"sku": "filter"}))


def test_a_scoring_rule_sees_the_event_it_scores(scope: Scope) -> None:
    click = EventFact(type="clicked", at=NOW, email="co2", link="pricing")
    facts = Facts(lead={"email": "a@b.example"}, now=NOW, event=click)
    on_click = scope.for_scoring("clicked")

    assert compile_condition("link == 'Pricing' and email == 'co2' and page is missing", on_click).holds(facts)
    assert compile_condition("lead.email == 'a@b.example' and 'price' not in link", on_click).holds(facts)
    assert not compile_condition("link == 'pricing'", on_click).holds(replace(facts, event=None))


def test_a_scoring_rule_sees_the_events_data_before_the_leads_fields(scope: Scope) -> None:
    order = replace(ORDER, data={"total": 90, "company": "Shop"})
    facts = Facts(lead={"company": "Acme"}, now=NOW, event=order)

    condition = compile_condition(
        "total > 80 and company == 'shop' and lead.company == 'acme'", scope.for_scoring("order_placed")
    )

    assert condition.holds(facts)
    assert not condition.holds(replace(facts, event=None))
