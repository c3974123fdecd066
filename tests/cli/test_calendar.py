"""`handraiser calendar`, called as a marketer calls it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from engine.cli.main import handraiser
from engine.errors import UsageError

PEOPLE = "email,first_name\n" + "\n".join(f"ada{n}@firm{n % 3}.example,Ada" for n in range(9))
MAP = "{key: email, email: email, fields: {first_name: first_name}, consent: {air-lessons: {value: granted}}}"


def run(workspace: Path, *words: str) -> str:
    told = CliRunner().invoke(handraiser, [*words, "--workspace", str(workspace)], catch_exceptions=False)
    assert told.exit_code == 0, told.output
    return told.stdout


@pytest.fixture
def inhabited(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The starter with nine people in a cadence."""
    monkeypatch.setenv("HANDRAISER_SECRET_KEY", "a secret of a test that is long enough to be one")
    (workspace / "people.csv").write_text(PEOPLE)
    (workspace / "people.map.yaml").write_text(MAP)
    run(workspace, "apply")
    run(workspace, "leads", "import", str(workspace / "people.csv"), "--map", str(workspace / "people.map.yaml"))
    run(workspace, "enrol", "trial-ended", "--all")
    return workspace


def test_the_calendar_is_shown_in_every_form(inhabited: Path) -> None:
    page, table = inhabited / "calendar.html", inhabited / "calendar.csv"

    shown = run(inhabited, "calendar")
    plain = json.loads(run(inhabited, "calendar", "--json", "--say", "trial-ended.tenant-or-owner=100%"))
    run(inhabited, "calendar", "--html", str(page), "--csv", str(table), "--new", "trial-ended=7/week")

    assert "9 people are inside" in shown
    assert plain["mails"] == pytest.approx(9 * (9 + 0.8), abs=0.1)  # nine for all, one for who has not counted their rooms
    assert sum(day["mails"] for day in plain["days"]) == pytest.approx(plain["mails"], abs=3)
    assert {each["domain"] for each in plain["domains"]} == {f"firm{n}.example" for n in range(3)}
    assert "7 people a week come into trial-ended" in page.read_text()
    assert table.read_text().startswith("day,cadence,mails\n")


def test_a_wrong_word_is_told(inhabited: Path) -> None:
    told = CliRunner().invoke(handraiser, ["calendar", "--new", "lots", "--workspace", str(inhabited)])

    assert isinstance(told.exception, UsageError)
