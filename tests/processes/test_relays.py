"""Several relays as an operator runs them."""

from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from engine.compiler.plan import to_json
from engine.compiler.relay import Relay
from engine.database import Database
from engine.errors import SettingsError
from engine.processes.assemble import places_of, require_relays
from engine.schema import rules
from engine.settings import Settings, read_settings
from tests.deliver.given import NO_CAPS, a_policy, set_rules

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


def test_mail_goes_to_the_local_outbox_whatever_relays_there_are(sqlite_database: Database, tmp_path: Path) -> None:
    declare(sqlite_database, Relay(name="bulk-mail"))

    require_relays(settings_with(tmp_path), sqlite_database)

    assert places_of(settings_with(tmp_path)).reach("bulk-mail")


def test_before_a_workspace_is_applied_any_address_will_do(sqlite_database: Database, tmp_path: Path) -> None:
    require_relays(settings_with(tmp_path, SMTP_URL=HERE), sqlite_database)


def test_each_relay_has_the_connections_that_its_address_allows(tmp_path: Path) -> None:
    places = places_of(settings_with(tmp_path, SMTP_URL=f"{HERE}?connections=1", SMTP_URL_BULK=f"{HERE}?connections=4"))

    assert (places.batch_for("main"), places.batch_for("bulk"), places.reach("other")) == (8, 16, False)
