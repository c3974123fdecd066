"""Who looks for rubbish in a process with threads."""

import subprocess
import sys

import pytest

from engine.garbage import generation
from tests.source import ROOT

PROGRAM = """
import gc, threading, time, weakref
from engine import garbage

class Rubbish:
    def __init__(self):
        self.itself = self

collected_by = set()
for _ in range(3):
    weakref.finalize(Rubbish(), lambda: collected_by.add(threading.current_thread().name))
garbage.collect_apart()
kept = [[] for _ in range(50_000)]  # by itself Python would have looked long before
assert not collected_by
until = time.monotonic() + 20
while not collected_by and time.monotonic() < until:
    time.sleep(0.05)
assert collected_by == {"garbage"}, collected_by
"""


def test_rubbish_is_collected_by_a_thread_of_its_own() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("looks", "oldest"), [(1, 0), (9, 0), (10, 1), (20, 1), (100, 2), (110, 1), (200, 2)])
def test_what_is_old_is_looked_through_less_often(looks: int, oldest: int) -> None:
    assert generation(looks) == oldest
