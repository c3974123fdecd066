"""`handraiser dkim`, from no keys to mail that a receiver finds signed."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from engine.cli.main import handraiser
from engine.cli.opening import open_workspace
from engine.deliver.signing import note_signed, ready_signer
from engine.dkim.folder import read_keys
from engine.errors import SettingsError
from tests.factories import SECRET


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "workspace.yaml").write_text("name: Clearroom\n", encoding="utf-8")
    return tmp_path


def test_keys_are_made_and_listed_with_what_to_publish(place: Path) -> None:
    assert "handraiser dkim make" in run(place).output

    made = run(place, "make", "clearroom.example", "--selector", "nov").output
    listed = run(place).output
    rsa, ed25519 = read_keys(place / ".handraiser" / "dkim")

    for key in (rsa, ed25519):
        assert f"name   nov-{key.kind}._domainkey.clearroom.example" in made
        assert key.record in made and key.record in listed
    assert "Publish both records" in made and "PRIVATE" not in made + listed


def test_a_machine_reads_the_same(place: Path) -> None:
    made = json.loads(run(place, "make", "clearroom.example", "--json").output)

    assert [key["kind"] for key in made] == ["rsa", "ed25519"]
    assert made == json.loads(run(place, "--json").output)


def test_make_wants_a_domain(place: Path) -> None:
    assert "say for which domain" in str(run(place, "make").exception)
    assert "'203.0.113.7' is no domain" in str(run(place, "make", "203.0.113.7").exception)


def test_nothing_is_made_outside_a_workspace(tmp_path: Path) -> None:
    assert "is no workspace" in str(run(tmp_path, "make", "clearroom.example").exception)
    assert [*tmp_path.iterdir()] == []


def test_nobody_sends_unsigned_what_was_signed_until_somebody_says_so(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANDRAISER_SECRET_KEY", SECRET)
    monkeypatch.setenv("HANDRAISER_SMTP_URL", "smtp://127.0.0.1:1")
    settings, database = open_workspace(place)
    run(place, "make", "clearroom.example")
    keys = place / ".handraiser" / "dkim" / "clearroom.example"
    assert ready_signer(settings, database).keys
    assert "move them away first" in str(run(place, "stop", "clearroom.example").exception)

    keys.rename(place / "elsewhere")
    with pytest.raises(SettingsError, match="was signed by DKIM until now"):
        ready_signer(settings, database)
    assert "mail is signed for: clearroom.example" in str(run(place, "stop", "other.example").exception)
    assert "no longer signed here" in run(place, "stop", "clearroom.example").output

    assert not ready_signer(settings, database).keys


def test_where_mail_stays_here_no_key_is_missed(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANDRAISER_SECRET_KEY", SECRET)
    settings, database = open_workspace(place)
    with database.write() as tx:
        note_signed(tx, "clearroom.example")

    assert not ready_signer(settings, database).keys


@pytest.mark.parametrize("command", ["up", "worker"])
def test_nothing_starts_with_a_key_that_cannot_be_used(place: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setenv("HANDRAISER_SECRET_KEY", SECRET)
    monkeypatch.setenv("HANDRAISER_BROKER_URL", "redis://127.0.0.1:1/0")
    run(place, "make", "clearroom.example", "--selector", "nov")
    (place / ".handraiser" / "dkim" / "clearroom.example" / "nov-rsa.pem").chmod(0o644)

    told = str(CliRunner().invoke(handraiser, [command, "--workspace", str(place)]).exception)

    assert "mail is not sent without them" in told and "chmod 600" in told


def run(place: Path, *words: str) -> Result:
    return CliRunner().invoke(handraiser, ["dkim", *words, "--workspace", str(place)])
