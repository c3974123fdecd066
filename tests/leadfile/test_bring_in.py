"""Bringing a lead file in, on both databases."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from engine.compiler.plan import Entry, WorkspacePlan, from_json
from engine.compiler.workspace import Compiled
from engine.database import Database, Tx
from engine.errors import ImportFileError
from engine.leadfile.bring_in import Imported, import_leads
from engine.leadfile.map import read_map
from engine.leads import find_lead, save_consents
from engine.schedule.apply import apply_plan
from engine.schema import consents, enrolments, events, leads, plans, refusals
from engine.spans import Span
from engine.suppression import stops_on
from engine.versions import live_rules
from engine.vocabulary import Consent
from tests.factories import TOKENS

pytestmark = pytest.mark.both_databases

MAP = """
key: Email
email: Email
fields: {first_name: Name, employees: Staff}
consent: {air-lessons: {column: No mail, values: {Yes: refused, No: granted}, otherwise: unknown}}
do_not_email: No mail
"""
LINES = ["Name,Email,Staff,No mail", "Ada,ada@firm.example,12,No", "Bo,bo@firm.example,many,No", "=Cy(),cy@firm.example,3,Yes"]

Bring = Callable[..., Imported]


@pytest.fixture
def bring(database: Database, compiled_starter: Compiled, tmp_path: Path) -> Bring:
    assert compiled_starter.plan is not None
    with database.write() as tx:
        apply_plan(tx, compiled_starter.plan, compiled_starter.artifacts)

    def bring_in(*lines: str, text: str = MAP) -> Imported:
        (tmp_path / "list.csv").write_text("\n".join(lines or LINES), encoding="utf-8")
        (tmp_path / "map.yaml").write_text(text, encoding="utf-8")
        with database.read() as tx:
            policy = live_rules(tx).policy
        lead_map = read_map(tmp_path / "map.yaml", policy.lead_schema, tuple(policy.topics))
        return import_leads(database, TOKENS, tmp_path / "list.csv", lead_map, progress=lambda _rows: None)

    return bring_in


def test_good_rows_come_in_and_bad_ones_are_kept_with_their_reason(database: Database, bring: Bring, tmp_path: Path) -> None:
    done = bring()

    assert (done.rows, done.added, done.rejected) == (3, 2, 1)
    rejects = (tmp_path / "list.rejects.csv").read_text()
    assert "bo@firm.example" in rejects
    assert "employees" in rejects
    with database.read() as tx:
        found = find_lead(tx, "ADA@firm.example")
    assert found is not None
    assert found.fields == {"first_name": "Ada", "employees": 12}


def test_an_import_may_be_repeated(database: Database, bring: Bring) -> None:
    bring()
    with database.read() as tx:
        before = tx.run(sa.select(leads).order_by(leads.c.id)).all()

    done = bring()

    with database.read() as tx:
        assert tx.run(sa.select(leads).order_by(leads.c.id)).all() == before
    assert (done.added, done.known) == (0, 2)


def test_do_not_email_stops_all_marketing_to_the_address(database: Database, bring: Bring) -> None:
    bring()

    with database.read() as tx:
        stops = {(scope, reason) for scope, reason, _source in stops_on(tx, TOKENS.address_key("cy@firm.example"))}
        assert stops == {("marketing", "do_not_email"), ("topic:air-lessons", "refused")}  # both are what this column says
        assert stops_on(tx, TOKENS.address_key("ada@firm.example")) == []


def test_the_same_people_may_come_in_from_several_files_at_once(database: Database, bring: Bring, tmp_path: Path) -> None:
    bring(LINES[0])
    with database.read() as tx:
        policy = live_rules(tx).policy
    lead_map = read_map(tmp_path / "map.yaml", policy.lead_schema, tuple(policy.topics))
    people = [LINES[0], *(f"P{number},p{number}@firm.example,3,No" for number in range(3_000))]

    def import_file(name: str) -> Imported:
        (tmp_path / name).write_text("\n".join(people), encoding="utf-8")
        return import_leads(database, TOKENS, tmp_path / name, lead_map, progress=lambda _rows: None)

    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(import_file, ("a.csv", "b.csv", "c.csv")))

    assert [each.rows for each in done] == [3_000] * 3
    with database.read() as tx:
        assert tx.run(sa.select(sa.func.count()).select_from(leads)).scalar_one() == 3_000


def test_no_import_overrides_what_a_lead_refused(database: Database, bring: Bring) -> None:
    bring()
    with database.write() as tx:
        ada = find_lead(tx, "ada@firm.example")
        assert ada is not None
        save_consents(tx, "air-lessons", [(ada.id, Consent.REFUSED, "said so")])

    bring()

    with database.read() as tx:
        assert tx.run(sa.select(consents.c.state).where(consents.c.lead_id == ada.id)).scalar() == "refused"


def test_a_reject_is_harmless_in_a_spreadsheet(bring: Bring, tmp_path: Path) -> None:
    bring(LINES[0], '=HYPERLINK("x"),not an address,1,No')

    assert "'=HYPERLINK" in (tmp_path / "list.rejects.csv").read_text()


def test_a_later_import_keeps_the_fields_it_does_not_name(database: Database, bring: Bring) -> None:
    bring()

    bring("Email,No mail", "ada@firm.example,No", text=MAP.replace("fields: {first_name: Name, employees: Staff}\n", ""))

    with database.read() as tx:
        found = find_lead(tx, "ada@firm.example")
    assert found is not None
    assert found.fields == {"first_name": "Ada", "employees": 12}


def test_of_two_rows_about_one_lead_the_later_has_the_last_word(database: Database, bring: Bring) -> None:
    done = bring(LINES[0], "Ada,ada@firm.example,12,No", "Augusta,ada@firm.example,,Yes")

    assert (done.rows, done.added, done.known) == (2, 1, 1)
    with database.read() as tx:
        found = find_lead(tx, "ada@firm.example")
        assert found is not None
        assert found.fields == {"first_name": "Augusta", "employees": 12}
        assert tx.run(sa.select(consents.c.state).where(consents.c.lead_id == found.id)).scalar() == "refused"


def test_a_file_that_breaks_in_the_middle_brings_nobody_in(database: Database, bring: Bring) -> None:
    people = [f"Ada,ada{number}@firm.example,12,No" for number in range(1_100)]

    with pytest.raises(ImportFileError, match=r"list\.csv: line 1102: this is not CSV"):
        bring(LINES[0], *people, '"Bo,bo@firm.example')

    with database.read() as tx:
        assert tx.run(sa.select(sa.func.count()).select_from(leads)).scalar() == 0


def test_a_file_lets_its_people_in_once_however_often_it_is_read(database: Database, bring: Bring) -> None:
    with database.write() as tx:
        plan = live_workspace(tx)
        entry = Entry(segment=None, event="imported", condition="employees >= 10")
        first, *others = plan.cadences
        apply_plan(tx, replace(plan, cadences=(replace(first, entries=(entry,), reentry=Span()), *others)), {})

    bring("Name,Email,Staff,No mail", "Ada,ada@firm.example,12,No", "Bo,bo@firm.example,3,No")
    bring("Name,Email,Staff,No mail", "Ada,ada@firm.example,12,No", "Bo,bo@firm.example,3,No")

    with database.read() as tx:
        inside = tx.run(sa.select(leads.c.email, enrolments.c.cadence).join_from(enrolments, leads)).all()
        told = tx.run(sa.select(events.c.type)).scalars().all()
        kept = tx.run(sa.select(refusals.c.reason, refusals.c.asked_by)).all()
    assert [tuple(row) for row in inside] == [("ada@firm.example", first.name)]
    assert told == ["imported", "imported"]
    assert [tuple(row) for row in kept] == [("condition", "event:imported")]


def live_workspace(tx: Tx) -> WorkspacePlan:
    return from_json(WorkspacePlan, str(tx.run(sa.select(plans.c.body)).scalar_one()))
