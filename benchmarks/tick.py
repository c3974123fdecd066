"""One look of the dispatcher, over 10,000 and over 1,000,000 enrolments with 1,000 due each.

Goal: the large one within 1.3 times of the small one. The two are measured in turns, so that a noisy machine is noisy to both.
Run: python -m benchmarks.tick
"""

import argparse
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import sqlalchemy as sa

from benchmarks.conditions import conditions, spread
from engine.claim import TOUCH, put_back, take_due
from engine.clock import VirtualClock
from engine.database import Database
from engine.migrations import upgrade
from engine.processes.dispatcher import lanes_due, mend
from engine.processes.lanes import LANES, TOUCHES

NOW = datetime(2026, 6, 1, 9, tzinfo=UTC)
DUE = 1_000
NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :rows) "
FILLS = (
    NUMBERS + "INSERT INTO leads (id, key, fields, do_not_call, created_at, updated_at)"
    " SELECT i, 'lead ' || i, '{}', 0, :now, :now FROM n",
    "INSERT INTO cadence_versions (id, cadence, hash, structure_hash, body, created_at) VALUES (1, 'c', 'h', 's', '{}', :now)",
    NUMBERS + "INSERT INTO enrolments"
    " (id, lead_id, cadence, version_id, passage, state, anchor_at, shift_days, came_by, created_at)"
    " SELECT i, i, 'c', 1, 1, 'active', :now, 0, 'hand', :now FROM n",
    NUMBERS + "INSERT INTO touches"
    " (id, enrolment_id, step_id, state, due_at, epoch, claims, late_by, planned_on, created_at)"
    " SELECT i, i, 's', 'waiting', CASE WHEN i <= :due THEN :now ELSE :later END, 0, 0, 0, '2026-06-01', :now FROM n",
    "ANALYZE",
)


def fill(database: Database, rows: int) -> None:
    """That many leads, each enrolled, with one touch each; the first thousand are due."""
    values = {"rows": rows, "due": DUE, "now": text_of(NOW), "later": text_of(NOW + timedelta(days=30))}
    with database.write() as tx:
        for statement in FILLS:
            wanted = {name: value for name, value in values.items() if f":{name}" in statement}
            tx.run(sa.text(statement), wanted)


def text_of(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%d %H:%M:%S.%f")


def look(database: Database) -> float:
    """Seconds for one look: mend, see what is due, claim it. The claims are then given back, outside the time."""
    began = time.perf_counter()
    mend(database)
    with database.read() as tx:
        assert lanes_due(tx, LANES) == [TOUCHES]
    with database.write() as tx:
        claims = take_due(tx, TOUCH, limit=DUE, lease=timedelta(minutes=1))
    seconds = time.perf_counter() - began
    assert len(claims) == DUE
    with database.write() as tx:
        put_back(tx, TOUCH, claims)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tick", description=__doc__)
    parser.add_argument("--rows", type=int, nargs=2, default=(10_000, 1_000_000))
    parser.add_argument("--looks", type=int, default=30)
    given = parser.parse_args()
    print(f"One look of the dispatcher, {DUE:,} touches due, SQLite with synchronous=FULL ({conditions()})")
    with tempfile.TemporaryDirectory() as folder:
        databases = []
        for rows in given.rows:
            database = Database.open(f"sqlite:///{Path(folder) / str(rows)}.db", clock=VirtualClock(NOW))
            upgrade(database)
            fill(database, rows)
            databases.append(database)
        looks: list[list[float]] = [[], []]
        for _ in range(given.looks):
            for seconds, database in zip(looks, databases, strict=True):
                seconds.append(look(database))
    for rows, seconds in zip(given.rows, looks, strict=True):
        print(f"  {rows:>9,} enrolments   {spread(seconds)} ms")
    print(f"  large against small   {median(looks[1]) / median(looks[0]):.2f} (goal: 1.3 or less)")


if __name__ == "__main__":
    main()
