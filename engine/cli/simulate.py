"""`handraiser simulate`: the workspace as it is written, run through months of virtual time on a list of people."""

import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import sqlalchemy as sa

from engine.cli.options import json_option, print_json, workspace_option
from engine.compiler.workspace import compile_workspace
from engine.errors import UsageError, WorkspaceError
from engine.leadfile.bring_in import import_leads
from engine.leadfile.map import read_map
from engine.render import library
from engine.schedule.enrol import enrol_leads
from engine.schema import leads
from engine.simulate.make import make_world
from engine.simulate.tally import StepCount, Tally, in_words, tally
from engine.simulate.world import World
from engine.versions import live_rules


@click.command("simulate")
@click.argument("cadence")
@click.option("--leads", "file", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=True, help="A CSV.")
@click.option("--map", "map_file", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=True)
@click.option("--months", type=click.IntRange(1, 60), default=24, show_default=True)
@click.option("--start", type=click.DateTime(["%Y-%m-%d"]), default="2026-01-05", show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@workspace_option
@json_option
def simulate_command(
    cadence: str, file: Path, map_file: Path, months: int, start: datetime, seed: int, workspace: Path, as_json: bool
) -> None:
    """Run CADENCE over the people of a list, in virtual time, with recipients that behave by stated odds.

    Nothing is sent and your database is not touched: it all happens in a temporary one.

    \b
    Example:
      handraiser simulate new-enquiry --leads people.csv --map people.map.yaml --months 24
    """
    compiled = compile_workspace(workspace, render=library)
    if compiled.plan is None:
        raise WorkspaceError("\n".join(map(str, compiled.diagnostics)), compiled.diagnostics)
    if cadence not in {one.name for one in compiled.plan.cadences}:
        known = ", ".join(one.name for one in compiled.plan.cadences)
        raise UsageError(f"there is no cadence {cadence!r} in {workspace}/cadences; there are: {known}")
    with tempfile.TemporaryDirectory(prefix="handraiser-") as folder:
        world = make_world(compiled, Path(folder), start=start.replace(hour=8, tzinfo=UTC), seed=seed)
        bring_in(world, file, map_file, as_json=as_json)
        enrol_everybody(world, cadence)
        run(world, timedelta(days=30.44 * months), as_json=as_json)
        with world.runtime.database.read() as tx:
            told = tally(tx)
    print_json(as_plain(told)) if as_json else click.echo(in_words(told) + "\n\n" + steps_in_words(told.steps))


def bring_in(world: World, file: Path, map_file: Path, *, as_json: bool) -> None:
    with world.runtime.database.read() as tx:
        policy = live_rules(tx).policy
    lead_map = read_map(map_file, policy.lead_schema, tuple(policy.topics))
    done = import_leads(world.runtime.database, world.runtime.tokens, file, lead_map, progress=lambda _rows: None)
    click.echo(f"{done.added:,} leads; {done.rejected:,} rows could not be used", err=as_json)


def enrol_everybody(world: World, cadence: str) -> None:
    with world.runtime.database.write() as tx:
        enrol_leads(tx, cadence, [row.id for row in tx.run(sa.select(leads.c.id))])


def run(world: World, span: timedelta, *, as_json: bool) -> None:
    began = world.clock.now()
    with click.progressbar(length=span.days, label="Time passes", hidden=as_json) as bar:
        world.run(began + span, lambda now: bar.update(max(0, (now - began).days - bar.pos)))
        bar.update(max(0, span.days - bar.pos))


def as_plain(told: Tally) -> dict[str, object]:
    return {
        "leads": told.leads,
        "mails": [{"month": month, "stream": stream, "mails": rows} for (month, stream), rows in told.mails.items()],
        "events": dict(told.events),
        "by_machines": told.by_machines,
        "passages": [{"state": state, "reason": reason, "leads": rows} for (state, reason), rows in told.passages.items()],
        "steps": [
            {"cadence": one.cadence, "step": one.step, "reached": one.reached, "became": dict(one.became)} for one in told.steps
        ],
        "hands": [{"who": hand.who, "rep": hand.rep, "state": hand.state, "points": hand.points} for hand in told.hands],
    }


def steps_in_words(steps: Sequence[StepCount]) -> str:
    """A line for each step: how many came to it, and what became of them. The numbers of a line add up."""
    lines = ["Step by step: how many came to it = what became of them"]
    for one in steps:
        became = ", ".join(f"{rows:,} {what}" for what, rows in sorted(one.became.items(), key=lambda item: -item[1]))
        lines.append(f"  {one.reached:>7,}  {one.step:<34} {became}")
    return "\n".join(lines)
