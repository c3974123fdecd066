"""The list of commands, and how they are found."""

from pathlib import Path

import pytest
from click.testing import CliRunner

import engine.cli.main
from engine.cli.main import COMMANDS, handraiser
from engine.errors import UsageError
from tests.compiler.workspaces import MAILS

FILES = {path.stem for path in Path(engine.cli.main.__file__).parent.glob("*.py")}


def test_every_command_has_a_file_and_is_named_once():
    assert len(set(COMMANDS)) == len(COMMANDS)
    assert {name.replace("-", "_") for name in COMMANDS} == FILES - {
        "__init__",
        "main",
        "options",
        "lead_story",
        "opening",
        "restored",
        "simulated",
        "status_lines",
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_with_an_example(name: str):
    words = [name, "import"] if name == "leads" else [name]

    told = CliRunner().invoke(handraiser, [*words, "--help"])

    assert told.exit_code == 0
    assert f"handraiser {' '.join(words)}" in told.output.partition("Usage:")[2].partition("\n")[2]


def test_a_command_that_is_not_there_is_a_wrong_call():
    told = CliRunner().invoke(handraiser, ["campaign"])

    assert told.exit_code == 2
    assert "No such command" in told.output


@pytest.mark.parametrize("words", [["graph"], ["test"], ["simulate", "--field", "employees=80"]], ids=lambda words: words[0])
@pytest.mark.parametrize(("typed", "answer"), [("smal", "did you mean 'small'?"), ("welcome", "there are: small")])
def test_a_cadence_that_is_not_there_is_answered_with_what_was_meant(words: list[str], typed: str, answer: str):
    told = CliRunner().invoke(handraiser, [*words, typed, "--workspace", str(MAILS)])

    assert isinstance(told.exception, UsageError)
    assert f"there is no cadence '{typed}'" in str(told.exception)
    assert str(told.exception).endswith(answer)
