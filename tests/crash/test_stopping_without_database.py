"""A process that is asked to stop ends in time and well, also where the database cannot be told."""

import signal
import sqlite3
import time
from pathlib import Path
from subprocess import Popen

import pytest
import sqlalchemy as sa

from tests.services.handraiser import run, running, settings_of_a_test
from tests.services.proxy import proxied

IN_TIME = 35  # seconds; 29 and a busy machine


@pytest.mark.parametrize("how", ["refuse", pytest.param("hang", marks=pytest.mark.full)])
def test_without_postgres(tmp_path: Path, postgres_url: str, how: str) -> None:
    url = sa.make_url(postgres_url)
    folder = url.query.get("host")
    target = (
        next(str(path) for path in Path(str(folder)).glob(".s.PGSQL.*") if path.suffix != ".lock")
        if folder
        else (url.host, url.port)
    )
    with proxied(target) as line:
        left = {name: value for name, value in url.query.items() if name not in ("host", "port")}
        through = url.set(host=line.host, port=line.port, query=left, drivername="postgresql")
        environment = workspace_in(tmp_path, DATABASE_URL=through.render_as_string(hide_password=False))
        with running("up", workspace=tmp_path / "w", environment=environment) as process:
            time.sleep(1)
            getattr(line, how)()
            time.sleep(3)
            assert asked_to_stop(process) == 0


@pytest.mark.full
def test_while_another_program_holds_the_sqlite_file(tmp_path: Path) -> None:
    environment = workspace_in(tmp_path)
    with running("up", workspace=tmp_path / "w", environment=environment) as process:
        time.sleep(1)
        other = sqlite3.connect(tmp_path / "w" / "handraiser.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        time.sleep(2)
        assert asked_to_stop(process) == 0
        other.close()


def workspace_in(folder: Path, **settings: str) -> dict[str, str]:
    environment = settings_of_a_test() | {f"HANDRAISER_{name}": value for name, value in settings.items()}
    run("init", str(folder / "w"), workspace=folder, environment=environment)
    applied = run("apply", workspace=folder / "w", environment=environment)
    assert applied.returncode == 0, applied.stderr
    return environment


def asked_to_stop(process: "Popen[bytes]") -> int:
    process.send_signal(signal.SIGTERM)
    return process.wait(IN_TIME)
