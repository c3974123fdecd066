"""Several relays as an operator runs them."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from engine.compiler.plan import to_json
from engine.compiler.relay import Relay
from engine.database import Database
from engine.dkim.sign import Signer
from engine.errors import SettingsError
from engine.processes.assemble import mail_wire, places_of, require_relays, sending
from engine.processes.glance import Glance, glance
from engine.processes.presence import present
from engine.processes.up import destination
from engine.schema import rules
from engine.settings import Settings, read_settings
from engine.simulate.sink import Sink, running
from engine.vocabulary import Reason
from tests.deliver.given import NO_CAPS, a_policy, send_of, set_rules
from tests.deliver.wires import flight, kinds, nobody
from tests.factories import add_send

HOUR = timedelta(hours=1)
HERE = "smtp://127.0.0.1:9"


def settings_with(folder: Path, **relays: str) -> Settings:
    return read_settings(folder, {f"HANDRAISER_{name}": url for name, url in relays.items()})


def declare(database: Database, *relays: Relay) -> None:
    """Put a workspace with these relays into force."""
    with database.write() as tx:
        set_rules(tx)
        policy = to_json(replace(a_policy(NO_CAPS), relays=relays))
        tx.run(sa.update(rules).where(rules.c.kind == "policy").values(body=policy))


def test_a_process_that_sends_wants_an_address_for_each_relay(sqlite_database: Database, tmp_path: Path) -> None:
    declare(sqlite_database, Relay(name="main"), Relay(name="bulk-mail"))

    with pytest.raises(SettingsError, match="declares the relay bulk-mail, and HANDRAISER_SMTP_URL_BULK_MAIL is not set"):
        require_relays(settings_with(tmp_path, SMTP_URL=HERE), sqlite_database)
    require_relays(settings_with(tmp_path, SMTP_URL=HERE, SMTP_URL_BULK_MAIL=HERE), sqlite_database)


def test_what_waited_for_an_address_is_due_when_a_process_starts_with_it(sqlite_database: Database, tmp_path: Path) -> None:
    declare(sqlite_database, Relay(name="main"), Relay(name="bulk-mail"))
    with sqlite_database.write() as tx:
        later = tx.now + timedelta(minutes=10)
        waiting, away = (add_send(tx, due_at=later, reason=reason) for reason in (Reason.NO_RELAY, Reason.RELAY_AWAY))

    def seen() -> Glance:
        with sqlite_database.read() as tx:
            return glance(tx)

    with present(sqlite_database, kind="web", lease=HOUR), sending(settings_with(tmp_path), sqlite_database, kind="up"):
        assert seen().without_address == {}
    with sending(settings_with(tmp_path, SMTP_URL=HERE), sqlite_database, kind="worker") as presence:
        assert list(seen().without_address) == ["bulk-mail"]
        presence.renew()
        due = {send_id: send_of(sqlite_database, send_id).due_at for send_id in (waiting, away)}

    assert due[waiting] < later == due[away]


@pytest.mark.both_databases
def test_no_process_keeps_in_its_outbox_what_others_send_for_real(database: Database, tmp_path: Path) -> None:
    captures, sends = settings_with(tmp_path), settings_with(tmp_path, SMTP_URL=HERE)
    with sending(sends, database, kind="worker"), present(database, kind="web", lease=HOUR):
        with pytest.raises(SettingsError, match="other processes of this database send mail for real, such as the worker on"):
            require_relays(captures, database)
        with sending(captures, database, kind="up"), database.read() as tx:  # both began in the same moment
            assert [one.kind for one in glance(tx).capturing] == ["up"]


@pytest.mark.both_databases
def test_an_address_that_was_lost_keeps_no_mail_here_unless_somebody_says_so(database: Database, tmp_path: Path) -> None:
    """It would count as sent."""
    without, meant = settings_with(tmp_path), settings_with(tmp_path, SMTP_URL="outbox:")
    with sending(without, database, kind="up"):
        require_relays(settings_with(tmp_path, SMTP_URL=HERE), database)
    require_relays(without, database)
    with sending(settings_with(tmp_path, SMTP_URL=HERE), database, kind="up"), pytest.raises(SettingsError, match="for real"):
        require_relays(meant, database)

    with pytest.raises(SettingsError, match="would stay in the local outbox and count as sent"):
        require_relays(without, database)
    require_relays(meant, database)
    assert not meant.sends_for_real


def test_mail_goes_to_the_local_outbox_whatever_relays_there_are(sqlite_database: Database, tmp_path: Path) -> None:
    declare(sqlite_database, Relay(name="bulk-mail"))

    require_relays(settings_with(tmp_path), sqlite_database)

    assert places_of(settings_with(tmp_path)).reach("bulk-mail")


def test_before_a_workspace_is_applied_any_address_will_do(sqlite_database: Database, tmp_path: Path) -> None:
    require_relays(settings_with(tmp_path, SMTP_URL=HERE), sqlite_database)


def test_each_relay_has_the_connections_that_its_address_allows(tmp_path: Path) -> None:
    places = places_of(settings_with(tmp_path, SMTP_URL=f"{HERE}?connections=1", SMTP_URL_BULK=f"{HERE}?connections=4"))

    assert (places.batch_for("main"), places.batch_for("bulk"), places.reach("other")) == (12, 24, False)


def test_each_address_leads_to_its_own_server(tmp_path: Path) -> None:
    flights = [replace(flight(number), relay=relay) for number, relay in enumerate(["main", "bulk", "bulk"])]

    with running(Sink()) as main, running(Sink()) as bulk:
        settings = settings_with(tmp_path, SMTP_URL=main.url, SMTP_URL_BULK=bulk.url)
        with mail_wire(settings) as wire:
            outcomes = kinds(wire.fly(flights, nobody))

    assert outcomes == ["Accepted"] * 3
    assert (main.kept, bulk.kept) == (1, 2)


def test_with_no_address_every_relay_leads_to_the_outbox(tmp_path: Path) -> None:
    flights = [replace(flight(number), relay=relay) for number, relay in enumerate(["main", "bulk"])]

    with mail_wire(settings_with(tmp_path)) as wire:
        outcomes = kinds(wire.fly(flights, nobody))

    assert outcomes == ["Accepted"] * 2
    assert len(list((tmp_path / ".handraiser" / "outbox").glob("*.eml"))) == 2


def test_a_process_says_through_which_addresses_mail_leaves(tmp_path: Path) -> None:
    def told(**relays: str) -> str:
        return destination(settings_with(tmp_path, **relays), Signer())

    assert "Mail is sent through HANDRAISER_SMTP_URL, and" in told(SMTP_URL=HERE)
    assert "Mail is sent through HANDRAISER_SMTP_URL, HANDRAISER_SMTP_URL_BULK, and" in told(SMTP_URL_BULK=HERE, SMTP_URL=HERE)
