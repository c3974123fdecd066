"""What the doctor says of the machine it runs on: secret, database, broker, clock and disk."""

import secrets
import shutil
from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from engine.clock import VirtualClock
from engine.compiler.plan import Assignment, Rep
from engine.compiler.sender import Sender
from engine.database import Database
from engine.doctor.finding import Level, Subject
from engine.doctor.place import sender_domains
from engine.doctor.secret import look_at_secrets
from engine.doctor.store import look_at_broker, look_at_database, look_at_disk
from engine.installation import require_same_key
from engine.schema import installation
from engine.settings import Settings, read_settings
from engine.tokens import Tokens
from engine.versions import live_rules
from tests.deliver.given import NO_CAPS, a_policy, add_workspace, an_artifact, keep_artifact
from tests.doctor.given import levels, told
from tests.factories import SECRET

OK, UNKNOWN, WARNING, PROBLEM = Level.OK, Level.UNKNOWN, Level.WARNING, Level.PROBLEM


@pytest.mark.parametrize(
    ("key", "level", "words"),
    [
        ("", PROBLEM, "is not set"),
        ("short", PROBLEM, "5 characters"),
        ("a" * 64, PROBLEM, "could be guessed: 64 characters, with 0 bits of chance"),
        ("change-me-" * 6, PROBLEM, "could be guessed"),
        (secrets.token_urlsafe(48), OK, "64 characters"),
        (secrets.token_hex(32), OK, "64 characters"),
        (f"{secrets.token_hex(32)},short", PROBLEM, "put it before the old one"),
    ],
    ids=map(str, count()),  # keys are drawn, and a test's name must not be
)
def test_a_secret_must_be_long_and_drawn(tmp_path: Path, key: str, level: Level, words: str):
    [found] = look_at_secrets(settings_with(tmp_path, SECRET_KEY=key))

    assert found.level is level and words in told([found])
    assert not key or key not in told([found])


def test_a_secret_that_others_may_read_is_told(tmp_path: Path):
    (tmp_path / ".env").write_text(f"HANDRAISER_SECRET_KEY={secrets.token_urlsafe(48)}\n", encoding="utf-8")
    (tmp_path / ".env").chmod(0o644)

    assert levels(look_at_secrets(read_settings(tmp_path, {}))) == [OK, WARNING]


@pytest.mark.both_databases
def test_a_database_is_looked_at_and_left_as_it_was(database: Database, tmp_path: Path):
    found = list(look_at_database(settings_with(tmp_path), database))

    assert [(each.subject, each.level) for each in found if each.subject is Subject.DATABASE] == [(Subject.DATABASE, OK)] * 2
    with database.read() as tx:
        assert tx.run(sa.select(installation.c.name)).all() == []


@pytest.mark.both_databases
def test_a_database_of_another_key_or_version_is_told(database: Database, tmp_path: Path):
    with database.write() as tx:
        require_same_key(tx, Tokens((secrets.token_urlsafe(48),)))
    assert "is not the key this database was made with" in told(look_at_database(settings_with(tmp_path), database))

    with database.write() as tx:
        tx.run(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    assert "a newer version" in told(look_at_database(settings_with(tmp_path), database))


def test_a_database_that_is_not_there_yet_is_not_made(tmp_path: Path):
    settings = settings_with(tmp_path)
    database = Database.open(settings.database_url)

    assert levels(look_at_database(settings, database)) == [UNKNOWN]
    assert [*tmp_path.iterdir()] == []


def test_a_database_without_tables_and_one_that_is_none_are_told(tmp_path: Path):
    settings, file = settings_with(tmp_path), tmp_path / "handraiser.db"
    file.touch(0o600)
    assert "no tables yet" in told(look_at_database(settings, Database.open(settings.database_url)))

    file.write_bytes(b"no database at all " * 99)
    [found] = look_at_database(settings, Database.open(settings.database_url))
    assert found.level is PROBLEM and "not a database" in found.said


def test_a_server_that_is_away_is_told(tmp_path: Path):
    settings = settings_with(tmp_path, DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")

    [found] = look_at_database(settings, Database.open(settings.database_url))

    assert found.level is PROBLEM and "HANDRAISER_DATABASE_URL" in found.advice


def test_clocks_that_differ_are_told(postgres_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    there = VirtualClock()
    found = []
    for apart in (timedelta(0), timedelta(minutes=2), -timedelta(hours=1)):
        here = VirtualClock(there.now() + apart)
        monkeypatch.setattr("engine.doctor.store.HostClock", lambda here=here: here)
        looked_at = look_at_database(settings_with(tmp_path), postgres_database)
        found += [each.level for each in looked_at if each.subject is Subject.CLOCK]

    assert found == [OK, WARNING, WARNING]


def test_a_broker_that_is_away_is_told(tmp_path: Path, redis_url: str):
    assert look_at_broker(settings_with(tmp_path)).level is OK
    assert look_at_broker(settings_with(tmp_path, BROKER_URL=redis_url)).level is OK
    assert look_at_broker(settings_with(tmp_path, BROKER_URL="redis://127.0.0.1:1/0")).level is PROBLEM


@pytest.mark.parametrize(("free", "level"), [(50e9, OK), (1e9, WARNING), (1e8, PROBLEM)])
def test_a_disk_that_fills_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: float, level: Level):
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=free))
    settings = settings_with(tmp_path)

    assert levels(look_at_disk(settings, Database.open(settings.database_url))) == [level]


def settings_with(folder: Path, **named: str) -> Settings:
    return read_settings(folder, {f"HANDRAISER_{name}": value for name, value in ({"SECRET_KEY": SECRET} | named).items()})


def test_whom_mail_is_from_is_known_from_the_brands_and_from_reps_that_mail_is_from(sqlite_database: Database):
    with sqlite_database.write() as tx:
        add_workspace(tx)
        dana = Rep(key="dana", name="Dana", email="dana@Bücher.example", phone=None, zone=None)
        policy = a_policy(NO_CAPS)
        live = replace(live_rules(tx), policy=policy, assignment=Assignment(reps={"dana": dana}, rules=()))
        assert sender_domains(tx, live) == ("clearroom.example",)

        keep_artifact(tx, an_artifact(sender=Sender(name="Clearroom", address="hello@clearroom.example", is_rep=True)))
        assert sender_domains(tx, live) == ("clearroom.example", "xn--bcher-kva.example")
