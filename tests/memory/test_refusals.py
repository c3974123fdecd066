"""Whoever refuses a topic is stopped by address: another lead may have the same, and be known to have agreed."""

from collections.abc import Mapping

import pytest

from engine.database import Database, Tx
from engine.leads import NewLead, save_leads
from engine.suppression import stops_on
from engine.vocabulary import Consent
from tests.factories import TOKENS

pytestmark = pytest.mark.both_databases
MAYA, NEW = "maya@school.example", "maya@home.example"
REFUSED, GRANTED = {"air-lessons": Consent.REFUSED}, {"air-lessons": Consent.GRANTED}


def told(tx: Tx, key: str, email: str | None, consent: Mapping[str, Consent], source: str = "a form") -> None:
    person = NewLead(key=key, email=email, zone=None, fields={}, consent=consent, consent_source=source)
    save_leads(tx, TOKENS, [person])


def stopped(tx: Tx, email: str) -> list[tuple[str, str, str]]:
    return stops_on(tx, TOKENS.address_key(email))


def test_a_refusal_stops_the_topic_for_the_address_and_says_by_what(database: Database) -> None:
    with database.write() as tx:
        told(tx, "crm-1", "Maya@School.example", REFUSED | {"offers": Consent.GRANTED})

        assert stopped(tx, MAYA) == [("topic:air-lessons", "refused", "a form")]


def test_it_is_one_stop_however_often_and_by_whomever_it_is_said(database: Database) -> None:
    with database.write() as tx:
        for key, source in (("crm-1", "a form"), ("crm-1", "list.csv"), ("crm-2", "list.csv")):
            told(tx, key, MAYA, REFUSED, source)

        assert stopped(tx, MAYA) == [("topic:air-lessons", "refused", "a form")]


def test_nothing_that_is_said_later_takes_it_back(database: Database) -> None:
    """As with an opt-out by link: which of two leads is the person who reads the mail nobody knows."""
    with database.write() as tx:
        told(tx, "crm-1", MAYA, REFUSED)
        for key in ("crm-1", "crm-2"):
            told(tx, key, MAYA, GRANTED)

        assert len(stopped(tx, MAYA)) == 1


def test_a_refusal_goes_with_the_lead_to_its_new_address_and_stays_at_the_old_one(database: Database) -> None:
    with database.write() as tx:
        told(tx, "crm-1", MAYA, REFUSED)
        told(tx, "crm-1", NEW, {})

        assert [len(stopped(tx, email)) for email in (MAYA, NEW)] == [1, 1]


def test_a_refusal_without_an_address_stops_the_one_that_comes_later(database: Database) -> None:
    with database.write() as tx:
        told(tx, "crm-1", None, REFUSED)
        told(tx, "crm-1", MAYA, {})

        assert len(stopped(tx, MAYA)) == 1


def test_who_refused_nothing_is_not_stopped(database: Database) -> None:
    with database.write() as tx:
        told(tx, "crm-1", MAYA, GRANTED)
        told(tx, "crm-2", NEW, {"air-lessons": Consent.UNKNOWN})

        assert stopped(tx, MAYA) == stopped(tx, NEW) == []
