"""What it costs to claim a portion of due touches, among 10,000 of them and among 10,000,000.

Goal: the same within noise, on SQLite and on PostgreSQL. In each size 1,000 touches are due, and a dispatcher's claim takes 64 of
them, which are put back; processor time of the process and of PostgreSQL, and the clock.
Run: python -m benchmarks.claim [--full] [--only shared|embedded]
"""

import argparse
import time
from datetime import timedelta
from statistics import median

from benchmarks.conditions import conditions, spread
from benchmarks.lesson import make_due
from benchmarks.live import Installation, embedded, settle, shared
from benchmarks.usage import cpu_seconds
from engine.claim import TOUCH, put_back, take_due
from engine.processes.lanes import TOUCHES
from engine.schema import touches
from engine.sql import plan_anew

SIZES = (10_000, 100_000, 1_000_000)
FULL = (*SIZES, 10_000_000)
DUE = 1_000
ROUNDS = 100
NO_SERVER = "smtp://127.0.0.1:1"  # nothing is sent
AT_ONCE = 1_000_000  # rows in one transaction


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--full", action="store_true", help="up to 10,000,000 touches")
    asked.add_argument("--only", choices=("shared", "embedded"))
    given = asked.parse_args()
    print(f"{conditions()}; {DUE:,} due, {TOUCHES.portion} claimed at once, {ROUNDS} times", flush=True)
    print(f"{'':<14}{'touches':>12}{'ms by the clock':>28}{'µs CPU a touch':>18}{'times':>8}")
    for name, installed in (("SQLite", embedded), ("PostgreSQL", shared)):
        if given.only in (None, installed.__name__):
            with installed(NO_SERVER) as installation:
                measure(name, installation, FULL if given.full else SIZES)


def measure(name: str, installation: Installation, sizes: tuple[int, ...]) -> None:
    """The same database grows from one size to the next."""
    lessons, first = installation.lessons, 0.0
    make_due(installation.database, touches, lessons.add_touches(DUE), lead_time=timedelta(days=-1))
    for size in sizes:
        while lessons.made < size:
            later = lessons.add_touches(min(AT_ONCE, size - lessons.made))
            make_due(installation.database, touches, later, lead_time=timedelta(days=30))
        settle(installation.database)
        claim(installation)
        before = spent(installation)
        seconds = [claim(installation) for _ in range(ROUNDS)]
        used = (spent(installation) - before) / ROUNDS / TOUCHES.portion * 1e6
        first = first or median(seconds)
        times = median(seconds) / first
        print(f"{name:<14}{size:>12,}{spread(seconds):>28}{used:>18.0f}{times:>8.2f}", flush=True)


def claim(installation: Installation) -> float:
    """Seconds of one claim, its commit included; putting the touches back is not counted by the clock."""
    began = time.perf_counter()
    with installation.database.write() as tx:
        plan_anew(tx)
        claims = take_due(tx, TOUCH, limit=TOUCHES.portion, lease=timedelta(minutes=1), only=TOUCHES.only)
    seconds = time.perf_counter() - began
    assert len(claims) == TOUCHES.portion
    with installation.database.write() as tx:
        put_back(tx, TOUCH, claims)
    return seconds


def spent(installation: Installation) -> float:
    return time.process_time() + sum(map(cpu_seconds, installation.servers.values()))


if __name__ == "__main__":
    main()
