"""`handraiser check` as a marketer and a machine see it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from engine.cli.check import check_command
from engine.cli.main import handraiser
from engine.installed import starter_folder
from tests.factories import SECRET


def check(*arguments: str) -> Result:
    return CliRunner().invoke(check_command, arguments)


@pytest.fixture
def broken(workspace: Path) -> Path:
    """The starter with one unknown email."""
    file = workspace / "cadences" / "new-enquiry.yaml"
    file.write_text(file.read_text().replace("email: enquiry-02-co2", "email: enquiry-02-co", 1))
    return workspace


def test_a_sound_workspace_is_counted_and_ends_with_0() -> None:
    result = check("--workspace", str(starter_folder()))

    assert result.exit_code == 0
    assert "3 cadences" in result.output
    assert "no errors" in result.output


def test_an_error_is_told_with_its_place_and_what_to_do_and_ends_with_1(broken: Path) -> None:
    result = check("--workspace", str(broken))

    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert lines[0].startswith("cadences/new-enquiry.yaml:")
    assert 'E012 unknown email "enquiry-02-co" (did you mean "enquiry-02-co2"?)' in lines[0]
    assert any(line.startswith("E012  ") for line in lines)
    assert lines[-1].startswith("1 error")


def test_a_warning_about_a_mail_comes_with_the_way_to_let_it_stand(workspace: Path) -> None:
    file = workspace / "templates/emails/service-update/email.yaml"
    file.write_text("".join(line for line in file.read_text().splitlines(keepends=True) if not line.startswith("to_try:")))

    lines = check("--workspace", str(workspace)).output.splitlines()

    assert 'What is meant so can be said in its email.yaml, with its reason: considered: {W049: "…"}' in lines


def test_a_relay_without_an_address_is_told_where_mail_is_sent_for_real(workspace: Path) -> None:
    (workspace / "relays.yaml").write_text("relays: {main: {}, bulk: {}}\n")
    captured = check("--workspace", str(workspace)).output
    (workspace / ".env").write_text("HANDRAISER_SMTP_URL=smtp://127.0.0.1:2525\n")

    told = check("--workspace", str(workspace)).output

    assert "W018" not in captured
    assert 'W018 the relay "bulk" has no address: set HANDRAISER_SMTP_URL_BULK' in told


@pytest.mark.parametrize("command", ["plan", "apply"])
def test_who_puts_a_relay_into_force_hears_that_it_has_no_address(workspace: Path, command: str) -> None:
    (workspace / "relays.yaml").write_text("relays: {main: {}, bulk: {}}\n")
    (workspace / ".env").write_text(f"HANDRAISER_SMTP_URL=smtp://127.0.0.1:2525\nHANDRAISER_SECRET_KEY={SECRET}\n")

    told = CliRunner().invoke(handraiser, [command, "--json", "--workspace", str(workspace)], catch_exceptions=False)

    assert told.exit_code == 0 and json.loads(told.stdout)
    assert 'W018 the relay "bulk" has no address: set HANDRAISER_SMTP_URL_BULK' in told.stderr


def test_json_has_the_same_for_a_machine(broken: Path) -> None:
    result = check("--workspace", str(broken), "--json")

    told = json.loads(result.output)
    assert result.exit_code == 1
    assert (told["ok"], told["errors"], told["cadences"]) == (False, 1, None)
    assert told["diagnostics"][0]["code"] == "E012"
    assert told["diagnostics"][0]["suggestion"] == "enquiry-02-co2"


def test_help_has_an_example() -> None:
    assert "handraiser check --workspace" in check("--help").output
