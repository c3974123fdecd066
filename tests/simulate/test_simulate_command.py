"""`handraiser simulate`: one lead or a list, by a script or by odds, and the people who are inside now."""

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from engine.cli.simulate import simulate_command
from engine.clock import HostClock
from engine.database import Database
from engine.errors import HandraiserError, UsageError
from engine.leads import NewLead, save_leads
from engine.migrations import upgrade
from engine.schedule.apply import apply_plan
from engine.schedule.enrol import enrol_leads
from engine.schema import enrolments, sends, touches
from engine.settings import read_settings, write_env_file
from engine.simulate.cast import changed
from engine.simulate.livecopy import copied_world
from engine.simulate.odds import read_odds
from engine.simulate.script import OnlyTheScript
from engine.simulate.totals import totals
from engine.tokens import Tokens
from engine.vocabulary import Consent
from tests.factories import add_event, add_lead
from tests.schedule.plans import at, cadence, task
from tests.scoring.models import apply_rules
from tests.simulate.workspaces import compile_sound, make_workspace

CADENCE = """title: Small
owner: dana
topic: air-lessons
steps:
  - email: welcome
    at: day 0
  - wait: read
    for: "clicked('welcome')"
    timeout: 7 days
  - email: guide
    at: day 20
"""


def folder_with(tmp_path: Path, **files: str) -> Path:
    folder = make_workspace(tmp_path / "workspace", small=CADENCE)
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder


def invoke(folder: Path, *arguments: str) -> Result:
    result = CliRunner().invoke(simulate_command, [*arguments, "--workspace", str(folder)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def plain(folder: Path, *arguments: str) -> dict[str, object]:
    told: dict[str, object] = json.loads(invoke(folder, *arguments, "--json").stdout)
    return told


def live_database(folder: Path, keys: list[str]) -> Database:
    """Applied, with these leads inside."""
    write_env_file(folder / ".env")
    settings, compiled = read_settings(folder, {}), compile_sound(folder)
    assert compiled.plan is not None
    database = Database.open(settings.database_url, clock=HostClock())
    upgrade(database)
    with database.write() as tx:
        apply_plan(tx, compiled.plan, compiled.artifacts, attachments=compiled.attachments)
        consent = {"air-lessons": Consent.GRANTED}
        people = [
            NewLead(key=key, email=f"{key}@firm.example", zone=None, fields={}, consent=consent, consent_source="test")
            for key in keys
        ]
        ids = save_leads(tx, Tokens(settings.require_secret()), people)
        enrol_leads(tx, "small", list(ids.values()))
    return database


def test_one_lead_does_what_the_script_says_and_its_timeline_tells_it(tmp_path: Path) -> None:
    script = "events:\n  - {on: day 2, clicked: welcome}\n  - {on: day 3, clicked: guide}\n"
    folder = folder_with(tmp_path, script=script)

    told = plain(folder, "small", "--field", "employees=80", "--script", str(folder / "script.yaml"), "--timeline")

    [timeline] = told["timelines"]  # type: ignore[misc]
    words = [moment["words"] for moment in timeline["moments"]]  # type: ignore[call-overload]
    assert words[0] == "comes into small"
    assert [word for word in words if word.startswith("clicked")] == ["clicked site in welcome"]
    assert words.index("0 → 6 points") < words.index("read done") < words.index("guide sent")
    assert told["could_not_happen"] == ["a-lead, 2026-01-08, clicked: no mail guide had been sent by then"]


def test_a_script_that_cannot_be_read_is_one_mistake(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, script="events: [\n")

    with pytest.raises(HandraiserError) as refused:
        invoke(folder, "small", "--field", "employees=80", "--script", str(folder / "script.yaml"))

    assert re.findall(r" (E\d{3}) ", str(refused.value)) == ["E004"]


def test_a_timeline_fits_the_screen(tmp_path: Path) -> None:
    shown = invoke(folder_with(tmp_path), "small", "--field", "employees=80", "--timeline", "--until", "2026-03-01").output

    timeline, _others = shown.split("\n\n", 1)
    assert "read done (timeout)" in timeline
    assert max(map(len, timeline.splitlines())) <= 80


def test_a_field_says_otherwise_of_a_real_lead() -> None:
    lead = NewLead(
        key="ada",
        email="ada@firm.example",
        zone="UTC",
        fields={"employees": 5},
        do_not_call=True,
        consent={},
        consent_source="test",
    )

    person = changed(lead, {"employees": 80, "do_not_call": False})

    assert (person.key, person.fields, person.do_not_call) == ("ada", {"employees": 80}, False)


def test_stated_odds_decide_what_people_do(tmp_path: Path) -> None:
    odds = "opens: 100%\nemails:\n  welcome: {clicks: 1.0}\n  guide: {purchases: 100%}\n"
    folder = folder_with(tmp_path, odds=odds)

    told = plain(folder, "small", "--field", "employees=80", "--odds", str(folder / "odds.yaml"), "--months", "3")

    assert told["events"] == {"opened": 2, "clicked": 1, "purchased": 1}


@pytest.mark.parametrize("text", ["opens: 140%\n", "opened: 40%\n", "- opens\n", "emails: {welcome: {opens: often}}\n"])
def test_odds_that_make_no_sense_are_told(text: str, tmp_path: Path) -> None:
    (tmp_path / "odds.yaml").write_text(text)

    with pytest.raises(UsageError, match=r"odds\.yaml"):
        read_odds(tmp_path / "odds.yaml", seed=1)


def test_everybody_who_came_in_is_somewhere_at_every_step(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, odds="opens: 60%\nclicks: 30%\nreplies: 10%\nunsubscribes: 10%\nbounces: 10%\n")
    (folder / "people.csv").write_text("email\n" + "".join(f"p{n}@firm.example\n" for n in range(25)))
    (folder / "map.yaml").write_text("email: email\nconsent: {air-lessons: {value: granted}}\nkey: email\n")

    people = ["--leads", str(folder / "people.csv"), "--map", str(folder / "map.yaml")]
    told = plain(folder, "small", *people, "--odds", str(folder / "odds.yaml"), "--until", "2026-01-20")

    for step in told["totals"]:  # type: ignore[attr-defined]
        reasons = [rows for what in ("skipped", "failed", "left") for rows in step[what].values()]
        numbers = [step[what] for what in ("sent", "done", "waiting", "unknown", "not_reached")]
        assert step["enrolled"] == 25 == sum(numbers) + sum(reasons)


def test_a_mail_without_its_row_in_the_ledger_breaks_the_sums_loudly(tmp_path: Path) -> None:
    database = live_database(folder_with(tmp_path), ["ada"])
    with database.write() as tx:
        tx.run(sa.insert(sends).values(
            source="touch:1", stream="marketing", lead_id=1, address_key="x", touch_id=1, email="welcome", state="accepted",
            created_at=tx.now,
        ))  # fmt: skip

    with database.read() as tx, pytest.raises(HandraiserError, match="the ledger says 1"):
        totals(tx)


def test_live_people_go_on_in_a_copy_and_the_live_database_stays_as_it_is(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, odds="opens: 0\n")
    database = live_database(folder, ["ada", "bob"])
    with database.read() as tx:
        before = tx.run(sa.select(touches)).all(), tx.run(sa.select(enrolments)).all()

    told = plain(folder, "--live", "--months", "3", "--odds", str(folder / "odds.yaml"), "--lead", "ada", "--timeline")

    with database.read() as tx:
        assert (tx.run(sa.select(touches)).all(), tx.run(sa.select(enrolments)).all()) == before
        assert tx.run(sa.select(sa.func.count()).select_from(sends)).scalar() == 0
    [timeline] = told["timelines"]  # type: ignore[misc]
    assert timeline["lead"] == "ada"  # type: ignore[call-overload]
    assert {total["step"]: (total["sent"], total["waiting"]) for total in told["totals"]}["welcome"] == (1, 1)  # type: ignore


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["small"],
        ["smal", "--field", "employees=1"],
        ["small", "--field", "employes=1"],
        ["small", "--field", "x"],
        ["small", "--field", "zone=Nowhere"],
        ["small", "--lead", "nobody"],
    ],
)
def test_who_and_what_must_be_said(arguments: list[str], tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        invoke(folder_with(tmp_path), *arguments)


@pytest.mark.both_databases
def test_a_copy_of_either_database_holds_everybody_and_goes_on(database: Database, tmp_path: Path) -> None:
    with database.write() as tx:
        apply_rules(tx, cadence(task("ring", at("3 days"))))
        lead_id = add_lead(tx, zone="Europe/London")
        add_event(tx, type="clicked", lead_id=lead_id, data={"email": "welcome"})
        enrol_leads(tx, "new-enquiry", [lead_id])
        before = tx.run(sa.select(touches)).all()
        until = tx.now + timedelta(days=9)

    settings = read_settings(tmp_path, {"HANDRAISER_SECRET_KEY": "k" * 40})
    with copied_world(database, settings, OnlyTheScript(seed=1), None) as world:
        world.run(until)
        with world.runtime.database.read() as tx:
            ended = tx.run(sa.select(enrolments.c.state, enrolments.c.reason)).all()

    with database.read() as tx:
        assert tx.run(sa.select(touches)).all() == before
    assert [tuple(row) for row in ended] == [("finished", "end")]
