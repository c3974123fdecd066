"""Twenty-four virtual months of the twelve-month nurture, for every lead of a real list.

Goal: 100,000 sends or more in 60 s and 400 MB, the whole process with compiling, importing and enrolling in it. Without a list
the same number of made-up leads is used; the figures in docs/results are of the real one.
Run: python -m benchmarks.simulate --leads x-education.csv --map examples/x-education.map.yaml
"""

import argparse
import csv
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.conditions import Watched, conditions
from engine.compiler.workspace import compile_workspace
from engine.installed import starter_folder
from engine.render import library
from engine.simulate.demo import MAP
from engine.simulate.parts import Part, Run, cores, simulate, tally_of
from engine.simulate.people import make_people

COUNT = 9_240
START = datetime(2026, 1, 5, 8, tzinfo=UTC)
MONTHS = 24


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulate", description=__doc__)
    parser.add_argument("--leads", type=Path, help="a CSV")
    parser.add_argument("--map", type=Path, help="how it is read")
    parser.add_argument("--cadence", default="new-enquiry")
    parser.add_argument("--processes", type=int, default=cores())
    given = parser.parse_args()
    print(f"{MONTHS} virtual months of {given.cadence} ({conditions()})")
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        file, map_file = (given.leads, given.map) if given.leads else made_up(Path(folder))
        run = Run(
            compiled=compile_workspace(starter_folder(), render=library),
            cadence=given.cadence,
            leads_file=file,
            map_file=map_file,
            start=START,
            span=timedelta(days=30.44 * MONTHS),
            seed=1,
        )
        with Watched() as watched:
            parts = simulate(run, parts=given.processes, progress=lambda _days: None)
    report(parts, time.perf_counter() - began, watched.megabytes)


def made_up(folder: Path) -> tuple[Path, Path]:
    file, map_file = folder / "people.csv", folder / "people.map.yaml"
    people = make_people(COUNT, seed=1)
    with file.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(people[0].__dataclass_fields__)
        writer.writerows([getattr(person, name) for name in person.__dataclass_fields__] for person in people)
    map_file.write_text(MAP, encoding="utf-8")
    return file, map_file


def report(parts: list[Part], seconds: float, megabytes: float) -> None:
    told = tally_of(parts)
    sends = sum(told.sends.values())
    print(f"  {told.leads:,} leads, {sends:,} sends, {sum(told.events.values()) + told.by_machines:,} events")
    print(f"  {seconds:.1f} s from the files to the tally, {seconds / max(1, sends) * 1e6:.0f} µs a send (goal: 60 s)")
    print(f"  {megabytes:.0f} MB at most in {len(parts)} processes and all that they started (goal: 400 MB)")


if __name__ == "__main__":
    main()
