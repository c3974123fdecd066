"""Live sends: the product's own processes, started as an operator would, to Postfix's `smtp-sink`, with the ledger on disk.

Mails of 14 KB from the starter's workspace, on one machine with everything that they need. Two ways to a mail: touches that are
due (decided, written, sent), and mails that lie ready in the ledger (after an outage, say). A worker `with its own core` was
started with `--core`, and all other servers use the other cores meanwhile. In the same run, to the same server,
in turns: the loop that most programs begin with (`EmailMessage` and `send_message`), and Postfix's `smtp-source`.

Goals: one worker over PostgreSQL and Redis, 2,500 a second, 4 times the loop and a quarter of `smtp-source`; two workers 3,500.
Run: python -m benchmarks.send [--mails 20000] [--rounds 3] [--only shared|embedded] [--who "one with its own core"]
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from statistics import mean, median

import sqlalchemy as sa

from benchmarks.baselines import naive, smtp_source
from benchmarks.conditions import conditions
from benchmarks.cores import kept_off
from benchmarks.lesson import make_due
from benchmarks.live import Installation, embedded, extras, settle, shared
from engine.database import Database
from engine.deliver.places import MOST_CONNECTIONS
from engine.schema import sends, touches
from tests.services.smtp_sink import Server, running_sink, tools

WARM_UP = 1_000
NAIVE_MAILS = 1_000
SIZE = 14_000
LOOK_EVERY = 2.0  # to look costs the database, too
PATIENCE = 180.0
LEAD_TIME = timedelta(seconds=3)
Workers = Mapping[str, tuple[int | None, ...]]  # the core of each
WORKERS: Workers = {
    "one worker": (None,),
    "one with its own core": (min(os.sched_getaffinity(0)),),
    "two workers": (None, None),
}
LOOP, SOURCE = "EmailMessage + send_message", "smtp-source"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Mails a second by the ledger, microseconds of processor time a mail by kind of process, and what part of `smtp-source`'s
    rate beside it that is.
    """

    rate: float
    cpu: dict[str, float]
    of_source: float = 1.0


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--mails", type=int, default=20_000, help="in each part of each round")
    asked.add_argument("--rounds", type=int, default=3)
    asked.add_argument("--only", choices=("shared", "embedded"))
    asked.add_argument("--who", choices=tuple(WORKERS), help="of the workers over PostgreSQL and Redis these alone")
    given = asked.parse_args()
    workers = {given.who: WORKERS[given.who]} if given.who else WORKERS
    programs = tools()
    if programs is None:
        raise SystemExit("smtp-sink and smtp-source come with Postfix: apt-get install postfix")
    print(f"{conditions()}; {extras()}; {given.rounds} rounds of {given.mails:,} mails", flush=True)
    with running_sink(programs) as server:
        if given.only != "embedded":
            print_table("PostgreSQL and Redis", over_servers(server, workers, given.mails, given.rounds))
        if given.only != "shared":
            print_table("SQLite, one process", in_one_process(server, given.mails, given.rounds))


Parts = dict[str, list[Run]]


def over_servers(server: Server, workers: Workers, mails: int, rounds: int) -> Parts:
    """Everything in turns, so that a slow minute of the machine is slow for all."""
    with shared(server.url) as installation:
        lessons = installation.lessons
        installation.servers["smtp-sink"] = server.pid
        warm_ups = [lessons.add_touches(WARM_UP) for _ in workers]
        due = [[lessons.add_touches(mails) for _ in workers] for _ in range(rounds)]
        ready = [[lessons.add_sends(mails) for _ in workers] for _ in range(rounds)]
        settle(installation.database)
        installation.start("dispatcher", "dispatcher")
        parts: Parts = {LOOP: [], SOURCE: [source_run(server, mails)]}
        for number in range(rounds):
            add_beside_source(parts, server, mails, {LOOP: loop_run(server)})
            for at, (who, cores) in enumerate(workers.items()):
                with working(installation, cores, warm_ups):
                    runs = {
                        f"{who}, {name}": timed(installation, table, ids[number][at])
                        for name, table, ids in (("due", touches, due), ("ready", sends, ready))
                    }
                add_beside_source(parts, server, mails, runs)
        return parts


def in_one_process(server: Server, mails: int, rounds: int) -> Parts:
    with embedded(server.url) as installation:
        lessons = installation.lessons
        installation.servers["smtp-sink"] = server.pid
        warm_up = lessons.add_touches(WARM_UP)
        due = [lessons.add_touches(mails) for _ in range(rounds)]
        ready = [lessons.add_sends(mails) for _ in range(rounds)]
        installation.start("worker", "up")
        timed(installation, touches, warm_up)
        parts: Parts = {LOOP: [], SOURCE: [source_run(server, mails)]}
        for number in range(rounds):
            add_beside_source(parts, server, mails, {LOOP: loop_run(server)})
            add_beside_source(parts, server, mails, {"one process, due": timed(installation, touches, due[number])})
            add_beside_source(parts, server, mails, {"one process, ready": timed(installation, sends, ready[number])})
        return parts


def add_beside_source(parts: Parts, server: Server, mails: int, runs: Mapping[str, Run]) -> None:
    """These, and `smtp-source` once more: a machine that others use may be another one a minute later."""
    before, after = parts[SOURCE][-1], source_run(server, mails)
    parts[SOURCE].append(after)
    for name, run in runs.items():
        compared = replace(run, of_source=run.rate / mean((before.rate, after.rate)))
        parts.setdefault(name, []).append(compared)
        print(f"  {name}: {run.rate:,.0f} a second, {compared.of_source:.1%} of {SOURCE}", file=sys.stderr, flush=True)


def loop_run(server: Server) -> Run:
    figure = naive(server.port, NAIVE_MAILS)
    return Run(rate=figure.rate, cpu={"itself": figure.cpu})


def source_run(server: Server, mails: int) -> Run:
    figure = smtp_source(server, mails, connections=MOST_CONNECTIONS, size=SIZE)
    return Run(rate=figure.rate, cpu={"itself": figure.cpu})


@contextmanager
def working(installation: Installation, cores: Sequence[int | None], warm_ups: list[range]) -> Iterator[None]:
    """A worker for each of these, which have begun to work."""
    names = [f"worker {number}" for number in range(1, len(cores) + 1)]
    with kept_off([core for core in cores if core is not None], list(installation.servers.values())):
        for name, core in zip(names, cores, strict=True):
            installation.start(name, "worker", *(() if core is None else ("--core", str(core))))
        if warm_ups:
            timed(installation, touches, warm_ups.pop())
        yield
        for name in names:
            installation.stop(name)


def timed(installation: Installation, table: sa.Table, numbers: range) -> Run:
    """From the instant at which these rows are due to the last of the server's answers, as the ledger has it.

    `numbers`: those of the leads. A touch has its lead's, and a mail that of its touch.
    """
    due_at = make_due(installation.database, table, numbers, lead_time=LEAD_TIME)
    time.sleep(max(0.0, seconds_until(installation.database, due_at) - 0.1))
    before = installation.cpu()
    ended_at = last_accepted(installation.database, numbers)
    after = installation.cpu()
    spent = {kind: (after[kind] - before.get(kind, 0.0)) / len(numbers) * 1e6 for kind in after}
    return Run(rate=len(numbers) / (ended_at - due_at).total_seconds(), cpu=spent)


def seconds_until(database: Database, instant: datetime) -> float:
    with database.read() as tx:
        return (instant - tx.now).total_seconds()


def last_accepted(database: Database, numbers: range) -> datetime:
    """When the last of these mails was taken. A benchmark that loses one has no figure."""
    theirs = sends.c.lead_id.between(numbers.start, numbers.stop - 1)
    chosen = sa.select(sends.c.state, sa.func.count().label("n"), sa.func.max(sends.c.ended_at).label("at")).where(theirs)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        time.sleep(LOOK_EVERY)
        with database.read() as tx:
            states = {row.state: row for row in tx.run(chosen.group_by(sends.c.state))}
        if set(states) == {"accepted"} and states["accepted"].n == len(numbers):
            ended_at: datetime = states["accepted"].at
            return ended_at
    raise SystemExit(
        f"expected {len(numbers)} accepted mails, the ledger has { {state: row.n for state, row in states.items()} }"
    )


def print_table(title: str, parts: Parts) -> None:
    """Medians of the rounds, with the spread of the rates, and the ratios to the baselines beside them."""
    print(f"\n{title:<28}{'a second':>10}{'(rounds)':>18}{'× the loop':>12}{'of smtp-source':>16}   µs CPU a mail")
    for name, runs in parts.items():
        rates = [run.rate for run in runs]
        spread = f"({min(rates):,.0f}-{max(rates):,.0f})"
        times = f"{median(run.rate / each.rate for run, each in zip(runs, parts[LOOP], strict=False)):.1f}×"
        share = median(run.of_source for run in runs)
        kinds = {kind: median(run.cpu[kind] for run in runs) for kind in runs[0].cpu}
        told = ", ".join(f"{kind} {used:,.0f}" for kind, used in kinds.items())
        if len(kinds) > 1:
            told = f"{sum(kinds.values()):,.0f}: {told}"
        print(f"{name:<28}{median(rates):>10,.0f}{spread:>18}{times:>12}{share:>16.1%}   {told}")


if __name__ == "__main__":
    main()
