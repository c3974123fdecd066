"""Leads that come in or change are scored without an event of theirs."""

import pytest
import sqlalchemy as sa

from engine.clock import VirtualClock
from engine.database import Database
from engine.leads import NewLead, save_leads
from engine.schema import handoffs, scores
from engine.scoring.rescore import rescore_fading, take_fading
from tests.factories import TOKENS, add_event
from tests.scoring.models import apply_rules, model, points, profile, runtime

pytestmark = pytest.mark.both_databases
OFFICE = model(profile("employees >= 50", 10), points("replied", 60))


def person(key: str = "maya", **fields: object) -> NewLead:
    return NewLead(key=key, email=f"{key}@fernhill.example", zone=None, fields=fields, consent={}, consent_source="a list")


def test_who_a_new_lead_is_counts_before_it_does_anything(database: Database):
    with database.write() as tx:
        apply_rules(tx, scoring=OFFICE)
        save_leads(tx, TOKENS, [person(employees=80), person("jo", employees=3)])

        rescore_fading(tx, runtime(database))

        assert sorted(tx.run(sa.select(scores.c.points)).scalars()) == [0, 10]
        assert list(tx.run(sa.select(handoffs.c.id)).scalars()) == []


def test_a_changed_lead_is_scored_again_and_an_unchanged_one_is_not(database: Database, clock: VirtualClock):
    with database.write() as tx:
        apply_rules(tx, scoring=OFFICE)
        ids = save_leads(tx, TOKENS, [person(employees=3), person("jo")])
        add_event(tx, type="replied", lead_id=ids["jo"])
        rescore_fading(tx, runtime(database))

        save_leads(tx, TOKENS, [person(employees=80), person("jo")])

        assert take_fading(tx, 10) == [ids["maya"]]
        rescore_fading(tx, runtime(database))
        assert sorted(tx.run(sa.select(scores.c.points)).scalars()) == [10, 60]
        assert list(tx.run(sa.select(handoffs.c.lead_id)).scalars()) == [ids["jo"]]
