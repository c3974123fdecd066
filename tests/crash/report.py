"""The figures of the long crash tests, as a page.

Before: each trial left its figures with its test. After: docs/results/crash.md, written by `make crash`.
"""

import sqlite3
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.conditions import conditions
from tests.crash.points import named_points
from tests.crash.trial import ANY_MOMENT
from tests.services import postgres, redis

Figures = Mapping[str, Any]
ROOT = Path(__file__).parents[2]
TRIALS = (
    "trial", "database", "seed", "seconds", "mails", "kills", "freezes", "unknown", "sent again", "twice", "lost", "unexplained",
)  # fmt: skip
RECOVERIES = ("trial", "database", "times", "median", "longest")
STOPS = ("database", "seed", "seconds", "mails", "opt-outs", "began after", "gap", "when")
POINTS = ("killed at", "in", "database", "kills", "in doubt", "most in doubt", "unknown", "tried again")
CERTAINTY = 3  # where nothing went wrong in N tries, it goes wrong in less than 3 of N, with 95 % certainty


@dataclass(slots=True, kw_only=True)
class Run:
    """What all trials together came to."""

    trials: list[Figures] = field(default_factory=list)
    stops: list[Figures] = field(default_factory=list)  # of those in which people opted out
    failed: list[str] = field(default_factory=list)
    took: dict[str, float] = field(default_factory=dict)  # seconds, by the test's name
    began: float = field(default_factory=time.monotonic)
    where: str = field(default_factory=conditions)

    def page(self, *, at_once: int) -> str:
        trials = sorted(self.trials, key=lambda trial: (trial["trial"], trial["database"]))
        return f"""# What was killed, and what came of it

Written by `make crash` on {datetime.now(UTC):%Y-%m-%d} at commit {commit()}, in {minutes(time.monotonic() - self.began)}, up
to {at_once} trials at once. {self.where}; SQLite {sqlite3.sqlite_version}, {versions()}.

**{self.in_short()}**

Real processes, started by the product's own command, over SQLite (everything in one) and over PostgreSQL and Redis (dispatchers
and workers) send real SMTP to a mail server that writes each message to disk before it says yes. They are killed (`kill -9`),
frozen, cut off and asked to stop while they work. Then all work is brought to its end, and every row of the ledger is held
against what the mail server wrote down.

## The trials

*Kills*, *freezes*: of processes. *Unknown*: what the ledger itself calls so, since its process died, or its connection broke,
between the mark and the record; marketing is not sent again then. *Sent again*: a mail that somebody waits for, once more with
the same bytes after that. *Twice*: any other second copy. *Lost*: neither arrived nor ended for a reason that the ledger names.
*Unexplained*: whatever else ledger, mail server and the steps of the cadences do not agree on. The last three must be 0; where a
database was put back, whose numbers then mean other mails, the trial itself counts who got the same mail again, and it must be
nobody. `--seed` draws the same again.

{table(TRIALS, (trial_row(each) for each in trials))}

## Recovery

In seconds, without anybody's help: from the end of an outage until mail went out again, at most 30; from the kill of a worker
until others could go on with what it held, at most its lease and ten.

{table(RECOVERIES, (recovery_row(each) for each in trials if each["recovered_in"]))}

## Stop means stop

Mails are due and on their way through a mail server that takes 50 ms for a round trip, while people opt out: by one click, by the
page's button, by a mail, a bounce, a complaint, by hand and by an imported list. *Began after*: MAIL FROM was said after the
opt-out stood in the database, for mails that were marked before; *gap*: by how much at most, in seconds; a mark is looked at
again after one second. *When*: the state of the due mail when its recipient opted out.

{table(STOPS, (stop_row(each) for each in self.stops))}

## The points

Where a process was told to kill itself, by its name in the source. A kill can leave in doubt what a process has marked and not
recorded: at most 12 mails of nurture for each of its 2 connections here, and one awaited mail in each thread. Of these,
marketing stays *unknown*, and what somebody waits for is *tried again* and accepted.

{table(POINTS, point_rows(trials))}
"""

    def in_short(self) -> str:
        if self.failed:
            return "Failed: " + ", ".join(self.failed)
        mails, freezes, unknown, again = (
            sum(each[name] for each in self.trials) for name in ("sends", "freezes", "unknown", "resent")
        )
        kills = sum(len(each["deaths"]) for each in self.trials)
        bound = f" (so it happens, with 95 % certainty, after less than one kill in {kills // CERTAINTY})" if kills >= 30 else ""
        return (
            f"{kills:,} kills and {freezes:,} freezes over {mails:,} mails: none came twice, none was lost{bound}. "
            f"{unknown:,} are unknown and said to be, {again:,} that somebody waited for went once more."
        )


def trial_row(trial: Figures) -> list[object]:
    kills = len(trial["deaths"])
    joined = ("-" if trial["has_forgotten"] else trial[name] for name in ("resent", "duplicates", "lost", "unexplained"))
    return [
        trial["trial"], trial["database"], trial["seed"], trial["took"], trial["sends"], kills, trial["freezes"],
        trial["unknown"], *joined,
    ]  # fmt: skip


def recovery_row(trial: Figures) -> list[object]:
    times = sorted(trial["recovered_in"])
    return [trial["trial"], trial["database"], len(times), times[len(times) // 2], times[-1]]


def stop_row(stop: Figures) -> list[object]:
    when = ", ".join(f"{number} {state}" for state, number in sorted(stop["states"].items()))
    names = ("database", "seed", "took", "mails", "opt_outs", "began_after")
    return [*(stop[name] for name in names), f"{stop['gap']:.2f}", when]


def point_rows(trials: Iterable[Figures]) -> Iterator[list[object]]:
    """One row for each point and database, in the order of the source; kills from outside last."""
    found: dict[tuple[str, str], list[Figures]] = {}
    for trial in trials:
        for death in trial["deaths"]:
            found.setdefault((death["at"], trial["database"]), []).append(death)
    files = {point.name: point.file for point in named_points()} | {ANY_MOMENT: ""}
    order = list(files)
    for (at, database), deaths in sorted(found.items(), key=lambda item: (order.index(item[0][0]), item[0][1])):
        doubts = [death["in_doubt"] for death in deaths]
        sums = (sum(death[name] for death in deaths) for name in ("unknown", "resent"))
        yield [at, files[at], database, len(deaths), sum(doubts), max(doubts), *sums]


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def minutes(seconds: float) -> str:
    return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


def commit() -> str:
    return said("git", "rev-parse", "--short", "HEAD") or "unknown"


def versions() -> str:
    """Of the servers that came with the tests; others may have been named in their place."""
    binaries, binary = postgres.binaries(), redis.binary()
    of_postgres = said(str(binaries / "postgres"), "--version").removeprefix("postgres (PostgreSQL) ") if binaries else "?"
    of_redis = said(str(binary), "--version").partition("v=")[2].partition(" ")[0] if binary else "?"
    return f"PostgreSQL {of_postgres}, Valkey {of_redis} for Redis"


def said(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
