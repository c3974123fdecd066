"""What `handraiser plan` and `apply` cost while many people are inside: an edit of all three starter cadences.

Goal: 10 s for 100,000 people, and no more than linear growth. Every cadence loses a mail, gets one more, has one renamed and one
moved, and says `migrate`; people stand everywhere in it, in six zones, each with all that lies behind.
Run: python -m benchmarks.plan [--people 100000] [--database postgresql+psycopg://…, an empty one]
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import sqlalchemy as sa

from benchmarks.conditions import conditions, peak_megabytes
from engine.clock import VirtualClock
from engine.compiler.plan import CadencePlan, EmailStep, Step, Timing, WorkspacePlan
from engine.compiler.workspace import Compiled, compile_workspace
from engine.database import Database, Tx
from engine.installed import starter_folder
from engine.migrations import upgrade
from engine.render import library
from engine.schedule.apply import apply_plan, carry_out_work, hold_inside
from engine.schedule.edited import work_out
from engine.schedule.next_step import Course, course_of
from engine.schedule.progress import EndedTouch, end_touches
from engine.schema import enrolments, leads, touches
from engine.versions import current_version
from engine.vocabulary import TouchState

NOW = datetime(2026, 7, 1, 8, tzinfo=UTC)
ZONES = ("Europe/London", "Europe/Berlin", "America/New_York", "America/Chicago", "Australia/Sydney", None)
BUILDINGS = ("office", "school")
AT_ONCE = 5_000
MEANWHILE = 50  # people who move on between working out and writing


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plan", description=__doc__)
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--database", help="where; default: a throw-away SQLite file")
    given = parser.parse_args()
    compiled = compile_workspace(starter_folder(), render=library)
    assert compiled.plan is not None
    print(f"plan and apply of an edit of {len(compiled.plan.cadences)} cadences ({conditions()})")
    with tempfile.TemporaryDirectory() as folder:
        url = given.database or f"sqlite:///{Path(folder) / 'bench.db'}"
        database = Database.open(url, clock=VirtualClock(NOW))
        upgrade(database)
        with database.write() as tx:
            apply_plan(tx, compiled.plan, compiled.artifacts)
        inside = 0
        for people in (given.people // 4, given.people // 2, given.people):
            fill(database, compiled.plan, inside, people)
            inside = people
            measure_plan(database, compiled, inside)
        measure_apply(database, compiled)
        database.close()
    print(f"  {peak_megabytes():.0f} MB at most")


def measure_plan(database: Database, compiled: Compiled, people: int) -> None:
    assert compiled.plan is not None
    new = edited(compiled.plan)
    began, worked = time.perf_counter(), time.process_time()
    with database.read() as tx:
        work = work_out(tx, new, compiled.artifacts)
    seconds, worked = time.perf_counter() - began, time.process_time() - worked
    crowds = sum(len(each.crowds) for each in work.edited)
    moves = sum(each.change.moves for each in work.edited)
    figures = f"{seconds:5.1f} s ({worked:.1f} s of the processor, {worked / people * 1e6:.0f} µs each)"
    print(f"  {people:>7,} inside: plan {figures}; {moves:,} move in {crowds:,} crowds", flush=True)


def measure_apply(database: Database, compiled: Compiled) -> None:
    assert compiled.plan is not None
    new = edited(compiled.plan)
    began, worked = time.perf_counter(), time.process_time()
    with database.read() as tx:
        work = work_out(tx, new, compiled.artifacts)
    advance_some(database)
    writing, wrote = time.perf_counter(), time.process_time()
    with database.write() as tx:
        hold_inside(tx, new)
        work = work_out(tx, new, compiled.artifacts, since=work)
        carry_out_work(tx, new, compiled.artifacts, work)
    now, worked_by_now = time.perf_counter(), time.process_time()
    print(f"  apply {now - began:.1f} s ({worked_by_now - worked:.1f} s of the processor)")
    print(f"  of which no other could write: {now - writing:.1f} s ({worked_by_now - wrote:.1f} s of the processor)")
    with database.read() as tx:
        assert work_out(tx, new, compiled.artifacts).changes.is_nothing


def advance_some(database: Database) -> None:
    """Meanwhile a few people move on."""
    with database.write() as tx:
        first = sa.select(touches.c.id).where(touches.c.state == "waiting").order_by(touches.c.id).limit(MEANWHILE)
        end_touches(tx, [EndedTouch(touch_id=touch_id, state=TouchState.DONE) for touch_id in tx.run(first).scalars().all()])


def edited(plan: WorkspacePlan) -> WorkspacePlan:
    return replace(plan, cadences=tuple(edited_cadence(each) for each in plan.cadences))


def edited_cadence(plan: CadencePlan) -> CadencePlan:
    """One mail less, one more, one with another name, one at another time."""
    mails = [step for step in plan.steps if isinstance(step, EmailStep) and step.timing.base == "at"]
    gone, renamed, moved, before = mails[2], mails[3], mails[4], mails[5]
    more = replace(before, id="one-more", email="one-more", next=before.next, timing=later(before.timing, 1))
    changed: dict[str, Step] = {
        renamed.id: replace(renamed, id="renamed"),
        moved.id: replace(moved, timing=later(moved.timing, 2)),
        before.id: replace(before, next="one-more"),
    }
    steps = [changed.get(step.id, step) for step in plan.steps if step.id != gone.id]
    steps.insert([step.id for step in steps].index(before.id) + 1, more)
    leads_to = {gone.id: "renamed" if gone.next == renamed.id else gone.next, renamed.id: "renamed"}
    return replace(plan, on_change="migrate", steps=tuple(relinked(step, leads_to) for step in steps))


def later(timing: Timing, days: int) -> Timing:
    return replace(timing, span=replace(timing.span, days=timing.span.days + days))


def relinked(step: Step, leads_to: dict[str, str | None]) -> Step:
    ways: dict[str, Any] = {
        name: leads_to.get(way, way) for name in ("next", "otherwise") if (way := getattr(step, name, None)) is not None
    }
    return replace(step, **ways)


def fill(database: Database, plan: WorkspacePlan, first: int, end: int) -> None:
    """People who came in on any day of the time that their cadence takes."""
    dice, rows = Random(first), iter(range(first, end))
    while numbers := list(islice(rows, AT_ONCE)):
        with database.write() as tx:
            versions = {cadence.name: current_version(tx, cadence.name) for cadence in plan.cadences}
            courses = [course_of(cadence) for cadence in plan.cadences]
            add(tx, [(number + 1, dice.choice(courses), dice) for number in numbers], versions)


def add(tx: Tx, people: list[tuple[int, Course, Random]], versions: dict[str, int | None]) -> None:
    lead_rows: list[dict[str, object]] = []
    enrolment_rows: list[dict[str, object]] = []
    touch_rows: list[dict[str, object]] = []
    for number, way, dice in people:
        lead_rows.append(lead_row(tx, number, dice))
        path = list(path_of(way))
        today = dice.randrange(path[-1][1])
        anchor_at = tx.now.replace(hour=dice.randrange(6, 20), minute=dice.randrange(60)) - timedelta(days=today + 1)
        enrolment_rows.append(
            {
                "id": number, "lead_id": number, "cadence": way.plan.name, "version_id": versions[way.plan.name], "passage": 1,
                "state": "active", "anchor_at": anchor_at, "shift_days": 0, "created_at": anchor_at,
            }
        )  # fmt: skip
        touch_rows += touches_of(number, path, anchor_at.date(), today)
    for table, rows in ((leads, lead_rows), (enrolments, enrolment_rows), (touches, touch_rows)):
        tx.run(sa.insert(table), rows)


def lead_row(tx: Tx, number: int, dice: Random) -> dict[str, object]:
    return {
        "id": number, "key": f"lead-{number}", "email": f"lead{number}@example.com", "address_key": f"{number:018x}",
        "zone": dice.choice(ZONES), "fields": {"building": dice.choice(BUILDINGS), "employees": dice.choice((5, 80, None))},
        "do_not_call": False, "created_at": tx.now, "updated_at": tx.now,
    }  # fmt: skip


def path_of(way: Course) -> Iterator[tuple[Step, int]]:
    """The steps of somebody who does nothing, with the day on which each ends."""
    step: Step | None = way.plan.steps[0]
    day = 0
    while step is not None:
        anchored = step.timing.base == "at"
        span = (step.timing.span.after_day(date(2026, 1, 1)) - date(2026, 1, 1)).days
        day = max(day, span if anchored else day + span)
        if step.kind == "wait":
            day += (step.timeout.after_day(date(2026, 1, 1)) - date(2026, 1, 1)).days
        yield step, day
        step = way.after(step.id, "otherwise")


def touches_of(number: int, path: list[tuple[Step, int]], anchor_on: date, today: int) -> Iterator[dict[str, object]]:
    """Done up to today, and the next one open."""
    for step, day in path:
        on = anchor_on + timedelta(days=day)
        at = datetime(on.year, on.month, on.day, 9, tzinfo=UTC)
        is_open = day > today
        yield {
            "enrolment_id": number, "step_id": step.id, "state": "waiting" if is_open else "done",
            "due_at": at if is_open else None,
            "epoch": 0, "claims": 0, "planned_on": on, "created_at": at - timedelta(days=7), "ended_at": None if is_open else at,
        }  # fmt: skip
        if is_open:
            return


if __name__ == "__main__":
    main()
