"""`plan`, `apply` and `enrol` as a marketer types them, over the starter workspace with less to compile."""

import json
import re
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from engine.cli.main import handraiser
from engine.database import Database
from engine.errors import UsageError
from engine.schema import sends, touches
from engine.settings import read_settings
from tests.factories import add_lead, add_send

QUIET_CUSTOMER = """\
title: Quiet customers
owner: dana
topic: air-lessons
steps:
  - {email: enquiry-02-co2, at: day 0}
"""


@pytest.fixture(scope="module")
def applied_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The starter workspace with the mails of its longest cadence, in force."""
    folder = tmp_path_factory.mktemp("starter") / "workspace"
    assert CliRunner().invoke(handraiser, ["init", str(folder)]).exit_code == 0
    (folder / "cadences" / "trial-ended.yaml").unlink()
    (folder / "cadences" / "quiet-customer.yaml").write_text(QUIET_CUSTOMER, encoding="utf-8")
    for email in (folder / "templates" / "emails").iterdir():
        if re.match(r"(?:trial|quiet)-\d", email.name):
            shutil.rmtree(email)
    assert run(folder, "apply").exit_code == 0
    return folder


@pytest.fixture
def applied(applied_once: Path, tmp_path: Path) -> Path:
    """A copy of it for this test."""
    return shutil.copytree(applied_once, tmp_path / "workspace")


def test_applying_again_changes_nothing(applied: Path):
    assert run(applied, "apply").output == "Nothing changes.\n"


@pytest.mark.parametrize(("file", "is_due"), [("relays.yaml", True), ("segments.yaml", False)])
def test_an_edit_of_limits_holds_for_what_waits(applied: Path, file: str, is_due: bool):
    database = Database.open(read_settings(applied, {}).database_url)
    with database.write() as tx:
        later = tx.now + timedelta(days=2)
        waiting = [add_send(tx, due_at=later, reason=reason) for reason in ("paced", "warm_up", "no_relay")]
        away = add_send(tx, due_at=later, reason="relay_away")
    edited = {
        "relays.yaml": "relays: {main: {}}\nlimits: {gmail.com: {per_hour: 500}}\n",
        "segments.yaml": (applied / "segments.yaml").read_text() + '  new-here: {title: New, if: "rents"}\n',
    }
    (applied / file).write_text(edited[file])

    assert run(applied, "apply").exit_code == 0

    with database.read() as tx:
        due = tx.run(sa.select(sends.c.id).where(sends.c.due_at <= tx.now)).scalars().all()
    assert due == (waiting[:1] if is_due else []) and away not in due  # no relay is another one


def test_a_plan_shows_what_would_change_and_changes_nothing(applied: Path):
    edit(applied / "cadences" / "new-enquiry.yaml", "at: day 4", "at: day 5")

    first, second = run(applied, "plan"), run(applied, "plan", "--json")

    assert "~ cadence new-enquiry: other steps or times" in first.output
    assert json.loads(second.output)["cadences"][0]["how"] == "structure"


def test_a_saved_plan_is_carried_out_only_while_it_is_true(applied: Path):
    edit(applied / "cadences" / "new-enquiry.yaml", "at: day 4", "at: day 5")
    saved = applied / "tuesday.plan"
    assert run(applied, "plan", "--out", str(saved)).exit_code == 0
    edit(applied / "cadences" / "new-enquiry.yaml", "at: day 5", "at: day 6")

    refused = run(applied, "apply", str(saved))
    edit(applied / "cadences" / "new-enquiry.yaml", "at: day 6", "at: day 5")
    carried_out = run(applied, "apply", str(saved))

    assert (refused.exit_code, carried_out.exit_code) == (1, 0)
    assert "Nothing was applied" in refused.stderr


def test_a_workspace_with_errors_is_not_applied(applied: Path):
    edit(applied / "cadences" / "new-enquiry.yaml", "email: enquiry-02-co2", "email: enquiry-02-co3")

    refused = run(applied, "apply")

    assert refused.exit_code == 1
    assert 'did you mean "enquiry-02-co2"' in refused.stderr


def test_leads_are_enrolled_by_key_by_segment_and_all(applied: Path):
    with database_of(applied).write() as tx:
        add_lead(tx, email="school@example.com", fields={"building": "school"})
        add_lead(tx, email="office@example.com", fields={"building": "office"})

    by_key = run(applied, "enrol", "new-enquiry", "--lead", "office@example.com", "--at", "2030-01-07")
    by_segment = run(applied, "enrol", "quiet-customer", "--segment", "schools", "--json")
    everybody = run(applied, "enrol", "new-enquiry", "--all")

    assert "1 enrolled." in by_key.output
    assert json.loads(by_segment.output) == {"enrolled": 1, "left_out": {}}
    assert "1 enrolled.\n  1 left out: they are in this cadence already" in everybody.output
    with database_of(applied).read() as tx:
        assert tx.run(sa.select(sa.func.count()).select_from(touches)).scalar_one() == 3


def test_enrolling_says_when_the_first_step_comes(applied: Path):
    with database_of(applied).write() as tx:
        add_lead(tx, email="office@example.com", zone="Europe/London")

    done = run(applied, "enrol", "new-enquiry", "--lead", "office@example.com", "--at", "2030-01-07")

    assert "Their first step is due on Mon 07 Jan 2030 at 09:00 UTC" in done.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["new-enquiry"], "Say whom to enrol"),
        (["new-enquiry", "--all", "--segment", "schools"], "Say whom to enrol"),
        (["new-enquiry", "--lead", "nobody@example.com"], "There is no lead"),
        (["new-enquiry", "--segment", "nothing"], "There is no segment 'nothing'"),
        (["new-inquiry", "--all"], "There are: new-enquiry"),
    ],
)
def test_a_wrong_call_says_what_is_right(applied: Path, words: list[str], message: str):
    wrong = run(applied, "enrol", *words)

    assert isinstance(wrong.exception, UsageError)
    assert message in str(wrong.exception)


def run(workspace: Path, *words: str) -> Result:
    return CliRunner().invoke(handraiser, [*words, "--workspace", str(workspace)])


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def database_of(workspace: Path) -> Database:
    return Database.open(read_settings(workspace, {}).database_url)
