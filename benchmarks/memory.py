"""What a worker holds while it sends 100,000 mails, or a million: flat, and 200 MB at most, with the child that renders.

A dispatcher and a worker over PostgreSQL and Redis, to Postfix's `smtp-sink`; the worker's and its child's proportional set size,
looked at twice a second.
Run: python -m benchmarks.memory [--mails 100000] [--full]
"""

import argparse
import time
from datetime import timedelta
from statistics import median

import sqlalchemy as sa

from benchmarks.conditions import conditions, resident_megabytes
from benchmarks.lesson import make_due
from benchmarks.live import Installation, extras, settle, shared
from engine.schema import sends, touches
from tests.services.smtp_sink import running_sink, tools

TENTHS = 10
LOOK_EVERY = 0.5
PATIENCE = 120.0  # seconds without a mail


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--mails", type=int, default=100_000)
    asked.add_argument("--full", action="store_true", help="1,000,000 mails")
    given = asked.parse_args()
    mails = 1_000_000 if given.full else given.mails
    programs = tools()
    if programs is None:
        raise SystemExit("smtp-sink comes with Postfix: apt-get install postfix")
    print(f"{conditions()}; {extras()}; {mails:,} mails", flush=True)
    with running_sink(programs) as server, shared(server.url) as installation:
        numbers = installation.lessons.add_touches(mails)
        settle(installation.database)
        for name in ("dispatcher", "worker"):
            installation.start(name, name)
        time.sleep(2)
        print(f"worker before its first mail: {resident_megabytes(installation.servers['worker']):.0f} MB", flush=True)
        make_due(installation.database, touches, numbers, lead_time=timedelta())
        print_tenths(watched(installation, mails))


def watched(installation: Installation, mails: int) -> list[tuple[int, float]]:
    """(mails sent, megabytes) until all are sent."""
    seen: list[tuple[int, float]] = []
    moved_at = time.monotonic()
    while not seen or seen[-1][0] < mails:
        time.sleep(LOOK_EVERY)
        sent = accepted(installation)
        if not seen or sent > seen[-1][0]:
            moved_at = time.monotonic()
        if time.monotonic() - moved_at > PATIENCE:
            raise SystemExit(f"{sent:,} of {mails:,} mails were sent, and then none for {PATIENCE:g} s")
        seen.append((sent, resident_megabytes(installation.servers["worker"])))
    return seen


def accepted(installation: Installation) -> int:
    with installation.database.read() as tx:
        chosen = sa.select(sa.func.count()).select_from(sends).where(sends.c.state == "accepted")
        return int(tx.run(chosen).scalar_one())


def print_tenths(seen: list[tuple[int, float]]) -> None:
    mails = seen[-1][0]
    print(f"{'of the mails':<16}{'MB, median':>12}{'most':>8}")
    for tenth in range(TENTHS):
        within = [held for sent, held in seen if mails * tenth < sent * TENTHS <= mails * (tenth + 1)]
        if within:
            print(f"{f'{tenth * 10} to {tenth * 10 + 10} %':<16}{median(within):>12.0f}{max(within):>8.0f}")


if __name__ == "__main__":
    main()
