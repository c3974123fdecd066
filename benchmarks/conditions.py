"""Under which conditions a figure was measured: without them it means nothing."""

import os
import platform
import resource
import sys
import sysconfig
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from threading import Event, Thread

STEPS = 1_000_000


def conditions() -> str:
    """One line to print above a table."""
    cores = len(os.sched_getaffinity(0))
    load = os.getloadavg()[0]
    return f"{interpreter()}, {steps_a_second() / 1e6:.1f} million steps a second, {cores} cores, load {load:.1f} before"


def interpreter() -> str:
    """Which Python, and whether its build was guided by a profile, which alone makes it a quarter to a half faster."""
    return f"Python {platform.python_version()} (built {'with' if is_built_with_profile() else 'without'} PGO)"


def is_built_with_profile() -> bool:
    """What the build says of itself. Debian profiles without the usual option, and wipes the flag that it built with."""
    told = sysconfig.get_config_vars()
    was_wiped = bool(told.get("PGO_PROF_GEN_FLAG")) and not told.get("PGO_PROF_USE_FLAG")
    return "--enable-optimizations" in (told.get("CONFIG_ARGS") or "") or was_wiped


def steps_a_second() -> float:
    """How fast this core turns a plain loop just now: a shared machine halves it from one minute to the next."""
    return STEPS / min(timed_loop() for _ in range(3))


def timed_loop() -> float:
    began, total = time.process_time(), 0
    for number in range(STEPS):
        total += number * number % 7
    return time.process_time() - began


def peak_megabytes() -> float:
    """The most memory this process ever held."""
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes / (1024 * 1024 if sys.platform == "darwin" else 1024)


def resident_megabytes(pid: int) -> float:
    """Proportional set size of a process and of all that it started: shared pages are counted once. What has just ended is 0."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        started = [each for task in Path(f"/proc/{pid}/task").iterdir() for each in (task / "children").read_text().split()]
    except OSError:
        return 0.0
    kilobytes = sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return kilobytes / 1024 + sum(resident_megabytes(int(each)) for each in started)


@dataclass(slots=True)
class Watched:
    """The most that this process and all that it started held together, looked at twice a second while the block lasts."""

    megabytes: float = 0.0
    _over: Event = field(default_factory=Event)

    def __enter__(self) -> "Watched":
        Thread(target=self._look, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def _look(self) -> None:
        while not self._over.wait(0.5):
            self.megabytes = max(self.megabytes, resident_megabytes(os.getpid()))


def spread(seconds: list[float], *, unit: float = 1e3) -> str:
    """Median with the least and the most, in milliseconds unless said otherwise."""
    return f"{median(seconds) * unit:.2f} ({min(seconds) * unit:.2f} to {max(seconds) * unit:.2f})"
