"""The processes as an operator starts and stops them."""

import json
import os
import socket
import subprocess
import time
from pathlib import Path
from urllib.request import urlopen

import pytest
import sqlalchemy as sa

from engine.settings import write_env_file
from tests.services.handraiser import run, running, settings_of_a_test
from tests.services.ports import free_port


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A workspace with its keys and nothing else: processes need no more."""
    write_env_file(tmp_path / ".env")
    return tmp_path


def test_up_needs_nothing_set_and_shows_its_outbox(folder: Path) -> None:
    environment = settings_of_a_test(OPS_LISTEN=f"127.0.0.1:{free_port()}")

    with running("up", workspace=folder, environment=environment):
        page = read(environment, "OUTBOX_LISTEN")
        health = read(environment, "WEB_LISTEN", "/health")
        told = [read(environment, "OPS_LISTEN", path) for path in ("/live", "/ready", "/metrics")]
        present = workers(folder)

    assert "No mail yet" in page
    assert '"status":"ok"' in health
    assert [json.loads(answer)["because"] for answer in told[:2]] == [[], []]
    assert "handraiser_round_seconds_count" in told[2]
    assert present == ["up"]


def test_a_process_asked_to_stop_ends_soon_and_leaves_no_lease(folder: Path) -> None:
    with running("up", workspace=folder, environment=settings_of_a_test()) as process:
        asked_at = time.monotonic()
        process.terminate()
        status = process.wait(20)

    assert status == 0
    assert time.monotonic() - asked_at < 25
    assert workers(folder) == []


def test_a_killed_process_is_no_burden_to_the_next(folder: Path) -> None:
    with running("up", workspace=folder, environment=settings_of_a_test()) as process:
        process.kill()
        process.wait()
    left = workers(folder)

    with running("up", workspace=folder, environment=settings_of_a_test()):
        found = workers(folder)

    assert (left, found) == (["up"], ["up"])


@pytest.mark.parametrize("setting", ["OUTBOX_LISTEN", "WEB_LISTEN", "REPLY_LISTEN"])
def test_a_port_that_is_taken_is_explained(folder: Path, setting: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        done = run("up", workspace=folder, environment=settings_of_a_test(**{setting: listen}))

    assert_explained(done, f"HANDRAISER_{setting}", listen)


def test_up_without_a_secret_key_says_how_to_get_one(tmp_path: Path) -> None:
    (tmp_path / "workspace.yaml").write_text("name: A\n")

    done = run("up", workspace=tmp_path, environment=settings_of_a_test())

    assert_explained(done, "HANDRAISER_SECRET_KEY", "handraiser init")


def test_real_mail_needs_a_public_https_address(folder: Path) -> None:
    environment = settings_of_a_test(SMTP_URL="smtp://mail.example.com:587")

    assert_explained(run("up", workspace=folder, environment=environment), "HANDRAISER_PUBLIC_URL", "https")


@pytest.mark.parametrize("command", ["dispatcher", "worker"])
def test_processes_that_share_work_need_a_broker_between_them(folder: Path, command: str) -> None:
    done = run(command, workspace=folder, environment=settings_of_a_test())

    assert_explained(done, "HANDRAISER_BROKER_URL", "handraiser up")


def test_dispatchers_workers_and_receivers_run_side_by_side(folder: Path, postgres_url: str, redis_url: str) -> None:
    environment = settings_of_a_test(DATABASE_URL=postgres_url, BROKER_URL=redis_url)

    with (
        running("dispatcher", workspace=folder, environment=environment),
        running("dispatcher", workspace=folder, environment=environment),
        running("worker", workspace=folder, environment=environment),
        running("web", workspace=folder, environment=environment),
    ):
        found = workers(folder, postgres_url)
        health = read(environment, "WEB_LISTEN", "/health")

    assert found == ["dispatcher", "dispatcher", "web", "worker"]
    assert '"status":"ok"' in health


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="reads the memory of a process from /proc")
def test_up_is_small_when_idle(folder: Path) -> None:
    with running("up", workspace=folder, environment=settings_of_a_test()) as process:
        time.sleep(1)
        status = Path(f"/proc/{process.pid}/status").read_text()

    resident = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    assert resident < 150_000, "kB"


def assert_explained(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert all(word in done.stderr for word in words), done.stderr


def read(environment: dict[str, str], listener: str, path: str = "/") -> str:
    with urlopen(f"http://{environment[f'HANDRAISER_{listener}']}{path}", timeout=5) as answer:
        return str(answer.read().decode())


def workers(folder: Path, url: str | None = None) -> list[str]:
    engine = sa.create_engine(url or f"sqlite:///{folder / 'handraiser.db'}", poolclass=sa.NullPool)
    with engine.connect() as connection:
        return sorted(row.kind for row in connection.execute(sa.text("SELECT kind FROM workers")))
