"""Conditions that no lead can meet, ways that nobody can take, and that nothing possible is ever called impossible."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.compiler.possible import may_fail, may_hold
from engine.expressions.condition import compile_condition
from engine.expressions.facts import EventFact, Facts
from engine.expressions.fields import Field, FieldType, LeadSchema
from engine.expressions.scope import Scope
from tests.compiler.test_cadences import found_in

LEADS = LeadSchema(
    (
        Field(name="employees", type=FieldType.NUMBER),
        Field(name="rooms", type=FieldType.NUMBER),
        Field(name="role", type=FieldType.CHOICE, choices=("owner", "teacher")),
        Field(name="city"),
        Field(name="rents", type=FieldType.YES_NO),
        Field(name="since", type=FieldType.DATE),
        Field(name="interests", type=FieldType.LIST),
    )
)
SCOPE = Scope(leads=LEADS, segments={"big": "employees >= 50", "answered": "replied()", "warm": "in_segment('answered')"})


def holds_for_somebody(text: str) -> bool:
    return may_hold(compile_condition(text, SCOPE).tree, SCOPE.choices)


@pytest.mark.parametrize(
    "text",
    [
        "employees > 50 and employees < 10",
        "employees >= 50 and employees < 50",
        "employees > 50 and employees == 50",
        "employees >= 50 and employees <= 50 and employees != 50",
        "in_segment('big') and employees == 12",
        "employees is missing and employees > 5",
        "role == 'owner' and role == 'teacher'",
        "role != 'owner' and role != 'TEACHER'",
        "city == 'Leeds' and city == 'York'",
        "city in ['Leeds', 'York'] and city not in ['york', 'leeds', 'Bath']",
        "rents and not rents",
        "since > '2026-03-31' and since < '2026-01-01'",
        "score > 60 and score <= 60",
        "score is missing",
        "consent != 'granted' and consent != 'unknown' and consent != 'refused'",
        "replied() and not replied()",
        "in_segment('answered') and not in_segment('warm')",
        "false",
        "(employees > 50 or rents) and employees < 10 and not rents",
    ],
)
def test_no_lead_can_meet_both_of_two_things_that_exclude_each_other(text: str) -> None:
    assert not holds_for_somebody(text)


@pytest.mark.parametrize(
    "text",
    [
        "employees >= 50 and employees <= 50",
        "not (employees >= 50) and not (employees < 50)",  # the number is missing
        "not rents and rents is missing",
        "role != 'owner'",
        "city == 'Leeds' and city == 'LEEDS'",
        "replied(within='3 days') and not replied(within='2 days')",
        "'air' in interests and not 'water' in interests",
        "employees > rooms and rooms > employees",  # not followed: two fields
        "employees > 50 or employees < 10",
        "in_segment('answered') and not replied()",  # in a wait: not since it began
    ],
)
def test_what_some_lead_may_meet_is_let_through(text: str) -> None:
    assert holds_for_somebody(text)


def test_only_what_no_lead_can_fail_always_holds() -> None:
    tree = compile_condition("employees >= 50 or employees < 50", SCOPE).tree
    everything = compile_condition("employees >= 50 or employees < 50 or employees is missing", SCOPE).tree

    assert may_fail(tree, SCOPE.choices)
    assert not may_fail(everything, SCOPE.choices)


LEAVES = st.sampled_from([
    "employees > 5", "employees >= 5", "employees < 6", "employees == 5", "employees != 5", "employees <= 4",
    "employees in [4, 5]", "employees not in [5]", "employees is missing", "role == 'owner'", "role != 'owner'",
    "role in ['teacher']", "role is missing", "city == 'leeds'", "city != 'Leeds'", "city in ['York', 'Leeds']",
    "rents", "rents is missing", "since > '2026-03-31'", "since <= '2026-03-31'", "since == '2026-03-31'",
    "score > 3", "score <= 3", "consent == 'granted'", "replied()", "clicked('a')", "in_segment('big')",
    "in_segment('answered')", "in_segment('warm')",
    "employees > rooms", "'air' in interests", "true",
])  # fmt: skip
TEXTS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda parts: f"({' '.join(parts)})"),
        inner.map(lambda part: f"not ({part})"),
    ),
    max_leaves=8,
)
PEOPLE = st.fixed_dictionaries(
    {
        "employees": st.sampled_from([None, 4, 5, 6, 80]),
        "rooms": st.sampled_from([None, 5]),
        "role": st.sampled_from([None, "owner", "teacher"]),
        "city": st.sampled_from([None, "Leeds", "York", "Bath"]),
        "rents": st.sampled_from([None, True, False]),
        "since": st.sampled_from([None, date(2026, 3, 31), date(2026, 4, 1)]),
        "interests": st.sampled_from([None, ("air",)]),
    }
)


@settings(max_examples=200, deadline=None)
@given(
    text=TEXTS,
    lead=PEOPLE,
    score=st.sampled_from([0, 3, 4]),
    consent=st.sampled_from(["granted", "unknown"]),
    replied=st.booleans(),
    since=st.sampled_from([None, datetime(2026, 5, 31, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)]),
)
def test_what_holds_for_a_lead_is_never_called_impossible(
    text: str, lead: dict[str, object], score: float, consent: str, replied: bool, since: datetime | None
) -> None:
    now = datetime(2026, 6, 1, tzinfo=UTC)
    events = [EventFact(type="replied", at=now)] if replied else []
    condition = compile_condition(text, SCOPE)

    holds = condition.holds(Facts(lead=lead, now=now, events=events, score=score, consent=consent, since=since))

    assert may_hold(condition.tree, SCOPE.choices) or not holds
    assert may_fail(condition.tree, SCOPE.choices) or holds


def nested(outer: str, inner: str, between: str = "", way: str = "then") -> str:
    return (
        f'  - branch: outer\n    if: "{outer}"\n    {way}:\n{between}'
        f'      - branch: inner\n        if: "{inner}"\n        then: [{{email: welcome}}]\n'
    )


@pytest.mark.parametrize(
    ("steps", "codes"),
    [
        (nested("employees >= 50", "employees < 10"), ["W009"]),
        (nested("employees >= 50", "employees > 20"), ["W009"]),
        (nested("employees >= 50", "employees >= 50"), ["W009"]),
        (nested("employees >= 50", "employees >= 90"), []),
        (nested("employees >= 50", "employees >= 90", way="else"), ["W009"]),
        (nested("employees >= 50", "role == 'owner'"), []),
        (nested("purchased()", "purchased()"), []),
        (nested("score > 60", "score < 10"), []),
        # after a while the same question may be meant, and after a step has written the field anything may
        (nested("role == 'owner'", "role == 'owner'", "      - wait: 2 weeks\n"), []),
        (nested("role == 'owner'", "role == 'teacher'", "      - wait: 2 weeks\n"), ["W009"]),
        (nested("role == 'owner'", "role == 'teacher'", "      - {set: s, fields: {role: teacher}}\n"), []),
    ],
)
def test_a_way_that_a_branch_above_has_decided_is_told(steps: str, codes: list[str], tmp_path: Path) -> None:
    assert found_in(tmp_path, steps) == codes


def test_a_condition_of_a_thousand_alternatives_is_not_followed_for_long() -> None:
    text = " and ".join(f"(employees > {n} or rents)" for n in range(60))

    assert holds_for_somebody(text)
