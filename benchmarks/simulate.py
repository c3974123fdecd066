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

import sqlalchemy as sa

from benchmarks.conditions import conditions, peak_megabytes
from engine.compiler.workspace import compile_workspace
from engine.installed import starter_folder
from engine.leadfile.bring_in import import_leads
from engine.leadfile.map import read_map
from engine.render import library
from engine.schedule.enrol import enrol_leads
from engine.schema import events, leads, sends
from engine.simulate.demo import MAP
from engine.simulate.make import make_world
from engine.simulate.people import make_people
from engine.simulate.world import World
from engine.versions import live_rules

COUNT = 9_240
START = datetime(2026, 1, 5, 8, tzinfo=UTC)
MONTHS = 24


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulate", description=__doc__)
    parser.add_argument("--leads", type=Path, help="a CSV")
    parser.add_argument("--map", type=Path, help="how it is read")
    parser.add_argument("--cadence", default="new-enquiry")
    given = parser.parse_args()
    print(f"{MONTHS} virtual months of {given.cadence} ({conditions()})")
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        file, map_file = (given.leads, given.map) if given.leads else made_up(Path(folder))
        compiled = compile_workspace(starter_folder(), render=library)
        world = make_world(compiled, Path(folder), start=START, seed=1)
        lap("compiled and applied", began)
        bring_in(world, file, map_file)
        lap("imported", began)
        with world.runtime.database.write() as tx:
            enrolled = enrol_leads(tx, given.cadence, [row.id for row in tx.run(sa.select(leads.c.id))])
        lap(f"enrolled {enrolled.enrolled:,}", began)
        world.run(START + timedelta(days=30.44 * MONTHS))
        seconds = time.perf_counter() - began
        report(world, seconds)


def made_up(folder: Path) -> tuple[Path, Path]:
    file, map_file = folder / "people.csv", folder / "people.map.yaml"
    people = make_people(COUNT, seed=1)
    with file.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(people[0].__dataclass_fields__)
        writer.writerows([getattr(person, name) for name in person.__dataclass_fields__] for person in people)
    map_file.write_text(MAP, encoding="utf-8")
    return file, map_file


def bring_in(world: World, file: Path, map_file: Path) -> None:
    with world.runtime.database.read() as tx:
        policy = live_rules(tx).policy
    lead_map = read_map(map_file, policy.lead_schema, tuple(policy.topics))
    import_leads(world.runtime.database, world.runtime.tokens, file, lead_map, progress=lambda _rows: None)


def lap(what: str, began: float) -> None:
    print(f"  {time.perf_counter() - began:6.1f} s  {what}")


def report(world: World, seconds: float) -> None:
    with world.runtime.database.read() as tx:
        counted = {name: tx.run(sa.select(sa.func.count()).select_from(table)).scalar() for name, table in TABLES.items()}
    each = seconds / max(1, int(str(counted["sends"]))) * 1e6
    print(f"  {seconds:6.1f} s  in all, {counted['leads']:,} leads, {counted['sends']:,} sends, {counted['events']:,} events")
    print(f"  {each:6.0f} µs a send; {peak_megabytes():.0f} MB at most (goals: 60 s, 400 MB, 100,000 sends)")


TABLES = {"leads": leads, "sends": sends, "events": events}


if __name__ == "__main__":
    main()
