"""`handraiser plan`: what `apply` would change, and for how many people.

Before: the marketer has edited the workspace. After: `handraiser apply`, with the saved plan if it must be exactly this.
"""

import json
import sys
from pathlib import Path

import click

from engine.cli import check
from engine.cli.options import json_option, open_workspace, print_json, workspace_option
from engine.compiler.plan import hash_of
from engine.compiler.workspace import Compiled, compile_workspace
from engine.render import library
from engine.schedule.apply import difference
from engine.schedule.changes import Changes
from engine.schedule.told import lines


@click.command("plan")
@click.option("--save", type=click.Path(path_type=Path, dir_okay=False), help="Keep the plan for `apply --plan FILE`.")
@workspace_option
@json_option
def plan_command(save: Path | None, workspace: Path, as_json: bool) -> None:
    """Show what `apply` would change, and what becomes of the people inside. Changes nothing.

    \b
    Example:
      handraiser plan --save tuesday.plan
    """
    compiled = compile_or_exit(workspace, as_json=as_json)
    _settings, database = open_workspace(workspace)
    with database.read() as tx:
        changes = difference(tx, compiled.plan) if compiled.plan else None
    assert changes is not None
    if save is not None:
        save.write_text(json.dumps(saved_form(compiled, changes), indent=2), encoding="utf-8")
    print_json(changes.as_plain()) if as_json else click.echo("\n".join(lines(changes)))


def compile_or_exit(workspace: Path, *, as_json: bool) -> Compiled:
    """The compiled workspace; where it has errors, they are printed and the command ends with status 1."""
    compiled = compile_workspace(workspace, render=library)
    if compiled.plan is None:
        print_json(check.as_plain(compiled)) if as_json else click.echo(check.in_words(compiled), err=True)
        sys.exit(1)
    return compiled


def saved_form(compiled: Compiled, changes: Changes) -> dict[str, object]:
    """What `apply --plan` compares. How many people are where changes by the minute, and is no part of it."""
    return {
        "workspace": hash_of(compiled.plan),
        "cadences": [[each.cadence, each.how, []] for each in changes.cadences],
        "rules": list(changes.rules),
        "emails": list(changes.emails),
    }
