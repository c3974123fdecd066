"""A small workspace's fields, events and segments, and leads to ask about."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from engine.expressions.condition import compile_condition
from engine.expressions.facts import EventFact, Facts
from engine.expressions.fields import EventKind, EventSchema, Field, FieldType, LeadSchema
from engine.expressions.scope import Scope

NOW = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)

LEADS = LeadSchema(
    (
        Field(name="employees", type=FieldType.NUMBER),
        Field(name="rooms", type=FieldType.NUMBER),
        Field(name="company"),
        Field(name="country"),
        Field(name="role", type=FieldType.CHOICE, choices=("Owner", "Teacher")),
        Field(name="wants_call", type=FieldType.YES_NO),
        Field(name="trial_ended_on", type=FieldType.DATE),
        Field(name="interests", type=FieldType.LIST),
    )
)
ITEMS = (Field(name="sku"), Field(name="quantity", type=FieldType.NUMBER))
ORDER_PLACED = EventKind(
    name="order_placed",
    counts_as="purchased",
    data=(
        Field(name="number"),
        Field(name="total", type=FieldType.NUMBER),
        Field(name="company"),
        Field(name="ship_to", personal=True),
        Field(name="items", type=FieldType.LIST_OF, of=ITEMS),
    ),
)
TRIAL_BEGUN = EventKind(name="trial_begun", data=(Field(name="plan", type=FieldType.CHOICE, choices=("Solo", "Team")),))
SEGMENTS = {
    "big-offices": "employees >= 50",
    "warm-big-offices": "in_segment('big-offices') and clicked(within='30 days')",
    "hen": "in_segment('egg')",
    "egg": "in_segment('hen')",
    "broken": "emploees > 3",
}

Asked = Callable[..., bool]


@pytest.fixture
def scope() -> Scope:
    return Scope(
        leads=LEADS,
        events=EventSchema((ORDER_PLACED, TRIAL_BEGUN)),
        segments=SEGMENTS,
        emails=("welcome", "co2"),
        links=("pricing", "guide"),
    )


@pytest.fixture
def holds(scope: Scope) -> Asked:
    """`holds(condition, *events, employees=3, …)`: the answer for a lead with these fields, at NOW."""

    def ask(text: str, *events: EventFact, facts: dict[str, Any] | None = None, **lead: object) -> bool:
        gathered = Facts(**{"lead": lead, "now": NOW, "events": events, **(facts or {})})
        return compile_condition(text, scope).holds(gathered)

    return ask
