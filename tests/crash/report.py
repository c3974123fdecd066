"""The figures of the long crash tests, as a page.

Before: each trial left its figures with its test. After: docs/results/crash.md, written by `make crash`.
"""

import os
import platform
import sqlite3
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.crash.trial import ANY_MOMENT

Figures = Mapping[str, Any]
ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "results" / "crash.md"
TRIALS = ("trial", "database", "seed", "sends", "kills", "freezes", "unknown", "sent again", "twice", "lost", "unexplained")
RECOVERIES = ("trial", "database", "times", "median", "longest")
STOPS = ("database", "seed", "mails", "opt-outs", "began after", "gap", "when")
POINTS = ("killed at", "database", "kills", "in doubt", "most in doubt", "unknown", "tried again")


def write_report(trials: Sequence[Figures], stops: Sequence[Figures]) -> None:
    """Replace the page by what these trials came to."""
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page(trials, stops), encoding="utf-8")


def page(trials: Sequence[Figures], stops: Sequence[Figures]) -> str:
    return f"""# What was killed, and what came of it

Written by `make crash` on {datetime.now(UTC):%Y-%m-%d}, at commit {commit()}, {machine()}.

Real processes over SQLite (everything in one) and over PostgreSQL and Redis (a dispatcher and workers) send real SMTP to a mail
server that writes each message to disk before it says yes. They are killed while they work; then all is worked off, and every row
of the ledger is held against what the mail server wrote down. *Unknown* is what the ledger itself calls so: killed between the
mark and the record, never sent again. *Sent again*: a mail that somebody waits for, once more with the same bytes after that.
*Twice*, *lost* and *unexplained* must be 0.

## The trials

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

{table(STOPS, (stop_row(each) for each in stops))}

## The points

A kill can leave in doubt what a process has marked and not recorded: at most 8 mails for each of its 2 connections here.
Of these, marketing stays unknown, and what somebody waits for is tried again and accepted.

{table(POINTS, point_rows(trials))}
"""


def trial_row(trial: Figures) -> list[object]:
    kills = len(trial["deaths"])
    rest = (trial[name] for name in ("unknown", "resent", "duplicates", "lost", "unexplained"))
    return [trial["trial"], trial["database"], trial.get("seed", ""), trial["sends"], kills, trial["freezes"], *rest]


def recovery_row(trial: Figures) -> list[object]:
    times = sorted(trial["recovered_in"])
    return [trial["trial"], trial["database"], len(times), times[len(times) // 2], times[-1]]


def stop_row(stop: Figures) -> list[object]:
    when = ", ".join(f"{number} {state}" for state, number in sorted(stop["states"].items()))
    names = ("database", "seed", "mails", "opt_outs", "began_after")
    return [*(stop[name] for name in names), f"{stop['gap']:.2f}", when]


def point_rows(trials: Iterable[Figures]) -> Iterable[list[object]]:
    """One row for each point and database, in the order of the source; kills from outside last."""
    found: dict[tuple[str, str], list[Figures]] = {}
    for trial in trials:
        for death in trial["deaths"]:
            found.setdefault((death["at"], trial["database"]), []).append(death)
    for (at, database), deaths in sorted(found.items(), key=lambda item: item[0][0] == ANY_MOMENT):
        doubts = [death["in_doubt"] for death in deaths]
        sums = (sum(death[name] for death in deaths) for name in ("unknown", "resent"))
        yield [at, database, len(deaths), sum(doubts), max(doubts), *sums]


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def commit() -> str:
    asked = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    return asked.stdout.strip() or "unknown"


def machine() -> str:
    return (
        f"{os.cpu_count()} cores {platform.machine()}, {platform.system()}, Python {platform.python_version()}, "
        f"SQLite {sqlite3.sqlite_version}"
    )
