"""Who is in a segment, asked of all leads or of some."""

import pytest

from engine.database import Database, Tx
from engine.expressions.fields import Field, FieldType, LeadSchema
from engine.schedule.segments import leads_in_segment, who_matches
from engine.versions import live_rules
from tests.factories import add_event, add_lead
from tests.schedule.plans import apply, at, cadence, email

FIELDS = LeadSchema((Field(name="country"), Field(name="employees", type=FieldType.NUMBER)))
DEEP = {f"s{n}": f"{'not ' * 9}in_segment('s{n + 1}')" for n in range(4)} | {"s4": "employees >= 50"}
SEGMENTS = {"big": "employees >= 50", "warm": "in_segment('big') and clicked(within='30 days')", **DEEP}
pytestmark = pytest.mark.both_databases


def crowd(tx: Tx) -> list[int]:
    apply(tx, cadence(email("welcome", at(""))), segments=SEGMENTS, lead_schema=FIELDS)
    people = [add_lead(tx, fields={"employees": employees}) for employees in (49, 50, 51)]
    add_event(tx, type="clicked", lead_id=people[2])
    return people


def test_a_segment_is_found_among_all_leads(database: Database):
    with database.write() as tx:
        _small, large, warm = crowd(tx)

        assert list(leads_in_segment(tx, "big")) == [[large, warm]]
        assert list(leads_in_segment(tx, "warm")) == [[warm]]


def test_only_the_leads_in_question_are_looked_at(database: Database):
    with database.write() as tx:
        small, large, _warm = crowd(tx)

        assert who_matches(tx, live_rules(tx).policy, "big", among=[large, small, 999]) == [large]


def test_a_segment_too_deep_for_sql_is_asked_in_memory_with_the_same_answer(database: Database):
    with database.write() as tx:
        _small, large, warm = crowd(tx)

        assert list(leads_in_segment(tx, "s0")) == [[large, warm]]
