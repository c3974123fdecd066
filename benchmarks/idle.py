"""What `handraiser up` holds when nothing is due: the memory of the process and its children, after it has settled.

Goal: 150 MB or less. Run: python -m benchmarks.idle
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.conditions import conditions, resident_megabytes

SETTLE_SECONDS = 8.0
ENTRY = "from engine.cli.main import main; main()"


def handraiser(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", ENTRY, *arguments]
    return subprocess.Popen(command, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True)


def wait_until_it_says_so(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    if not any("Stop it with" in line for line in process.stdout):
        raise SystemExit(f"`handraiser up` ended by itself with {process.wait()}")


def main() -> None:
    print(f"`handraiser up`, idle ({conditions()})")
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder) / "workspace"
        handraiser("init", str(workspace)).communicate()
        handraiser("apply", "--workspace", str(workspace)).communicate()
        free = {f"HANDRAISER_{name}_LISTEN": "127.0.0.1:0" for name in ("WEB", "OUTBOX")}
        process = handraiser("up", "--workspace", str(workspace), HANDRAISER_REPLY_LISTEN="127.0.0.1:8926", **free)
        try:
            wait_until_it_says_so(process)
            time.sleep(SETTLE_SECONDS)
            print(f"  {resident_megabytes(process.pid):.0f} MB (goal: 150 MB or less)")
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=40)


if __name__ == "__main__":
    main()
