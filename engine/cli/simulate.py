"""`handraiser simulate`: the workspace as it is written, run through months of virtual time on a list of people."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from engine.cli.options import json_option, print_json, workspace_option
from engine.compiler.workspace import compile_workspace
from engine.errors import UsageError, WorkspaceError
from engine.render import library
from engine.simulate.arms import arm_as_plain
from engine.simulate.parts import Run, cores, simulate, tally_of
from engine.simulate.tally import StepCount, Tally, in_words


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
    run = Run(
        compiled=compiled,
        cadence=cadence,
        leads_file=file,
        map_file=map_file,
        start=start.replace(hour=8, tzinfo=UTC),
        span=timedelta(days=30.44 * months),
        seed=seed,
    )
    parts = cores()
    with click.progressbar(length=run.span.days * parts, label="Time passes", hidden=as_json) as bar:
        done = simulate(run, parts=parts, progress=bar.update)
        bar.update(max(0, run.span.days * parts - bar.pos))
    told = tally_of(done)
    click.echo(f"{told.leads:,} leads; {done[0].imported.rejected:,} rows could not be used", err=as_json)
    print_json(as_plain(told)) if as_json else click.echo(in_words(told) + "\n\n" + steps_in_words(told.steps))


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
        "arms": [arm_as_plain(arm) for arm in told.arms],
        "hands": [{"who": hand.who, "rep": hand.rep, "state": hand.state, "points": hand.points} for hand in told.hands],
    }


def steps_in_words(steps: Sequence[StepCount]) -> str:
    """A line for each step: how many came to it, and what became of them. The numbers of a line add up."""
    lines = ["Step by step: how many came to it = what became of them"]
    for one in steps:
        became = ", ".join(f"{rows:,} {what}" for what, rows in sorted(one.became.items(), key=lambda item: -item[1]))
        lines.append(f"  {one.reached:>7,}  {one.step:<34} {became}")
    return "\n".join(lines)
