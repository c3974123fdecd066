"""The score as a pure function: what counts, until when, and in whatever order it is told."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.compiler.plan import PointRule, ProfileRule
from engine.expressions.facts import EventFact, Facts
from engine.scoring.rules import Score, score
from engine.vocabulary import EventType, Origin
from tests.scoring.models import NOW, SCOPE, ago, event, facts, model, points, profile


def scored(asked: Facts, *rules: PointRule | ProfileRule, threshold: float = 60) -> Score:
    return score(model(*rules, threshold=threshold), asked, SCOPE)


def test_each_event_gives_the_points_of_its_rule():
    found = scored(facts(event("clicked"), event("clicked"), event("replied")), points("clicked", 8), points("replied", 40))

    assert found.points == 56


def test_an_event_may_earn_under_several_rules():
    rules = points("clicked", 8), points("clicked", 20, condition="link == 'pricing'")

    assert scored(facts(event(link="pricing"), event(link="guide")), *rules).points == 36


def test_at_most_is_a_total_and_the_last_event_counts_in_part():
    found = scored(facts(*[event()] * 5), points("clicked", 8, at_most=20))

    assert found.points == 20
    assert found.reasons[0].times == 3


def test_points_may_be_taken_away_up_to_at_most():
    assert scored(facts(*[event()] * 5), points("clicked", -8, at_most=20)).points == -20


@pytest.mark.parametrize("at_most", [0, 0.0])
def test_at_most_nothing_gives_no_reason(at_most: float):
    assert scored(facts(event()), points("clicked", 8, at_most=at_most)).reasons == ()


def test_points_are_there_until_they_fade_and_gone_at_that_instant():
    rule = points("clicked", 8, fades="90 days")
    gone_at = NOW + timedelta(days=90)

    assert scored(facts(event(), now=gone_at - timedelta(microseconds=1)), rule).points == 8
    assert scored(facts(event(), now=gone_at), rule).points == 0


def test_the_score_names_when_it_next_changes():
    rules = points("clicked", 8, fades="90 days"), points("replied", 40, fades="10 days"), points("visited", 5)

    found = scored(facts(event("clicked"), event("replied"), event("visited")), *rules)

    assert found.next_change_at == NOW + timedelta(days=10)
    assert scored(facts(event("visited")), *rules).next_change_at is None


def test_points_beyond_at_most_do_not_fade_early():
    older, newer = event(at=ago("80 days")), event(at=ago("1 day"))

    found = scored(facts(older, newer), points("clicked", 20, at_most=20, fades="90 days"))

    assert found.next_change_at == newer.at + timedelta(days=90)


def test_a_condition_over_time_is_looked_at_again_when_it_turns():
    found = scored(facts(event("visited", at=ago("29 days"))), profile("visited(within='30 days')", 5))

    assert found.points == 5
    assert found.next_change_at == NOW + timedelta(days=1, microseconds=1)


def test_what_has_yet_to_happen_counts_when_it_has():
    later = event(at=NOW + timedelta(hours=1))

    found = scored(facts(later), points("clicked", 8))

    assert found.points == 0
    assert found.next_change_at == later.at


@pytest.mark.parametrize("origin", [Origin.MACHINE, Origin.UNSURE])
def test_machines_never_score(origin: Origin):
    assert scored(facts(event(origin=origin)), points("clicked", 60)).points == 0


def test_an_order_counts_as_a_purchase():
    assert scored(facts(event("order_placed")), points("purchased", 30)).points == 30


def test_the_profile_gives_points_without_any_event():
    assert scored(facts(employees=80), profile("employees >= 50", 10)).points == 10


def test_a_lead_is_ready_when_its_points_reach_the_threshold():
    assert scored(facts(event("replied")), points("replied", 60)).is_ready
    assert not scored(facts(event("replied")), points("replied", 59.5)).is_ready


def test_a_lead_is_not_ready_by_who_it_is_alone():
    rules = profile("employees >= 50", 70), points("clicked", 1)

    assert not scored(facts(employees=80), *rules).is_ready
    assert scored(facts(event("clicked"), employees=80), *rules).is_ready


@pytest.mark.parametrize("heard", [EventType.HANDOFF_DECLINED, EventType.HANDOFF_CLOSED])
def test_what_sales_has_heard_counts_no_more(heard: EventType):
    before, answer, after = event("replied", at=ago("2 days")), event(heard, at=ago("1 day")), event("clicked")

    found = scored(facts(before, answer, after), points("replied", 60), points("clicked", 8))

    assert found.points == 8


def test_accepting_a_lead_takes_no_points_away():
    assert scored(facts(event("replied"), event(EventType.HANDOFF_ACCEPTED)), points("replied", 60)).points == 60


def test_equal_reasons_are_told_once_with_their_number_the_most_points_first():
    clicks = [event(email="co2"), event(email="co2"), event(email="heat")]

    found = scored(facts(*clicks, event("replied")), points("clicked", 8, because="clicked in {email}"), points("replied", 40))

    assert [(reason.because, reason.points, reason.times) for reason in found.reasons] == [
        ("replied it", 40, 1),
        ("clicked in “co2”", 16, 2),
        ("clicked in “heat”", 8, 1),
    ]


RULES = model(
    points("clicked", 8, at_most=30, fades="40 days", because="clicked in {email}"),
    points("clicked", 20, condition="link == 'pricing'", fades="1 month"),
    points("visited", 2.5, condition="clicked(within='20 days')", because="saw {page}"),
    points("replied", 40),
    points("unsubscribed", -7.7, at_most=10),
    points("purchased", 0.1),
    profile("replied(within='2 months')", 5),
    profile("employees >= 50", 3),
)
moments = st.integers(0, 120 * 24).map(lambda hours: NOW - timedelta(hours=hours))
told = st.builds(
    EventFact,
    type=st.sampled_from(["clicked", "visited", "replied", "unsubscribed", "order_placed", "opened", EventType.HANDOFF_DECLINED]),
    at=moments | st.sampled_from([NOW, NOW - timedelta(days=40), NOW + timedelta(hours=5)]),
    origin=st.sampled_from([Origin.HUMAN] * 4 + [Origin.MACHINE, Origin.UNSURE]),
    email=st.sampled_from([None, "co2", "heat"]),
    link=st.sampled_from([None, "pricing", "guide"]),
    page=st.sampled_from([None, "/pricing"]),
)


@given(events=st.lists(told, max_size=25), seed=st.integers(0, 1000))
@settings(max_examples=200, deadline=None)
def test_the_order_in_which_events_are_told_changes_nothing(events: list[EventFact], seed: int):
    shuffled = Random(seed).sample(events, len(events))

    assert score(RULES, facts(*shuffled, employees=80), SCOPE) == score(RULES, facts(*events, employees=80), SCOPE)


@given(events=st.lists(told, max_size=15), ahead=st.floats(0, 1, exclude_max=True))
@settings(max_examples=200, deadline=None)
def test_a_score_holds_until_the_instant_that_it_names(events: list[EventFact], ahead: float):
    found = score(RULES, facts(*events), SCOPE)
    end = found.next_change_at or NOW + timedelta(days=400)

    later = score(RULES, facts(*events, now=min(NOW + (end - NOW) * ahead, end - timedelta(microseconds=1))), SCOPE)

    assert end > NOW
    assert (later.points, later.reasons) == (found.points, found.reasons)


@given(events=st.lists(told, max_size=15))
@settings(max_examples=50, deadline=None)
def test_looking_again_at_each_named_instant_comes_to_an_end(events: list[EventFact]):
    now: datetime | None = NOW
    for _ in range(200):
        if now is None:
            break
        now = score(RULES, facts(*events, now=now), SCOPE).next_change_at

    assert now is None


def test_a_span_of_months_that_is_not_the_same_forward_and_back_is_looked_at_again():
    event_at = datetime(2026, 1, 31, 12, tzinfo=UTC)
    rules = [profile("visited(within='1 month')", 5)]
    asked_at = datetime(2026, 2, 28, 12, 0, 1, tzinfo=UTC)

    found = scored(facts(event("visited", at=event_at), now=asked_at), *rules)

    assert found.points == 5
    assert found.next_change_at == asked_at + timedelta(days=1)
