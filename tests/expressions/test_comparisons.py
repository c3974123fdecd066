"""What comparisons answer: by type, without regard to capitals, and about what is missing."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from tests.expressions.conftest import Asked

EVERY_COMPARISON = [
    "employees == 5",
    "employees != 5",
    "employees < 5",
    "employees <= 5",
    "employees > 5",
    "employees >= 5",
    "5 < employees",
    "1 <= employees < 9",
    "employees in [5, 6]",
    "employees not in [5, 6]",
    "employees == rooms",
    "employees != rooms",
    "company == 'Acme'",
    "company != 'Acme'",
    "company == country",
    "company != country",
    "'acme' in company",
    "'acme' not in company",
    "role == 'owner'",
    "role != 'owner'",
    "role not in ['owner']",
    "wants_call",
    "wants_call == true",
    "wants_call == false",
    "wants_call != false",
    "trial_ended_on == '2026-03-31'",
    "trial_ended_on != '2026-03-31'",
    "trial_ended_on <= '2026-03-31'",
    "trial_ended_on > '2026-03-31'",
    "'air' in interests",
    "'air' not in interests",
    "company not in interests",
]


@pytest.mark.parametrize("text", EVERY_COMPARISON)
def test_every_comparison_with_a_missing_value_is_false(holds: Asked, text: str) -> None:
    assert not holds(text)
    assert not holds(text, employees=None, company=None, role=None, wants_call=None, trial_ended_on=None)


@pytest.mark.parametrize("text", EVERY_COMPARISON)
def test_the_opposite_of_a_comparison_with_a_missing_value_is_true(holds: Asked, text: str) -> None:
    assert holds(f"not ({text})")


@pytest.mark.parametrize("text", EVERY_COMPARISON)
def test_a_value_that_is_not_of_its_fields_type_is_missing(holds: Asked, text: str) -> None:
    wrong = {"employees": "many", "rooms": True, "company": 3, "country": {}, "role": 1.5, "wants_call": "yes"}

    assert not holds(text, trial_ended_on="soon", interests="air", **wrong)


@pytest.mark.parametrize(
    ("text", "below", "equal", "above"),
    [
        ("employees == 5", False, True, False),
        ("employees != 5", True, False, True),
        ("employees < 5", True, False, False),
        ("employees <= 5", True, True, False),
        ("employees > 5", False, False, True),
        ("employees >= 5", False, True, True),
        ("5 < employees", False, False, True),
        ("5 >= employees", True, True, False),
        ("4.5 < employees <= 5.5", False, True, False),
        ("employees in [5, 7]", False, True, False),
        ("employees not in [5, 7]", True, False, True),
        ("employees > -1", True, True, True),
    ],
)
def test_numbers_compare_as_numbers(holds: Asked, text: str, below: bool, equal: bool, above: bool) -> None:
    assert [holds(text, employees=count) for count in (4, 5.0, 6)] == [below, equal, above]


@pytest.mark.parametrize(
    ("text", "before", "equal", "after"),
    [
        ("trial_ended_on == '2026-03-31'", False, True, False),
        ("trial_ended_on != '2026-03-31'", True, False, True),
        ("trial_ended_on < '2026-03-31'", True, False, False),
        ("trial_ended_on <= '2026-03-31'", True, True, False),
        ("'2026-03-31' < trial_ended_on", False, False, True),
        ("trial_ended_on >= '2026-03-31'", False, True, True),
        ("trial_ended_on in ['2026-03-31']", False, True, False),
    ],
)
@pytest.mark.parametrize("stored", [date.fromisoformat, str])
def test_dates_compare_as_days_whether_stored_as_dates_or_text(
    holds: Asked, text: str, before: bool, equal: bool, after: bool, stored: type
) -> None:
    days = [stored(day) for day in ("2026-03-30", "2026-03-31", "2026-04-01")]

    assert [holds(text, trial_ended_on=day) for day in days] == [before, equal, after]


def test_an_instant_is_the_day_it_was_where_the_lead_is(holds: Asked) -> None:
    late = datetime(2026, 3, 31, 22, 30, tzinfo=UTC)

    assert holds("created_at == '2026-03-31'", created_at=late)
    assert holds("created_at == '2026-04-01'", created_at=late, facts={"zone": ZoneInfo("Europe/Berlin")})


@pytest.mark.parametrize(
    "text",
    [
        "company == 'STRASSE 9'",
        "company in ['x', 'Straße 9']",
        "'STRASSE' in company",
        "'rasse' in company",
        "'nowhere' not in company",
        "company != 'strasse'",
        "role == 'TEACHER'",
        "'AIR' in interests",
        "'sound' not in interests",
        "country in interests",
        "country == 'e\u0301ire'",
        "lead.company == company",
    ],
)
def test_texts_compare_without_regard_to_capitals(holds: Asked, text: str) -> None:
    assert holds(text, company="straße 9", role="Teacher", interests=("Air", "Éire"), country="ÉIRE")


def test_a_yes_no_field_stands_alone(holds: Asked) -> None:
    assert holds("wants_call and not do_not_call", wants_call=True, do_not_call=False)
    assert not holds("wants_call", wants_call=False)
    assert holds("wants_call == false", wants_call=False)


def test_missing_can_be_asked_for(holds: Asked) -> None:
    assert holds("company is missing and lead.employees is not missing", employees=0)
    assert not holds("company is missing", company="")


def test_an_empty_list_is_there_and_holds_nothing(holds: Asked) -> None:
    assert holds("'air' not in interests and interests is not missing", interests=[])


def test_score_and_consent_are_compared_like_fields(holds: Asked) -> None:
    facts = {"score": 61.5, "consent": "granted"}

    assert holds("score >= 60 and consent == 'Granted' and consent not in ['refused']", facts=facts)
    assert holds("score == 0 and consent == 'unknown'")


def test_and_binds_tighter_than_or_as_in_templates(holds: Asked) -> None:
    assert holds("true or false and false")
    assert not holds("(true or false) and false")
    assert holds("not wants_call == true")
