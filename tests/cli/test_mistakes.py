"""Whoever calls the command wrongly reads what is wrong and what to do; there is never a traceback."""

import resource
import shutil
import signal
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from engine.cli.main import main
from engine.dkim.folder import make_keys
from engine.whole import write_whole

Call = Callable[..., tuple[int, str]]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Call:
    """Calls the command in an empty folder as a shell would: (exit status, all that it printed)."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str, **settings: str) -> tuple[int, str]:
        for name, value in settings.items():
            monkeypatch.setenv(f"HANDRAISER_{name}", value)
        monkeypatch.setattr(sys, "argv", ["handraiser", *words])
        try:
            main()
            status = 0
        except SystemExit as end:
            status = int(end.code or 0)
        printed = capsys.readouterr()
        return status, printed.out + printed.err

    return run


@pytest.mark.parametrize(
    "words",
    [
        ("status",), ("report",), ("handoffs",), ("explain", "x"), ("enrol", "x", "--all"), ("plan",), ("apply",),
        ("up",), ("web",), ("leads", "import", "a.csv", "--map", "a.yaml"),
    ],
)  # fmt: skip
def test_a_folder_that_is_no_workspace_is_left_as_it_was(call: Call, tmp_path: Path, words: tuple[str, ...]) -> None:
    status, printed = call(*words)

    assert status in (1, 2)
    assert "workspace.yaml" in printed
    assert list(tmp_path.iterdir()) == []


def test_a_command_that_is_spelt_wrong_is_told_with_the_one_that_was_meant(call: Call) -> None:
    assert "No such command 'stattus'. Did you mean 'status'?" in call("stattus")[1]
    assert "No such command 'xyzzy'." in call("xyzzy")[1]


@pytest.mark.parametrize(
    "words", [("explain", "ma\udcffya"), ("pause", "all", "--note", "f\udcfcr Ostern"), ("check", "sh\udcf6p")]
)
def test_a_word_in_other_letters_than_utf_8_is_told(call: Call, words: tuple[str, ...]) -> None:
    """As a shell hands over bytes that it takes for Latin-1."""
    status, printed = call(*words)

    assert status == 2
    assert "is not written in UTF-8" in printed
    assert words[-1].encode("utf-8", "replace").decode() in printed


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("DATABASE_URL", "foo", "must look like postgresql://user:password@host/name or sqlite:///path"),
        ("DATABASE_URL", "mysql://host/name", "must look like"),
        ("DATABASE_URL", "postgresql://user:password@host:port/name", "must look like"),
        ("DATABASE_URL", "sqlite:////nowhere/at/all.db", "unable to open database file"),
        ("DATABASE_URL", "postgresql://user:password@127.0.0.1:1/name", "onnection"),
        ("LOG_LEVEL", "LOUD", "DEBUG, INFO, WARNING, ERROR, CRITICAL"),
        ("QUEUE_LEASE_SECONDS", "inf", "it must be a number of seconds"),
        ("WORKER_LEASE_SECONDS", "1e300", "it must be a number of seconds"),
        ("WORKER_LEASE_SECONDS", "3601", "it must be an hour (3600) at most"),
        ("WEB_LISTEN", "127.0.0.1:99999", "it must be host:port"),
        ("WEB_LISTEN", "8025", "it must be host:port"),
        ("REPLY_LISTEN", "8026", "for example 127.0.0.1:8026"),
        ("REPLY_LISTEN", "127.0.0.1:", "it must be host:port"),
        ("SMTP_URL", "smtp://user@host:port", "must look like smtp://user:password@host:587"),
        ("SMTP_URL", "smtp://user:s3c/ret@host:587", "are written %40 %3A %2F"),
        ("BROKER_URL", "redis://:s3c@ret@host:port/0", "must look like redis://host:6379/0"),
        ("REPLY_DOMAIN", "mail example.com", "it must be a domain such as mail.example.com"),
        ("SMPT_URL", "smtp://user:s3cret@host", "did you mean HANDRAISER_SMTP_URL?"),
        ("PUBLIC_URL", "https://", "it must start with https://"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(call: Call, name: str, value: str, says: str) -> None:
    (Path.cwd() / "workspace.yaml").write_text("name: A\n")

    status, printed = call("status", **{name: value})

    assert status in (1, 2)
    assert says in printed
    assert f"HANDRAISER_{name}" in printed
    assert "s3c" not in printed
    assert "password" not in printed or "user:password@host" in printed


def test_a_file_that_is_no_database_is_said_to_be_none(call: Call, tmp_path: Path) -> None:
    (tmp_path / "handraiser.db").write_text("this is not a database, though it is long enough to be looked at " * 20)

    status, printed = call("status")

    assert status == 1
    assert "file is not a database" in printed


def test_a_database_that_is_damaged_is_named_with_what_to_do(call: Call, tmp_path: Path) -> None:
    call("init", ".")
    call("status")
    file = tmp_path / "handraiser.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    whole = file.read_bytes()
    file.write_bytes(whole[:4096] + bytes(len(whole) - 4096))

    status, printed = call("status")

    assert (status, printed.count("\n")) == (1, 1)
    assert f"{file} is damaged: stop all processes, see to the disk, and put the last backup in its place." in printed


def test_a_disk_without_room_for_the_database_is_named(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call("init", ".")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _place: usage._replace(free=0))

    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, hard))
    status, printed = call("status")
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert status == 1
    assert f"The disk that holds {tmp_path}/handraiser.db is full (0 KB are free): make room there." in printed


def test_a_line_of_the_env_file_that_sets_nothing_is_named_and_not_told(call: Call, tmp_path: Path) -> None:
    (tmp_path / "workspace.yaml").write_text("name: A\n")
    (tmp_path / ".env").write_text("# mine\ns3cret\n")

    status, printed = call("status")

    assert status == 2
    assert ".env:2: expected NAME=value" in printed
    assert "s3cret" not in printed


def test_an_env_file_that_is_not_text_is_named(call: Call, tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes("HANDRAISER_REPLY_DOMAIN=café.example".encode("latin-1"))

    status, printed = call("status")

    assert status == 2
    assert ".env: is not UTF-8 text" in printed


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("sends", "list", "5"), "handraiser explain LEAD"),
        (("dkim", "list", "example.com"), "it is of all"),
        (("simulate", "new-enquiry", "--start", "9999-12-30"), "the years 1970 to 2200"),
        (("simulate", "new-enquiry", "--until", "9999-12-30"), "the years 1970 to 2200"),
    ],
)
def test_a_word_that_means_nothing_there_is_told(call: Call, words: tuple[str, ...], says: str) -> None:
    status, printed = call(*words)

    assert status == 2 and says in printed


@pytest.mark.parametrize("words", [("pause", "all"), ("status",), ("sends",), ("resume", "all"), ("enrol", "x", "--all")])
def test_a_shell_without_the_settings_makes_no_database_of_its_own(call: Call, tmp_path: Path, words: tuple[str, ...]) -> None:
    """Production would go on while a new and empty one is paused."""
    (tmp_path / "workspace.yaml").write_text("name: A\n")

    status, printed = call(*words)

    assert status == 2 and "give this command the same ones" in printed
    assert [file.name for file in tmp_path.iterdir()] == ["workspace.yaml"]


def test_a_disk_that_is_full_leaves_what_was_there(tmp_path: Path) -> None:
    plan, taken = tmp_path / "a.plan", "before"
    plan.write_text(taken)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(OSError, match=r"a\.plan"):
            write_whole(plan, "x" * 100_000)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
        with pytest.raises(OSError, match=r"new\.example"):
            make_keys(tmp_path, "new.example", "hr1")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)

    assert plan.read_text() == taken
    assert {file.name for file in tmp_path.rglob("*") if file.is_file()} == {"a.plan"}
    write_whole(plan, "after")
    assert plan.read_text() == "after"


def test_a_user_of_postgresql_without_rights_is_told_what_it_needs(call: Call, postgres_url: str) -> None:
    url = sa.make_url(postgres_url)
    with connected(postgres_url) as admin:
        admin.exec_driver_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public; DROP ROLE IF EXISTS handraiser_nobody")
        admin.exec_driver_sql("CREATE ROLE handraiser_nobody LOGIN; GRANT USAGE ON SCHEMA public TO handraiser_nobody")
    (Path.cwd() / "workspace.yaml").write_text("name: A\n")
    try:
        status, printed = call("status", DATABASE_URL=plain(url.set(username="handraiser_nobody")))
    finally:
        with connected(postgres_url) as admin:
            admin.exec_driver_sql("REVOKE USAGE ON SCHEMA public FROM handraiser_nobody; DROP ROLE handraiser_nobody")

    assert status == 1 and "Traceback" not in printed
    assert "permission denied for schema public" in printed and "ALTER DATABASE name OWNER TO user" in printed


def test_a_database_that_does_not_hold_every_letter_is_told(call: Call, postgres_url: str) -> None:
    url = sa.make_url(postgres_url)
    narrow = f"{url.database}_ascii"
    with connected(postgres_url) as admin:
        admin.exec_driver_sql(f"CREATE DATABASE {narrow} ENCODING SQL_ASCII TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    (Path.cwd() / "workspace.yaml").write_text("name: A\n")
    try:
        status, printed = call("status", DATABASE_URL=plain(url.set(database=narrow)))
    finally:
        with connected(postgres_url) as admin:
            admin.exec_driver_sql(f"DROP DATABASE {narrow} WITH (FORCE)")

    assert status == 1 and "Traceback" not in printed
    assert "encoded in SQL_ASCII" in printed and "--encoding=UTF8" in printed


@contextmanager
def connected(url: str) -> Iterator[sa.Connection]:
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        yield connection


def plain(url: sa.URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)
