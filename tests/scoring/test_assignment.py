"""Whose lead it is."""

from collections import Counter

import pytest
import sqlalchemy as sa

from engine.compiler.plan import Assignment, AssignmentRule
from engine.conditions import gather_facts
from engine.database import Database, Tx
from engine.leads import load_leads
from engine.schema import leads
from engine.scoring.assignment import assign
from engine.versions import live_rules
from tests.factories import add_lead
from tests.scoring.models import DANA, JONAS, SHARED, apply_rules


def assigned(tx: Tx, *lead_ids: int) -> list[str]:
    people, live = load_leads(tx, lead_ids), live_rules(tx)
    found = assign(tx, people, gather_facts(tx, people, live), live)
    return [found[lead_id].key for lead_id in lead_ids]


def test_the_first_rule_that_fits_names_the_rep(sqlite_database: Database):
    with sqlite_database.write() as tx:
        apply_rules(tx, assignment=SHARED)

        german = add_lead(tx, fields={"country": "Germany"})

        assert assigned(tx, german) == ["jonas"]


def test_several_reps_share_evenly(sqlite_database: Database):
    with sqlite_database.write() as tx:
        apply_rules(tx, assignment=SHARED)
        some = [add_lead(tx, fields={"country": "Spain"}) for _ in range(400)]

        shared = Counter(assigned(tx, *some))

    assert set(shared) == {"dana", "priya"}
    assert 150 < shared["dana"] < 250


def test_a_lead_keeps_its_rep_when_the_rules_change(sqlite_database: Database):
    with sqlite_database.write() as tx:
        apply_rules(tx, assignment=SHARED)
        lead_id = add_lead(tx, fields={"country": "Germany"})
        assigned(tx, lead_id)

        apply_rules(tx, assignment=Assignment(reps=SHARED.reps, rules=(AssignmentRule(condition=None, to=("dana",)),)))

        assert assigned(tx, lead_id) == ["jonas"]
        assert tx.run(sa.select(leads.c.rep)).scalar_one() == "jonas"


@pytest.mark.parametrize("rules", [(), (AssignmentRule(condition="country == 'Spain'", to=("jonas",)),)])
def test_whoever_no_rule_fits_goes_to_any_rep(sqlite_database: Database, rules: tuple[AssignmentRule, ...]):
    with sqlite_database.write() as tx:
        apply_rules(tx, assignment=Assignment(reps={"dana": DANA}, rules=rules) if not rules else Assignment(
            reps={"dana": DANA, "jonas": JONAS}, rules=rules
        ))  # fmt: skip

        assert assigned(tx, add_lead(tx))[0] in ("dana", "jonas")


def test_the_leads_of_a_rep_who_is_gone_are_given_to_another(sqlite_database: Database):
    with sqlite_database.write() as tx:
        apply_rules(tx, assignment=Assignment(reps={"dana": DANA}, rules=()))
        lead_id = add_lead(tx, rep="somebody-who-left")

        assert assigned(tx, lead_id) == ["dana"]
