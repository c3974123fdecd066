"""`handraiser apply`: puts the workspace into force, as `handraiser plan` told it.

Before: `handraiser plan`. After: the dispatcher claims by the new versions. What becomes of everybody is worked out first, since
on SQLite nobody else can write while it is carried out; and in the very transaction that carries it out once more, for those who
have moved, come in or left meanwhile.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from engine.cli.opening import open_workspace
from engine.cli.options import json_option, print_json, workspace_option
from engine.cli.plan import compile_or_exit
from engine.compiler.plan import Policy, hash_of
from engine.compiler.workspace import Compiled
from engine.database import Tx
from engine.deliver.ways import lay_out_anew
from engine.errors import DatabaseError, UsageError
from engine.schedule.apply import carry_out_work, hold_inside
from engine.schedule.changes import Changes
from engine.schedule.edited import Work, work_out
from engine.schedule.saved import FORMAT, Deviation, deviations
from engine.schedule.wording import lines
from engine.versions import live_rules

MOST_SHOWN = 12  # deviations from a saved plan


@click.command("apply")
@click.argument("saved", required=False, metavar="[FILE]", type=click.Path(path_type=Path))
@click.option(
    "--within",
    default=0,
    metavar="PEOPLE",
    type=click.IntRange(min=0),
    help="With FILE: go ahead though up to so many people have moved, come or gone since.",
)
@workspace_option
@json_option
def apply_command(saved: Path | None, within: int, workspace: Path, as_json: bool) -> None:
    """Put the workspace into force, and say what changed. Safe to repeat.

    New words reach everybody at once. New steps reach those inside only where the cadence says `on_change: migrate`. With FILE,
    it does what that plan says, and stops where people fare otherwise by now.

    \b
    Example:
      handraiser apply tuesday.plan --within 20
    """
    if within and saved is None:
        raise UsageError("--within is for a saved plan: handraiser apply FILE --within PEOPLE")
    compiled = compile_or_exit(workspace, as_json=as_json)
    plan_then = None if saved is None else read_saved(saved)
    _settings, database = open_workspace(workspace, may_be_new=True)
    assert compiled.plan is not None
    tell(f"working out what becomes of the people inside {len(compiled.plan.cadences)} cadences", as_json=as_json)
    with database.read() as tx:
        work = work_out(tx, compiled.plan, compiled.artifacts)
    with database.write() as tx:
        changes = apply_now(tx, compiled, work, plan_then, within, as_json=as_json)
    print_json(changes.as_plain()) if as_json else click.echo("\n".join(lines(changes)))


def apply_now(tx: Tx, compiled: Compiled, since: Work, saved: dict[str, Any] | None, within: int, *, as_json: bool) -> Changes:
    assert compiled.plan is not None
    hold_inside(tx, compiled.plan)
    work = work_out(tx, compiled.plan, compiled.artifacts, since=since)
    if saved is not None:
        stop_unless_as_saved(work, deviations(saved, work, hash_of(compiled.plan)), within, as_json=as_json)
    before = policy_in_force(tx)
    changes = carry_out_work(
        tx,
        compiled.plan,
        compiled.artifacts,
        work,
        lambda cadence, people: tell(f"{cadence}: {people:,} people", as_json=as_json),
        attachments=compiled.attachments,
    )
    if before is not None and (before.relays, before.limits) != (compiled.plan.policy.relays, compiled.plan.policy.limits):
        lay_out_anew(tx, before, compiled.plan.policy)
    return changes


def policy_in_force(tx: Tx) -> Policy | None:
    try:
        return live_rules(tx).policy
    except DatabaseError:  # nothing was applied yet
        return None


def tell(words: str, *, as_json: bool) -> None:
    """How far it has come, for who watches."""
    if not as_json and sys.stderr.isatty():
        click.echo(f"  {words}", err=True)


def read_saved(path: Path) -> dict[str, Any]:
    """Raises UsageError when it is not a plan that `handraiser plan --out` wrote."""
    wrong = UsageError(f"{path} is not a saved plan; make one with `handraiser plan --out {path}`")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise wrong from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise wrong
    return found


def stop_unless_as_saved(work: Work, found: Sequence[Deviation], within: int, *, as_json: bool) -> None:
    """Exits with status 1 where more differs than was allowed."""
    if not found:
        return
    people = sum(each.people for each in found)
    may_go_on = people <= within and all(each.people for each in found)
    if as_json and not may_go_on:
        print_json({"applied": False, "people": people, "differs": [each.words for each in found], **work.changes.as_plain()})
    elif not as_json:
        click.echo("\n".join(deviation_lines(found, people, within, may_go_on=may_go_on)), err=True)
    if not may_go_on:
        sys.exit(1)


def deviation_lines(found: Sequence[Deviation], people: int, within: int, *, may_go_on: bool) -> list[str]:
    end = "Applied all the same" if may_go_on else "Nothing was applied"
    told = [f"Since that plan was saved, something has changed. {end}."]
    told += [f"    {each.people:>7,}  {each.words}" if each.people else f"  {each.words}" for each in found[:MOST_SHOWN]]
    if len(found) > MOST_SHOWN:
        told.append(f"           … and {len(found) - MOST_SHOWN} more")
    if not may_go_on and all(each.people for each in found):
        told.append(f"Look at it with `handraiser plan`, or allow it: --within {people}")
    return told
