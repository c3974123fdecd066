"""What the schedule costs a lead, a touch and a mail, on a throw-away SQLite file: enrolling, deciding, and moving on.

Run: `python -m benchmarks.schedule [--leads 10000] [--batch 50]`. Processor time, the median and the best of all batches; a
cadence of twenty emails with the usual exits, leads in three zones.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from statistics import median

import sqlalchemy as sa

from benchmarks.conditions import conditions
from engine.advance import advance
from engine.claim import TOUCH, Claim, take_due
from engine.clock import VirtualClock
from engine.database import Database, Tx
from engine.migrations import upgrade
from engine.processes.assemble import Unwired
from engine.runtime import Runtime
from engine.schedule.enrol import enrol_leads
from engine.schedule.progress import EndedTouch, end_touches
from engine.schema import leads
from engine.settings import read_settings
from engine.tokens import Tokens
from engine.vocabulary import TouchState
from tests.schedule.plans import apply, at, cadence, chain, email

ZONES = ("Europe/London", None, "America/New_York")
STEPS = 20


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--leads", type=int, default=10_000)
    parser.add_argument("--batch", type=int, default=50)
    asked = parser.parse_args()
    clock = VirtualClock()
    with tempfile.TemporaryDirectory() as folder:
        database = Database.open(f"sqlite:///{Path(folder) / 'bench.db'}", clock=clock, durable=False)
        prepare(database, asked.leads)
        print(f"{asked.leads:,} leads, batches of {asked.batch} ({conditions()})\n")
        print(f"{'':28}{'median µs':>12}{'best µs':>12}")
        line("enrol, a lead", [measured(database, lambda tx: enrol(tx, asked.leads)) / asked.leads])
        clock.move_to(clock.now() + timedelta(days=1, hours=7))
        decided, ended = play(database, asked.batch)
        line("decide, a touch", decided)
        line("end and make next, a touch", ended)
        database.close()


def prepare(database: Database, count: int) -> None:
    upgrade(database)
    with database.write() as tx:
        apply(tx, cadence(*chain(*[email(f"mail-{n:02}", at(f"{4 * n + 1} days")) for n in range(STEPS)])))
        tx.run(sa.insert(leads), [lead(tx, n) for n in range(count)])


def lead(tx: Tx, number: int) -> dict[str, object]:
    return {
        "key": f"lead-{number}", "email": f"lead{number}@example.com", "address_key": f"{number:018x}",
        "zone": ZONES[number % len(ZONES)], "fields": {}, "do_not_call": False, "created_at": tx.now, "updated_at": tx.now,
    }  # fmt: skip


def enrol(tx: Tx, count: int) -> None:
    enrol_leads(tx, "new-enquiry", range(1, count + 1))


def play(database: Database, batch: int) -> tuple[list[float], list[float]]:
    """Every touch that is due is decided and, as if its mail had been accepted, ended."""
    decided, ended = [], []
    runtime = at_work(database)
    for claims in full_batches(database, batch):
        touch_ids = [touch_id for touch_id, _epoch in claims]
        over = [EndedTouch(touch_id=touch_id, state=TouchState.DONE) for touch_id in touch_ids]
        decided.append(measured(database, partial(advance, runtime=runtime, claims=claims)) / batch)
        ended.append(measured(database, partial(end_touches, ended=over)) / batch)
    return decided, ended


def at_work(database: Database) -> Runtime:
    """A worker that decides and sends nothing."""
    return Runtime(
        settings=read_settings(Path("/nowhere"), {}),
        database=database,
        tokens=Tokens(("nothing is signed with it",)),
        wire=Unwired(),
        worker_id="bench",
        has_lease=lambda: True,
        publish=lambda _noun, _claims: None,
    )


def full_batches(database: Database, batch: int) -> Iterator[list[Claim]]:
    while True:
        with database.write() as tx:
            claims = take_due(tx, TOUCH, limit=batch, lease=timedelta(seconds=30))
        if len(claims) < batch:
            return
        yield claims


def measured(database: Database, work: Callable[[Tx], object]) -> float:
    """Microseconds of processor time, the commit included."""
    began = time.process_time()
    with database.write() as tx:
        work(tx)
    return (time.process_time() - began) * 1e6


def line(what: str, figures: list[float]) -> None:
    print(f"{what:28}{median(figures):12,.0f}{min(figures):12,.0f}")


if __name__ == "__main__":
    main()
