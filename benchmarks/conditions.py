"""Under which conditions a figure was measured: without them it means nothing."""

import os
import platform
import resource
import sys
from statistics import median


def conditions() -> str:
    """One line to print above a table."""
    cores = len(os.sched_getaffinity(0))
    return f"Python {platform.python_version()}, {cores} cores, {platform.machine()}, load {os.getloadavg()[0]:.1f} before"


def peak_megabytes() -> float:
    """The most memory this process ever held."""
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes / (1024 * 1024 if sys.platform == "darwin" else 1024)


def spread(seconds: list[float], *, unit: float = 1e3) -> str:
    """Median with the least and the most, in milliseconds unless said otherwise."""
    return f"{median(seconds) * unit:.2f} ({min(seconds) * unit:.2f} to {max(seconds) * unit:.2f})"
