"""`handraiser plan`: what `apply` would change, and what becomes of everybody inside.

Before: the marketer has edited the workspace. After: `handraiser apply`, with the saved plan if it must be exactly this.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from engine.cli import check
from engine.cli.opening import open_workspace
from engine.cli.options import json_option, print_json, workspace_option
from engine.clock import HostClock
from engine.compiler.check_relays import UNADDRESSED
from engine.compiler.plan import hash_of
from engine.compiler.workspace import Compiled, compile_workspace
from engine.database import Tx
from engine.leads import Lead, load_leads
from engine.render import library
from engine.schedule.edited import Work, work_out
from engine.schedule.saved import as_saved
from engine.schedule.who import KINDS, Consequence, consequences, entries_of
from engine.schedule.wording import lines
from engine.scoring.card import name_of
from engine.settings import read_settings
from engine.story.held_back import held_back
from engine.story.words import entry_in_words
from engine.whole import write_whole

Named = tuple[Lead, str]  # a lead, and how it came in, as the row has it


@click.command("plan")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Keep the plan, for `apply FILE`.")
@click.option(
    "--who",
    is_flag=False,
    flag_value="",
    metavar="[STEP|KIND]",
    help=f"Name the people: all, those whom it means at one step, or those of one kind: {', '.join(KINDS)}.",
)
@click.option("--limit", default=10, show_default=True, type=click.IntRange(min=1), help="With --who: names for each line.")
@workspace_option
@json_option
def plan_command(out: Path | None, who: str | None, limit: int, workspace: Path, as_json: bool) -> None:
    """Show what `apply` would change, and what becomes of the people inside. Changes nothing.

    It tells who moves from which step to which, who would lose a mail or get one more, who would have got one twice and does not,
    and whose dates move, if nothing else happens to them.

    \b
    Example:
      handraiser plan --out tuesday.plan
      handraiser plan --who lost
    """
    compiled = compile_or_exit(workspace, as_json=as_json)
    assert compiled.plan is not None
    _settings, database = open_workspace(workspace, may_be_new=True)
    with database.read() as tx:
        work = work_out(tx, compiled.plan, compiled.artifacts)
        if out is not None:
            write_whole(out, json.dumps(as_saved(work, hash_of(compiled.plan), tx.now)))
        if who is None:
            paused = [f"(Now {held}.)" for held in held_back(tx)]
            print_json(work.changes.as_plain()) if as_json else click.echo("\n".join([*lines(work.changes), *paused]))
            return
        told = named(tx, work, who)
    print_json([as_plain(*each) for each in told]) if as_json else click.echo("\n".join(in_words(told, who, limit)))


def compile_or_exit(workspace: Path, *, as_json: bool) -> Compiled:
    """The compiled workspace; where it has errors, they are printed and the command ends with 1. A relay without an address
    is told as well; it is no error, since addresses may be set elsewhere.
    """
    compiled = compile_workspace(
        workspace, render=library, today=HostClock().now().date(), addressed=read_settings(workspace).relay_urls
    )
    if compiled.plan is None:
        print_json(check.as_plain(compiled)) if as_json else click.echo(check.in_words(compiled), err=True)
        sys.exit(1)
    if unaddressed := [str(found) for found in compiled.diagnostics if found.code == UNADDRESSED]:
        click.echo("\n".join([*unaddressed, ""]), err=True)
    return compiled


def named(tx: Tx, work: Work, wanted: str) -> list[tuple[Consequence, list[Named]]]:
    found = consequences(tx, work, wanted)
    people = load_leads(tx, {lead_id for each in found for lead_id in each.lead_ids})
    came_by = {cadence: entries_of(tx, cadence) for cadence in {each.cadence for each in found}}
    return [(each, [(people[lead_id], came_by[each.cadence][lead_id]) for lead_id in each.lead_ids]) for each in found]


def as_plain(consequence: Consequence, people: Sequence[Named]) -> dict[str, object]:
    return {
        "cadence": consequence.cadence,
        "kind": consequence.kind,
        "step": consequence.step,
        "what": consequence.words,
        "people": [{"key": lead.key, "name": name_of(lead), "came_in": entry_in_words(by)} for lead, by in people],
    }


def in_words(told: Sequence[tuple[Consequence, Sequence[Named]]], wanted: str, limit: int) -> Iterator[str]:
    if not told:
        yield f"Nobody: {wanted!r} is no step or kind that this edit has to do with." if wanted else "Nobody."
    for consequence, people in told:
        yield f"{consequence.cadence}: {len(people):,} {consequence.words}"
        for lead, by in people[:limit]:
            name = "" if name_of(lead) == lead.key else f"  {name_of(lead)}"
            yield f"    {lead.key}{name}, came in {entry_in_words(by)}"
        if len(people) > limit:
            yield f"    … and {len(people) - limit:,} more; --limit {len(people)} names them all"
