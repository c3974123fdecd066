"""A long run on all cores: the leads are dealt out by their key, and each part lives in a world and a process of its own.

Before: `handraiser simulate` or a benchmark. After: one tally. Leads meet each other only through an address that two of them
share, so they are dealt out by the address where they have one, and a part knows all that could matter to its leads.
"""

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from hashlib import sha256
from multiprocessing import get_context
from multiprocessing.queues import Queue
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

import sqlalchemy as sa

from engine.compiler.workspace import Compiled
from engine.garbage import collect_less
from engine.leadfile.bring_in import Imported, import_leads
from engine.leadfile.map import LeadMap, read_map
from engine.leads import NewLead, save_leads
from engine.schedule.enrol import enrol_leads
from engine.schema import leads
from engine.simulate.make import make_world
from engine.simulate.recipients import Recipients
from engine.simulate.script import play
from engine.simulate.tally import Tally, tally, together
from engine.simulate.timeline import Timeline, timelines_of
from engine.simulate.world import World
from engine.tokens import fold_address
from engine.versions import live_rules

DAYS: list["Queue[int]"] = []  # to whoever began this process: how many days have passed


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What is to be simulated: `people`, or every usable row of `leads_file`, go into `cadence` at `start`.

    `recipients` None: people of all kinds. The compiled workspace's script happens to each lead. `timelines`: of the leads with
    these keys, or of the first ones where there is none in it; None: of nobody.
    """

    compiled: Compiled
    cadence: str
    start: datetime
    span: timedelta
    seed: int
    leads_file: Path | None = None
    map_file: Path | None = None
    people: tuple[NewLead, ...] = ()
    recipients: Recipients | None = None
    timelines: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one process came to. `imported.rows`: of the whole file. `trouble`: what the script says and could not be."""

    imported: Imported | None
    tally: Tally
    timelines: tuple[Timeline, ...] = ()
    trouble: tuple[str, ...] = ()


def simulate(run: Run, *, parts: int, progress: Callable[[int], None]) -> list[Part]:
    """Run it, in `parts` processes, this one among them; `progress` is told how many days have passed in all of them together.

    Raises what reading the files raises, before anything is run.
    """
    check_files(run)
    if parts == 1:
        return [simulate_part(run, 0, 1, progress)]
    processes = get_context("spawn")
    days: Queue[int] = processes.Queue()
    watcher = Thread(target=pass_on, args=(days, progress), daemon=True)
    watcher.start()
    with ProcessPoolExecutor(parts - 1, mp_context=processes, initializer=tell_days_to, initargs=(days,)) as pool:
        jobs = [pool.submit(simulate_elsewhere, run, number, parts) for number in range(1, parts)]
        done = [simulate_part(run, 0, parts, days.put), *(job.result() for job in jobs)]
    days.put(-1)
    watcher.join()
    return done


def cores() -> int:
    """How many processes this machine has room for."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def tally_of(parts: list[Part]) -> Tally:
    """The parts as if they had been one."""
    return reduce(together, (part.tally for part in parts))


def pass_on(days: "Queue[int]", progress: Callable[[int], None]) -> None:
    while (passed := days.get()) >= 0:
        progress(passed)


def tell_days_to(days: "Queue[int]") -> None:
    DAYS.append(days)


def simulate_elsewhere(run: Run, number: int, parts: int) -> Part:
    """In a process that `simulate` began."""
    [days] = DAYS
    return simulate_part(run, number, parts, days.put)


def simulate_part(run: Run, number: int, parts: int, progress: Callable[[int], None]) -> Part:
    """One process's share: the leads whose address falls to this number."""
    collect_less()
    with TemporaryDirectory(prefix="handraiser-") as folder:
        world = make_world(run.compiled, Path(folder), start=run.start, seed=run.seed, recipients=run.recipients)
        imported = bring_in(run, world, number, parts)
        with world.runtime.database.write() as tx:
            enrol_leads(tx, run.cadence, [row.id for row in tx.run(sa.select(leads.c.id))])
        until, told = run.start + run.span, days_passed(run.start, progress)
        trouble = play(world, run.compiled.script, run.start, until, told) if run.compiled.script else ()
        world.run(until, told)
        with world.runtime.database.read() as tx:
            lines = timelines_of(tx, run.timelines)
            return Part(imported=imported, tally=tally(tx), timelines=lines, trouble=tuple(trouble))


def bring_in(run: Run, world: World, number: int, parts: int) -> Imported | None:
    """This part's people, by name or out of the file; None: by name."""
    database, tokens = world.runtime.database, world.runtime.tokens
    if run.leads_file is None or run.map_file is None:
        with database.write() as tx:
            save_leads(tx, tokens, [person for person in run.people if falls_to(person, parts) == number])
        return None
    return import_leads(
        database,
        tokens,
        run.leads_file,
        lead_map_of(world, run.map_file),
        progress=lambda _rows: None,
        wanted=lambda lead: falls_to(lead, parts) == number,
    )


def check_files(run: Run) -> None:
    """Read the map once here, so that a mistake in it is told once and not by every process."""
    assert run.compiled.plan is not None
    if run.map_file is None:
        return
    policy = run.compiled.plan.policy
    read_map(run.map_file, policy.lead_schema, tuple(policy.topics))


def lead_map_of(world: World, map_file: Path) -> LeadMap:
    with world.runtime.database.read() as tx:
        policy = live_rules(tx).policy
    return read_map(map_file, policy.lead_schema, tuple(policy.topics))


def falls_to(lead: NewLead, parts: int) -> int:
    """Which part a lead belongs to."""
    together_by = fold_address(lead.email) if lead.email else lead.key
    return sha256(together_by.encode()).digest()[0] % parts


def days_passed(start: datetime, progress: Callable[[int], None]) -> Callable[[datetime], None]:
    """Tells each day once, however often the clock is looked at."""
    told = 0

    def tell(now: datetime) -> None:
        nonlocal told
        passed = (now - start).days
        if passed > told:
            progress(passed - told)
            told = passed

    return tell
