"""Whose public holidays count: by code, by name, by region, and the usual ones for everybody else."""

from datetime import UTC, date, datetime

import pytest

from engine.compiler.plan import Holidays, Window
from engine.database import Database, Tx
from engine.expressions.fields import Field, LeadSchema
from engine.schedule.courses import course
from engine.schedule.enrol import enrol_leads
from engine.schedule.holidays import place_of, public_holidays
from engine.schedule.passages import TOUCHES_WITH_PASSAGES, passage_of
from engine.schema import touches
from engine.versions import live_rules
from tests.factories import add_lead
from tests.schedule.plans import OFFICE_HOURS, apply, at, cadence, email

ENGLAND = Holidays(usual="GB-ENG", country_field="country", region_field="region")
BOXING_DAY, UNITY_DAY, ST_ANDREWS = date(2025, 12, 26), date(2025, 10, 3), date(2026, 11, 30)
EPIPHANY, CORPUS_CHRISTI = date(2026, 1, 6), date(2026, 6, 4)  # of Bavaria, not of all Germany


@pytest.mark.parametrize(
    ("country", "region", "place"),
    [
        ("DE", None, "DE"),
        ("de", None, "DE"),
        ("DEU", None, "DE"),
        ("Germany", None, "DE"),
        ("Germany", "Bayern", "DE-BY"),
        ("Germany", "DE-BY", "DE-BY"),
        ("DE-BY", None, "DE-BY"),
        ("germany", "Atlantis", "DE"),
        ("United Kingdom", "Scotland", "GB-SCT"),
        ("Scotland", None, "GB-SCT"),
        ("UK", None, "GB"),
        ("United States", "CA", "US-CA"),
        ("U.S.A.", None, "US"),
        ("Côte d'Ivoire", None, "CI"),
        ("Ivory Coast", None, "CI"),
        ("Atlantis", None, None),
        ("  ", None, None),
        (None, "BY", None),
    ],
)
def test_a_place_is_known_by_code_or_name(country: str | None, region: str | None, place: str | None):
    assert place_of(country, region) == place


def test_a_lead_has_the_holidays_of_its_own_country_and_region():
    assert UNITY_DAY in public_holidays(ENGLAND, "Germany", None)
    assert BOXING_DAY in public_holidays(ENGLAND, "Germany", None)  # the second day of Christmas there
    assert EPIPHANY not in public_holidays(ENGLAND, "Germany", None)
    assert EPIPHANY in public_holidays(ENGLAND, "Germany", "Bayern")
    assert ST_ANDREWS in public_holidays(ENGLAND, "Scotland", None)


@pytest.mark.parametrize("country", [None, "", "Atlantis", "UK", "GB"])
def test_where_nothing_is_known_the_usual_ones_count(country: str | None):
    days = public_holidays(ENGLAND, country, None)

    assert date(2026, 4, 6) in days  # Easter Monday, which Scotland does not have
    assert UNITY_DAY not in days


def test_our_own_days_are_off_for_everybody():
    with_ours = Holidays(usual=None, country_field="country", also=(date(2026, 7, 1),))

    assert date(2026, 7, 1) in public_holidays(with_ours, "Germany", None)
    assert date(2026, 7, 1) in public_holidays(with_ours, None, None)
    assert UNITY_DAY not in public_holidays(with_ours, None, None)


@pytest.mark.both_databases
@pytest.mark.parametrize(("country", "due_on"), [("Germany", 15), ("United Kingdom", 14), (None, 14)])
def test_a_mail_waits_for_the_end_of_its_leads_holidays(database: Database, country: str | None, due_on: int):
    with database.write() as tx:
        enrolled(tx, OFFICE_HOURS, country)

        assert tx.run(touches.select()).one().due_at == datetime(2026, 5, due_on, 8, tzinfo=UTC)


@pytest.mark.both_databases
def test_a_cadence_may_ignore_holidays(database: Database):
    ignoring = Window(weekdays=OFFICE_HOURS.weekdays, opens=OFFICE_HOURS.opens, closes=OFFICE_HOURS.closes, holidays=False)
    with database.write() as tx:
        enrolled(tx, ignoring, "Hong Kong")

        row = tx.run(TOUCHES_WITH_PASSAGES).one()
        passage = passage_of(row, course(tx, row.version_id), live_rules(tx).policy)
        assert passage.days_off == frozenset()


def enrolled(tx: Tx, window: Window, country: str | None) -> None:
    """One lead, whose only mail is planned for 14 May 2026, which is Ascension Day in Germany."""
    fields = LeadSchema((Field(name="country"), Field(name="region")))
    rule = Holidays(usual="GB-ENG", country_field="country")
    apply(tx, cadence(email("welcome", at("129 days")), window=window), holidays=rule, lead_schema=fields)
    enrol_leads(tx, "new-enquiry", [add_lead(tx, fields={"country": country})])
