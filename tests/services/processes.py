"""Starting a server's binary as a child that cannot outlive the tests, and waiting until it answers.

Before: nothing. After: `postgres`, `redis` and `smtp_sink` beside it.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

NOBODY = 65534  # PostgreSQL refuses to run as root
PR_SET_PDEATHSIG = 1
PATIENCE = 30  # seconds


def start(command: list[str], *, log: Path, as_root: bool = False) -> subprocess.Popen[bytes]:
    """Run `command` in the background; its output goes to `log`. `as_root`: where we are, it gives that up by itself."""
    rights = {} if as_root else as_nobody()
    with log.open("wb") as output:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, preexec_fn=die_with_parent, **rights
        )


def as_nobody() -> dict[str, object]:
    """Arguments of Popen that give up root, where we are root."""
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}


def give_to_nobody(folder: Path) -> None:
    """Let a server write there that runs without root's rights."""
    if os.geteuid() == 0:
        os.chown(folder, NOBODY, NOBODY)


def die_with_parent() -> None:
    """On Linux, a killed test run takes its servers along."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def wait_until(answers: Callable[[], bool], server: subprocess.Popen[bytes], *, log: Path) -> None:
    """Returns when `answers()` is true. Raises RuntimeError with the server's output when that takes too long."""
    deadline = time.monotonic() + PATIENCE
    while not answers():
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{server.args!r} did not start:\n{log.read_text(errors='replace')[-4000:]}")
        time.sleep(0.01)


def stop(server: subprocess.Popen[bytes], signal_number: int = signal.SIGTERM) -> None:
    """Ask it to stop, and insist after ten seconds."""
    server.send_signal(signal_number)
    try:
        server.wait(10)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
