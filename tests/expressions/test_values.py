"""Values from files and shops, read by the type of their field, and the fields themselves."""

import json
from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.expressions.fields import EventKind, EventSchema, Field, FieldType, LeadSchema
from engine.expressions.values import as_json, parse_data, parse_value
from tests.expressions.conftest import ORDER_PLACED

TEXT = Field(name="company")
NUMBER = Field(name="employees", type=FieldType.NUMBER)
YES_NO = Field(name="wants_call", type=FieldType.YES_NO)
DATE = Field(name="trial_ended_on", type=FieldType.DATE)
CHOICE = Field(name="role", type=FieldType.CHOICE, choices=("Owner", "Teacher"))
LIST = Field(name="interests", type=FieldType.LIST)
ITEMS = Field(name="items", type=FieldType.LIST_OF, of=(Field(name="sku"), Field(name="quantity", type=FieldType.NUMBER)))
EVERY_FIELD = [TEXT, NUMBER, YES_NO, DATE, CHOICE, LIST, ITEMS]


@pytest.mark.parametrize("field", EVERY_FIELD)
@pytest.mark.parametrize("raw", [None, "", "  \t"])
def test_what_is_empty_is_missing(field: Field, raw: object) -> None:
    assert parse_value(field, raw) is None


@pytest.mark.parametrize(
    ("field", "raw", "value"),
    [
        (TEXT, "  Acme  ", "Acme"),
        (TEXT, "e\u0301", "é"),
        (TEXT, 10482, "10482"),
        (NUMBER, "50", 50),
        (NUMBER, "-12.50", -12.5),
        (NUMBER, 12.0, 12),
        (NUMBER, 0, 0),
        (YES_NO, "Yes", True),
        (YES_NO, "0", False),
        (YES_NO, False, False),
        (DATE, "2026-03-31", date(2026, 3, 31)),
        (DATE, "2026-03-31T23:30:00Z", date(2026, 3, 31)),
        (DATE, datetime(2026, 3, 31, 9, 0), date(2026, 3, 31)),  # noqa: DTZ001
        (CHOICE, "tEACHER", "Teacher"),
        (LIST, "air, dust;air;AIR", ("air", "dust")),
        (LIST, ["air", " dust "], ("air", "dust")),
        (LIST, [], None),
        (LIST, ",", None),
        (ITEMS, [{"sku": "X"}], ({"sku": "X", "quantity": None},)),
    ],
)
def test_a_value_is_read_by_its_type(field: Field, raw: object, value: object) -> None:
    found = parse_value(field, raw)

    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("field", "raw", "words"),
    [
        (TEXT, "a\x00b", "`company` holds a character that cannot be stored"),
        (TEXT, "\ud800", "cannot be stored"),
        (TEXT, "x" * 10_001, "10001 characters long; 10000 are the most"),
        (TEXT, 1.5, "`company` cannot be 1.5: it wants text"),
        (TEXT, True, "it wants text"),
        (TEXT, {}, "it wants text"),
        (NUMBER, "1,200", "`employees` cannot be '1,200': it wants a number such as 1200 or 12.5"),
        (NUMBER, "about 50", "it wants a number"),
        (NUMBER, "nan", "it wants a number"),
        (NUMBER, "٣", "it wants a number"),
        (NUMBER, True, "it wants a number"),
        (NUMBER, float("nan"), "more than 15 digits"),
        (NUMBER, "9" * 16, "more than 15 digits"),
        (NUMBER, "9" * 5000, "it wants a number"),
        (YES_NO, "maybe", "`wants_call` cannot be 'maybe': it wants yes or no"),
        (YES_NO, 2, "it wants yes or no"),
        (DATE, "31/03/2026", "`trial_ended_on` cannot be '31/03/2026': it wants a date such as 2026-03-31"),
        (DATE, "2026-02-30", "that is in the calendar"),
        (DATE, 20260331, "it wants a date"),
        (CHOICE, "techer", "one of Owner, Teacher (did you mean Teacher?)"),
        (LIST, [1], "a list of texts"),
        (LIST, 3, "a list of texts"),
        (ITEMS, "X", "a list of records, each with sku, quantity"),
        (ITEMS, [{"skuu": "X", "quantity": "many"}], "`items` number 1 has no field `skuu` (did you mean `sku`?); "),
    ],
)
def test_a_value_that_does_not_fit_is_answered_with_what_would(field: Field, raw: object, words: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_value(field, raw)

    assert words in str(caught.value)
    assert len(str(caught.value)) < 300


@given(st.sampled_from(EVERY_FIELD), st.text() | st.integers() | st.floats() | st.booleans() | st.lists(st.text()))
def test_a_value_is_read_again_from_its_stored_form_as_itself(field: Field, raw: object) -> None:
    try:
        value = parse_value(field, raw)
    except ValueError:
        return
    stored = json.loads(json.dumps(as_json(value), allow_nan=False))

    assert parse_value(field, stored) == value
    assert parse_value(field, value) == value


def test_an_events_data_is_read_whole() -> None:
    data = parse_data(ORDER_PLACED, {"number": 7, "total": "90.5", "items": [{"sku": "X", "quantity": 2}]})

    assert data["number"] == "7" and data["total"] == 90.5 and data["ship_to"] is None
    assert as_json(data) == {
        "number": "7",
        "total": 90.5,
        "company": None,
        "ship_to": None,
        "items": [{"sku": "X", "quantity": 2}],
    }


def test_every_fault_of_an_events_data_is_said_at_once() -> None:
    with pytest.raises(ValueError, match=r"no field `totl` \(did you mean `total`\?\); .*`total` cannot be 'much'"):
        parse_data(ORDER_PLACED, {"totl": 3, "total": "much"})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"name": "First Name"}, "cannot be a name"),
        ({"name": "score"}, "a meaning of its own"),
        ({"name": "not"}, "a meaning of its own"),
        ({"name": "role", "type": FieldType.CHOICE}, "must have some"),
        ({"name": "role", "choices": ("a",)}, "belongs to a field of type choice"),
        ({"name": "role", "type": FieldType.CHOICE, "choices": ("a", "A")}, "the same choice is there twice"),
        ({"name": "items", "type": FieldType.LIST_OF}, "must have one"),
        ({"name": "items", "type": FieldType.LIST_OF, "of": (ITEMS,)}, "cannot hold another"),
        ({"name": "items", "type": FieldType.LIST_OF, "of": (TEXT, TEXT)}, "`company` is there twice"),
    ],
)
def test_a_field_that_cannot_be_is_refused(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Field(**arguments)  # type: ignore[arg-type]


def test_schemas_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="`email` is there twice"):
        LeadSchema((Field(name="email"),))
    with pytest.raises(ValueError, match="only for the data of events"):
        LeadSchema((ITEMS,))
    with pytest.raises(ValueError, match="an event that we observe ourselves"):
        EventKind(name="clicked")
    with pytest.raises(ValueError, match="may only count as `purchased`"):
        EventKind(name="demo", counts_as="clicked")
    with pytest.raises(ValueError, match="`order_placed` is there twice"):
        EventSchema((ORDER_PLACED, ORDER_PLACED))
