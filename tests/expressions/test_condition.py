"""What a compiled condition says about itself, and the laws that every condition keeps."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.expressions.condition import compile_condition
from engine.expressions.facts import EventFact, Facts
from engine.expressions.fields import EventSchema
from engine.expressions.scope import Scope
from engine.vocabulary import Consent, EventType, Origin
from tests.expressions.conftest import LEADS, NOW, ORDER_PLACED, SEGMENTS, TRIAL_BEGUN

SCOPE = Scope(leads=LEADS, events=EventSchema((ORDER_PLACED, TRIAL_BEGUN)), segments=SEGMENTS)

texts = st.text(max_size=8) | st.sampled_from(["Acme", "ACME", "Straße", "air"])
leads = st.fixed_dictionaries(
    {},
    optional={
        "employees": st.none() | st.integers(-(10**400), 10**400) | st.floats(),
        "rooms": st.none() | st.integers(0, 60),
        "company": st.none() | texts,
        "country": st.none() | texts,
        "role": st.none() | st.sampled_from(["Owner", "Teacher"]),
        "wants_call": st.none() | st.booleans(),
        "trial_ended_on": st.none() | st.dates() | st.dates().map(str) | st.datetimes(),
        "created_at": st.datetimes(timezones=st.just(UTC)),
        "interests": st.none() | st.lists(texts).map(tuple) | st.lists(texts),
    },
)
event_facts = st.builds(
    EventFact,
    type=st.sampled_from([*EventType, "order_placed", "unheard_of"]),
    at=st.integers(-90, 3).map(lambda days: NOW + timedelta(days=days)),
    origin=st.sampled_from(Origin),
    email=st.none() | st.sampled_from(["welcome", "co2"]),
    link=st.none() | st.sampled_from(["pricing", "guide"]),
    page=st.none() | texts,
    form=st.none() | texts,
    data=st.dictionaries(st.sampled_from(["total", "number", "items"]), st.none() | texts | st.lists(texts | st.none())),
)
facts = st.builds(
    Facts,
    lead=leads,
    now=st.just(NOW),
    events=st.lists(event_facts, max_size=4),
    zone=st.sampled_from([UTC, ZoneInfo("Europe/London"), ZoneInfo("Pacific/Auckland")]),
    since=st.none() | st.just(NOW - timedelta(days=7)),
    score=st.floats(allow_nan=False),
    consent=st.sampled_from(Consent),
)
atoms = st.sampled_from(
    [
        "employees >= 50",
        "employees == rooms",
        "rooms in [1, 2.5, 40]",
        "10 <= rooms < 50",
        "company == 'acme'",
        "company != lead.country",
        "'ss' in company",
        "'air' in interests",
        "company not in interests",
        "role == 'owner'",
        "wants_call",
        "trial_ended_on > '2026-03-31'",
        "created_at < '2026-01-01'",
        "employees is missing",
        "score >= 60",
        "consent == 'granted'",
        "opened()",
        "clicked('pricing', within='30 days')",
        "visited('/pricing', within='1 month')",
        "purchased(sku='FILTER', within='12 months')",
        "happened('order_placed', total=3)",
        "in_segment('warm-big-offices')",
        "true",
        "false",
    ]
)
conditions = st.recursive(
    atoms,
    lambda inner: (
        inner.map(lambda part: f"not ({part})")
        | st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda found: f"({' '.join(found)})")
    ),
    max_leaves=6,
)


def holds(text: str, about: Facts) -> bool:
    return compile_condition(text, SCOPE).holds(about)


@given(conditions, facts)
def test_every_condition_answers_for_every_lead(text: str, about: Facts) -> None:
    answer = holds(text, about)

    assert isinstance(answer, bool)
    assert all(words and isinstance(truth, bool) for words, truth in compile_condition(text, SCOPE).explain(about))


@given(conditions, conditions, facts)
@settings(max_examples=60)
def test_conditions_keep_the_laws_of_two_valued_logic(one: str, other: str, about: Facts) -> None:
    assert holds(f"not not ({one})", about) == holds(one, about)
    assert holds(f"({one}) or not ({one})", about)
    assert not holds(f"({one}) and not ({one})", about)
    assert holds(f"({one}) and ({other})", about) == (holds(one, about) and holds(other, about))
    assert holds(f"({one}) or ({other})", about) == (holds(one, about) or holds(other, about))
    assert holds(f"not ({one} and {other})", about) == holds(f"not ({one}) or not ({other})", about)


@given(facts)
@settings(max_examples=60)
def test_equal_and_unequal_are_opposites_unless_one_side_is_missing(about: Facts) -> None:
    for name in ("company", "rooms", "trial_ended_on"):
        literal = {"company": "'Acme'", "rooms": "40", "trial_ended_on": "'2026-03-31'"}[name]
        is_known = holds(f"{name} is not missing", about)

        assert (holds(f"{name} == {literal}", about) != holds(f"{name} != {literal}", about)) == is_known
        assert (holds(f"{name} in [{literal}]", about) != holds(f"{name} not in [{literal}]", about)) == is_known


def test_a_condition_says_what_its_answer_depends_on() -> None:
    condition = compile_condition("wants_call or lead.rooms > 3 or (score > 5 and replied())", SCOPE)

    assert condition.uses_fields == {"wants_call", "rooms"}
    assert condition.uses_events == {"replied"}
    assert condition.uses_score and not condition.uses_time and not condition.uses_consent


def test_a_condition_depends_on_what_its_segments_depend_on() -> None:
    condition = compile_condition("in_segment('warm-big-offices') and consent == 'granted'", SCOPE)

    assert condition.uses_segments == {"warm-big-offices", "big-offices"}
    assert condition.uses_fields == {"employees"}
    assert condition.uses_events == {"clicked"}
    assert condition.uses_time and condition.uses_consent


def test_what_counts_as_a_purchase_is_among_the_events_used() -> None:
    assert compile_condition("purchased()", SCOPE).uses_events == {"purchased", "order_placed"}
    assert compile_condition("purchased(sku='x')", SCOPE).uses_events == {"order_placed"}


def test_equal_scopes_share_a_compiled_condition_and_unequal_ones_do_not() -> None:
    same = Scope(leads=LEADS, events=EventSchema((ORDER_PLACED, TRIAL_BEGUN)), segments=dict(SEGMENTS))
    other = Scope(leads=LEADS, segments={"big-offices": "employees >= 500"})

    assert compile_condition("in_segment('big-offices')", same) is compile_condition("in_segment('big-offices')", SCOPE)
    assert compile_condition("in_segment('big-offices')", other) != compile_condition("in_segment('big-offices')", SCOPE)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("employees >= 50", "employees is at least 50 (it is 12)"),
        ("50 < employees", "employees is more than 50 (it is 12)"),
        ("rooms == 2.5", "rooms is 2.5 (rooms is missing)"),
        ("company != 'Acme'", "company is not 'Acme' (it is 'Acme')"),
        ("'ac' in company", "'ac' is in company (it is 'Acme')"),
        ("role not in ['owner', 'teacher']", "role is not one of 'Owner', 'Teacher' (role is missing)"),
        ("'air' not in interests", "'air' is not in interests (it is 'Air', 'dust')"),
        ("wants_call", "wants_call is yes (it is no)"),
        ("wants_call == true", "wants_call is yes (it is no)"),
        ("company is missing", "company is missing (it is 'Acme')"),
        ("trial_ended_on >= '2026-03-31'", "trial_ended_on is on or after 2026-03-31 (it is 2026-04-01)"),
        ("created_at < '2026-03-31'", "created_at is before 2026-03-31 (it is 2026-01-02)"),
        ("score > 60", "score is more than 60 (it is 7.5)"),
        ("in_segment('big-offices')", "is in the segment 'big-offices'"),
        ("clicked('pricing', within='30 days')", "clicked 'pricing' within 30 days"),
        ("opened()", "opened"),
        ("submitted('visit')", "submitted the form 'visit'"),
        ("purchased(sku='X', total=3, within='1 year')", "purchased with sku 'X' and total 3 within 1 year"),
        ("happened('trial_begun', plan='solo')", "the event trial_begun happened with plan 'Solo'"),
        ("true", "always"),
    ],
)
def test_a_leaf_is_explained_in_words_with_what_the_lead_has(text: str, words: str) -> None:
    lead = {
        "employees": 12,
        "company": "Acme",
        "interests": ("Air", "dust"),
        "wants_call": False,
        "trial_ended_on": date(2026, 4, 1),
        "created_at": datetime(2026, 1, 2, tzinfo=UTC),
    }

    explained = compile_condition(text, SCOPE).explain(Facts(lead=lead, now=NOW, score=7.5))

    assert [said for said, _ in explained] == [words]


def test_an_explanation_has_every_leaf_with_its_own_truth() -> None:
    condition = compile_condition("not wants_call and (rooms > 3 or in_segment('big-offices'))", SCOPE)

    explained = condition.explain(Facts(lead={"wants_call": True, "rooms": 5, "employees": 60}, now=NOW))

    assert [truth for _, truth in explained] == [True, True, True]
