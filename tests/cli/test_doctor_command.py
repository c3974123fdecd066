"""`handraiser doctor`, from a fresh workspace to one that is about to send."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from engine.cli.main import handraiser
from engine.database import Database
from engine.dkim.folder import make_keys
from engine.installation import LEAVES, say
from engine.migrations import upgrade
from engine.settings import read_settings
from tests.deliver.given import add_workspace
from tests.doctor.dns_server import DnsServer, quoted, serving_dns

DRAWN = "6f0d8a4be2c1937755aa0bcd1e2f3a4b5c6d7e8f90a1b2c3d4e5f60718293a4b"


@pytest.fixture
def place(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HANDRAISER_SECRET_KEY", DRAWN)
    monkeypatch.setenv("HANDRAISER_REPLY_LISTEN", "127.0.0.1:1")
    monkeypatch.setenv("HANDRAISER_PUBLIC_URL", "http://127.0.0.1:1")
    return workspace


def test_with_nothing_set_it_says_so_and_looks_at_the_rest(place: Path) -> None:
    result = run(place)

    assert result.exit_code == 0
    assert "mail is captured in the local outbox" in result.output
    assert "ok       secret" in result.output and "ok       disk" in result.output
    assert "SPF" not in result.output and "Gmail" not in result.output
    assert not (place / "handraiser.db").exists()


def test_a_server_that_lost_its_relays_address_is_told_so(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = Database.open(read_settings(place).database_url)
    upgrade(database)
    with database.write() as tx:
        add_workspace(tx)
        say(tx, LEAVES, "through relays")
    database.close()

    lost = run(place)
    monkeypatch.setenv("HANDRAISER_SMTP_URL", "outbox:")

    assert "warning  relay     HANDRAISER_SMTP_URL is not set here, and processes of this database had" in lost.output
    assert lost.exit_code == 0, "a receiver needs none"
    assert "ok       relay     HANDRAISER_SMTP_URL is outbox: so mail stays" in run(place).output


def test_before_the_first_mail_it_says_what_is_missing(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANDRAISER_REPLY_DOMAIN", "mail.clearroom.air")
    [rsa, _ed25519] = make_keys(place / ".handraiser" / "dkim", "clearroom.air", "nov")

    with serving_dns(DnsServer({rsa.record_name: {"TXT": [quoted(rsa.record)]}})) as server:
        result = run(place, "--dns", server.address)

    assert result.exit_code == 1
    assert f"ok       DKIM      {rsa.record_name} is published" in result.output
    assert "problem  DKIM      nov-ed25519._domainkey.clearroom.air is not published" in result.output
    assert '→ publish a TXT record at _dmarc.clearroom.air: "v=DMARC1; p=none' in result.output
    assert "missing  SPF names the servers that send (Gmail, Yahoo, Microsoft)" in result.output
    assert "holds    headers as RFC 5322 has them" in result.output
    assert "look     few complaints: below 0.1 %" in result.output


def test_a_machine_reads_the_same(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANDRAISER_SMTP_URL", "smtp://127.0.0.1:1")
    with serving_dns(DnsServer({})) as server:
        result = run(place, "--dns", server.address, "--json", "--sends-from", "45.33.32.156")

    told = json.loads(result.output)
    assert result.exit_code == 1 and told["ok"] is False
    assert {"subject": "PTR", "level": "problem"}.items() <= next(
        each for each in told["findings"] if each["subject"] == "PTR"
    ).items()
    assert {each["level"] for each in told["required"]} == {"ok", "problem", "unknown"}


def test_whom_mail_is_from_is_read_from_what_is_in_force(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANDRAISER_SMTP_URL", "smtp://127.0.0.1:1")
    database = Database.open(read_settings(place).database_url)
    upgrade(database)
    with database.write() as tx:
        add_workspace(tx)

    with serving_dns(DnsServer({})) as server:
        output = run(place, "--dns", server.address).output

    assert "mail is from clearroom.example, which is nobody's" in output


@pytest.mark.parametrize(
    ("words", "said"), [(["--sends-from", "here"], "no IP address"), (["--dns", "one.one"], "no DNS server")]
)
def test_addresses_are_addresses(place: Path, words: list[str], said: str) -> None:
    assert said in str(run(place, *words).exception)


def test_a_key_that_cannot_be_used_is_told_with_the_rest(place: Path) -> None:
    make_keys(place / ".handraiser" / "dkim", "clearroom.air", "nov")[0].file.chmod(0o644)

    result = run(place)

    assert "chmod 600" in result.output and "ok       secret" in result.output and result.exit_code == 1


def run(place: Path, *words: str) -> Result:
    return CliRunner().invoke(handraiser, ["doctor", *words, "--workspace", str(place)])
