"""`handraiser apply`: puts the workspace into force."""

import json
import sys
from pathlib import Path

import click

from engine.cli.options import json_option, open_workspace, print_json, workspace_option
from engine.cli.plan import compile_or_exit, saved_form
from engine.errors import UsageError
from engine.schedule.apply import apply_plan, difference
from engine.schedule.changes import Changes
from engine.schedule.told import lines


@click.command("apply")
@click.option("--plan", "saved", type=click.Path(path_type=Path), help="Apply only if it would do what this saved plan says.")
@workspace_option
@json_option
def apply_command(saved: Path | None, workspace: Path, as_json: bool) -> None:
    """Put the workspace into force, and say what changed. Safe to repeat.

    New words reach everybody at once. New steps reach those inside only where the cadence says `on_change: migrate`.

    \b
    Example:
      handraiser apply --workspace my-workspace
    """
    compiled = compile_or_exit(workspace, as_json=as_json)
    assert compiled.plan is not None
    _settings, database = open_workspace(workspace)
    with database.write() as tx:
        if saved is not None and saved_form(compiled, difference(tx, compiled.plan)) != read_saved(saved):
            refuse(difference(tx, compiled.plan), as_json=as_json)
        changes = apply_plan(tx, compiled.plan, compiled.artifacts)
    print_json(changes.as_plain()) if as_json else click.echo("\n".join(lines(changes)))


def read_saved(path: Path) -> object:
    """Raises UsageError when it is not a plan that `handraiser plan --save` wrote."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} is not a saved plan; make one with `handraiser plan --save {path}`") from error


def refuse(changes: Changes, *, as_json: bool) -> None:
    if as_json:
        print_json(changes.as_plain())
    else:
        click.echo("Since that plan was saved, something has changed. Nothing was applied. It would now do this:", err=True)
        click.echo("\n".join(lines(changes)), err=True)
    sys.exit(1)
