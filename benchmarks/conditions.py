"""Under which conditions a figure was measured: without them it means nothing."""

import os
import platform
import resource
import sys
import sysconfig
import time
from statistics import median

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


def spread(seconds: list[float], *, unit: float = 1e3) -> str:
    """Median with the least and the most, in milliseconds unless said otherwise."""
    return f"{median(seconds) * unit:.2f} ({min(seconds) * unit:.2f} to {max(seconds) * unit:.2f})"
