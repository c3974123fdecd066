"""`handraiser graph`, called as a marketer calls it."""

import json
from pathlib import Path

from click.testing import CliRunner

from engine.cli.main import handraiser
from engine.installed import starter_folder

STARTER = ["--workspace", str(starter_folder())]


def test_a_picture_is_written_and_told(tmp_path: Path) -> None:
    told = CliRunner().invoke(handraiser, ["graph", "trial-ended", "--out", str(tmp_path / "trial.svg"), *STARTER])

    assert told.exit_code == 0
    assert "13 steps, 10 emails" in told.output
    assert (tmp_path / "trial.svg").read_text().startswith("<svg ")


def test_the_other_forms_go_to_the_terminal() -> None:
    mermaid = CliRunner().invoke(handraiser, ["graph", "trial-ended", "--mermaid", *STARTER])
    plain = CliRunner().invoke(handraiser, ["graph", "trial-ended", "--json", *STARTER])

    assert mermaid.output.startswith("flowchart TD\n")
    assert {way["from"] for way in json.loads(plain.output)["ways"]} >= {"trial-01-your-readings"}


def test_a_cadence_that_is_not_there_is_named_with_those_that_are() -> None:
    told = CliRunner().invoke(handraiser, ["graph", "new-inquiry", *STARTER])

    assert told.exit_code != 0
    assert "new-enquiry" in str(told.exception)
