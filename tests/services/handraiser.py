"""The product itself as the tests start it: the real command, in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.services.ports import free_port
from tests.services.processes import die_with_parent, stop, wait_until

ROOT = Path(__file__).parent.parent.parent
COMMAND = [sys.executable, "-c", "from engine.cli.main import main; main()"]


def settings_of_a_test(**settings: str) -> dict[str, str]:
    """An environment without the developer's own settings, with free ports, and with what the test sets."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HANDRAISER_")}
    ports = {name: f"127.0.0.1:{free_port()}" for name in ("WEB_LISTEN", "REPLY_LISTEN", "OUTBOX_LISTEN")}
    given = {f"HANDRAISER_{name}": value for name, value in (ports | settings).items()}
    return clean | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"} | given


def run(*arguments: str, workspace: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """One command, to its end."""
    return subprocess.run(
        [*COMMAND, *arguments], cwd=workspace, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


@contextmanager
def running(
    *arguments: str, workspace: Path, environment: Mapping[str, str], says: str = "running"
) -> Iterator[subprocess.Popen[bytes]]:
    """A command that stays, from the moment it says so; it is asked to stop at the end of the block, if it still runs."""
    log = workspace / f"{arguments[0]}-{free_port()}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*COMMAND, *arguments], cwd=workspace, env=dict(environment), stdin=subprocess.DEVNULL, stdout=output,
            stderr=output, preexec_fn=die_with_parent,
        )  # fmt: skip
    try:
        wait_until(lambda: says in log.read_text(errors="replace"), process, log=log)
        yield process
    finally:
        if process.poll() is None:
            stop(process)
