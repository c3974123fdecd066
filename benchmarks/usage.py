"""How much processor time processes took, by kind: on a machine that others use as well, it says more than the clock does."""

import os
from collections.abc import Mapping
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
USER, SYSTEM, ENDED_USER, ENDED_SYSTEM = 11, 12, 13, 14  # among the fields of /proc/PID/stat behind the name


def cpu_seconds(pid: int) -> float:
    """Of a process and all that it started, those that have ended included."""
    fields = stat_of(pid)
    own = sum(int(fields[place]) for place in (USER, SYSTEM, ENDED_USER, ENDED_SYSTEM)) / TICKS if fields else 0.0
    return own + sum(map(cpu_seconds, children(pid)))


def own_cpu_seconds(pid: int) -> float:
    """Of a process without those that it started."""
    fields = stat_of(pid)
    return sum(int(fields[place]) for place in (USER, SYSTEM)) / TICKS if fields else 0.0


def stat_of(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def children(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(each) for task in tasks for each in (task / "children").read_text().split()]
    except OSError:
        return []


def by_kind(processes: Mapping[str, int]) -> dict[str, float]:
    """Seconds of each named process; what a worker started, which is what renders, stands apart from it."""
    found: dict[str, float] = {}
    for name, pid in processes.items():
        kind = name.rstrip("0123456789 ")
        if kind == "worker":
            own = own_cpu_seconds(pid)
            found["rendering"] = found.get("rendering", 0.0) + cpu_seconds(pid) - own
            found[kind] = found.get(kind, 0.0) + own
        else:
            found[kind] = found.get(kind, 0.0) + cpu_seconds(pid)
    return found
