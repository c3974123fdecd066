"""A process that keeps to one processor core, in a process of its own, since there is no way back."""

import json
import os
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from engine.cli.main import handraiser
from tests.services.handraiser import ROOT

CORES = sorted(os.sched_getaffinity(0))
KEEPING = """
import json, os, threading
from engine.core import keep_to_core
from engine.render.child import USUAL, Child
keep_to_core({core})
found = []
thread = threading.Thread(target=lambda: found.append(sorted(os.sched_getaffinity(0))))
thread.start(); thread.join()
child = Child(USUAL)
print(json.dumps([*found, sorted(os.sched_getaffinity(child.pid))]))
child.end()
"""


def test_its_threads_stay_there_and_the_child_that_renders_uses_the_others() -> None:
    done = subprocess.run(
        [sys.executable, "-c", KEEPING.format(core=CORES[-1])], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )

    threads, child = json.loads(done.stdout)
    assert threads == CORES[-1:]
    assert child == (CORES[:-1] or CORES)


def test_a_core_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    told = CliRunner().invoke(handraiser, ["worker", "--workspace", str(tmp_path), "--core", "4096"])

    assert told.exit_code == 2
    assert "Invalid value for --core: this process may not use a core 4096." in told.output
    assert f"It may use: {', '.join(map(str, CORES))}." in told.output
