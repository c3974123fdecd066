"""What the calendar costs: two years of expected mails for the people inside the starter's cadences, on a throw-away SQLite file.

Run: `python -m benchmarks.calendar [--people 25000 50000 100000] [--json FILE]`. Everybody came in on some working day of the
last year, in one of twelve zones; one in twenty once stood still for some days; all that they had so far is in the touches. Wall
time and processor time of one process: reading the history, grouping, walking, adding up; and of writing the page. The target is
10 s for 100,000.
"""

import argparse
import json
import os
import platform
import tempfile
import time
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from engine.calendar.forecast import Asked, forecast
from engine.calendar.page import page_of
from engine.clock import VirtualClock
from engine.compiler.workspace import Compiled, compile_workspace
from engine.database import Database, Tx
from engine.installed import starter_folder
from engine.migrations import upgrade
from engine.render import library
from engine.schedule.apply import apply_plan
from engine.schedule.courses import course
from engine.schedule.next_step import Course, Ended, Next, Passage, next_step
from engine.schema import enrolments, leads
from engine.versions import current_version

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ZONES = (
    "Europe/London", "Europe/Berlin", "Europe/Paris", "Europe/Madrid", "Europe/Helsinki", "America/New_York", "America/Chicago",
    "America/Los_Angeles", "Asia/Kolkata", "Asia/Singapore", "Australia/Sydney", "America/Sao_Paulo",
)  # fmt: skip
DOMAINS = ("gmail.com", "outlook.com", "yahoo.com", "hotmail.com", "icloud.com", *(f"firm-{n}.example" for n in range(400)))
Step = tuple[str, str, str, str, str | None]  # id, created, due, planned on, how it ended
INSERT_TOUCH = (
    "INSERT INTO touches (enrolment_id, step_id, state, reason, due_at, planned_on, created_at, ended_at, epoch, claims, "
    "late_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0)"
)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, nargs="*", default=[25_000, 50_000, 100_000])
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    compiled = compile_workspace(starter_folder(), render=library)
    print(f"The calendar of 24 months; Python {platform.python_version()}, {os.cpu_count()} cores\n")
    print(f"{'people inside':>14}{'groups':>9}{'seconds':>9}{'processor':>11}{'page':>8}{'mails expected':>16}")
    measured = [measure(compiled, people) for people in asked.people]
    if asked.json:
        asked.json.write_text(json.dumps(measured, indent=2), encoding="utf-8")


def measure(compiled: Compiled, people: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        database = Database.open(f"sqlite:///{Path(folder) / 'bench.db'}", clock=VirtualClock(NOW), durable=False)
        upgrade(database)
        with database.write() as tx:
            fill(tx, compiled, people)
        began, worked = time.perf_counter(), time.process_time()
        with database.read() as tx:
            found = forecast(tx, Asked(observe_new=True))
        seconds, processor = time.perf_counter() - began, time.process_time() - worked
        page_of(found, name="Benchmark")
        page = time.perf_counter() - began - seconds
        database.close()
    mails = sum(found.sends.values())
    print(f"{people:14,}{found.groups:9,}{seconds:9.2f}{processor:11.2f}{page:8.2f}{mails:16,.0f}", flush=True)
    return {
        "people": people,
        "groups": found.groups,
        "seconds": round(seconds, 2),
        "processor": round(processor, 2),
        "mails": round(mails),
    }


def fill(tx: Tx, compiled: Compiled, people: int) -> None:
    """Leads, passages and touches as years of work would have left them."""
    assert compiled.plan is not None
    apply_plan(tx, compiled.plan, compiled.artifacts)
    versions = {plan.name: current_version(tx, plan.name) or 0 for plan in compiled.plan.cadences}
    courses = {name: course(tx, version) for name, version in versions.items()}
    dice, names = Random(7), sorted(versions)
    tx.run(sa.insert(leads), [lead(n, dice) for n in range(1, people + 1)])
    rows, steps, ids = [], [], count(1)
    for number in range(1, people + 1):
        name, zone, ago = dice.choice(names), ZONES[number % len(ZONES)], dice.randrange(330)
        shift = dice.randint(1, 9) if dice.random() < 0.05 else 0
        path = passage_so_far(courses[name], zone, ago, shift)
        if not path:
            continue
        enrolment_id = next(ids)
        rows.append(enrolment(enrolment_id, number, name, versions[name], anchor(ago), shift))
        steps += [touch(enrolment_id, step, following) for step, following in zip(path, [*path[1:], None], strict=True)]
    tx.run(sa.insert(enrolments), rows)
    tx.connection.exec_driver_sql(INSERT_TOUCH, steps)


@cache
def passage_so_far(way: Course, zone: str, ago: int, shift: int) -> list[Step]:
    """The steps up to the open one of somebody who came in so many days ago; nobody reads a guide. Empty: through already."""
    passage, at = Passage(anchor_at=anchor(ago), shift_days=shift, zone=ZoneInfo(zone)), anchor(ago)
    path: list[Step] = []
    coming: Next = next_step(way, passage, None, now=at)
    while coming.step is not None and coming.planned is not None:
        is_wait = coming.step.kind == "wait"
        reason = "timeout" if is_wait else "branch" if coming.step.kind == "branch" and ago % 3 else None
        path.append((coming.step.id, text_of(at), text_of(coming.planned.due_at), coming.planned.on.isoformat(), reason))
        ends_at = (
            max(coming.planned.due_at, datetime.combine(coming.planned.on, NOW.timetz())) if is_wait else coming.planned.due_at
        )
        if ends_at > NOW:
            return path
        took = "otherwise" if reason else "next"
        at = ends_at
        coming = next_step(
            way, passage, Ended(step_id=coming.step.id, took=took, on=coming.planned.on, at=at, mailed_at=None), now=at
        )
    return []


def anchor(ago: int) -> datetime:
    """A working day."""
    day = NOW - timedelta(days=ago, hours=2)
    return day - timedelta(days=max(0, day.weekday() - 4))


def lead(number: int, dice: Random) -> dict[str, object]:
    return {
        "id": number, "key": f"lead-{number}", "email": f"lead{number}@{DOMAINS[int(len(DOMAINS) * dice.random() ** 8)]}",
        "address_key": f"{number:018x}", "zone": ZONES[number % len(ZONES)], "fields": {}, "do_not_call": False,
        "created_at": NOW, "updated_at": NOW,
    }  # fmt: skip


def enrolment(row_id: int, lead_id: int, name: str, version_id: int, at: datetime, shift: int) -> dict[str, object]:
    return {
        "id": row_id, "lead_id": lead_id, "cadence": name, "version_id": version_id, "passage": 1, "state": "active",
        "anchor_at": at, "shift_days": shift, "created_at": at,
    }  # fmt: skip


def touch(enrolment_id: int, step: Step, following: Step | None) -> tuple[object, ...]:
    step_id, created_at, due_at, on, reason = step
    if following is None:
        return (enrolment_id, step_id, "waiting", None, due_at, on, created_at, None)
    return (enrolment_id, step_id, "done", reason, None, on, created_at, following[1])


def text_of(instant: datetime) -> str:
    """As SQLite keeps it."""
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


if __name__ == "__main__":
    main()
