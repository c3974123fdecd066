"""Sending to a mail server that is 20 ms away, over 10 connections: what counts is how often one waits for an answer.

Postfix's `smtp-sink` behind a proxy that keeps every byte for 10 ms; the product embedded (SQLite), and beside it, in turns and
over as many connections, the loop that most programs begin with (`EmailMessage`, `send_message`). Then a server that offers
CHUNKING. Some thousands of mails, since at first and at last not all connections are at work.

Goal: at least 3.5 times the loop, since a message takes one round trip in the place of four; more with CHUNKING.
Run: python -m benchmarks.round_trip [--mails 6000] [--rounds 3]
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

from benchmarks.baselines import naive
from benchmarks.conditions import conditions
from benchmarks.live import embedded, extras
from benchmarks.send import Run, timed
from engine.schema import touches
from tests.services.smtp_sink import running_sink, tools

CONNECTIONS = 10
ONE_WAY = 0.01  # seconds
NAIVE_MAILS = 500
WARM_UP = 300


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--mails", type=int, default=6_000)
    asked.add_argument("--rounds", type=int, default=3)
    given = asked.parse_args()
    programs = tools()
    if programs is None:
        raise SystemExit("smtp-sink comes with Postfix: apt-get install postfix")
    print(f"{conditions()}; {extras()}; {2 * ONE_WAY * 1e3:g} ms of round trip, {CONNECTIONS} connections", flush=True)
    with running_sink(programs) as server:
        print_ratio("PIPELINING", measure(server.port, given.mails, given.rounds))
    with chunking_sink() as port:
        print_ratio("CHUNKING", measure(port, given.mails, given.rounds))


def measure(port: int, mails: int, rounds: int) -> list[tuple[float, Run]]:
    """(mails a second of the loop, ours) of each round."""
    with far_away(port) as far, embedded(f"smtp://127.0.0.1:{far}?connections={CONNECTIONS}") as installation:
        warm_up, *due = [installation.lessons.add_touches(each) for each in (WARM_UP, *[mails] * rounds)]
        installation.start("up", "up")
        timed(installation, touches, warm_up)
        return [(naive(far, NAIVE_MAILS, connections=CONNECTIONS).rate, timed(installation, touches, numbers)) for numbers in due]


@contextmanager
def far_away(port: int) -> Iterator[int]:
    """The port of a proxy before this one, in a process of its own."""
    command = [sys.executable, "-m", "tests.services.proxy", f"127.0.0.1:{port}", "--delay", str(ONE_WAY)]
    with listening(command) as told:
        yield int(told.rpartition(":")[2])


@contextmanager
def chunking_sink() -> Iterator[int]:
    """Ours, which offers CHUNKING: `smtp-sink` does not."""
    with listening([sys.executable, "-m", "engine.simulate.sink", "--port", "0", "--chunking"]) as told:
        yield int(told.rpartition(":")[2])


@contextmanager
def listening(command: list[str]) -> Iterator[str]:
    """The last word of what a program says first."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()


def print_ratio(offered: str, found: list[tuple[float, Run]]) -> None:
    loop, ours = median(rate for rate, _ in found), median(run.rate for _, run in found)
    times = median(run.rate / rate for rate, run in found)
    print(f"{offered:<12} ours {ours:,.0f} a second, the loop {loop:,.0f}: {times:.1f} times", flush=True)


if __name__ == "__main__":
    main()
