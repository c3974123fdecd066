"""`handraiser leads`: bringing people in and looking them up."""

from pathlib import Path

import click

from engine.cli.opening import open_workspace, tokens_of
from engine.cli.options import counted, json_option, print_json, workspace_option
from engine.leadfile.bring_in import Imported, import_leads
from engine.leadfile.map import read_map
from engine.versions import live_rules


@click.group("leads")
def leads_command() -> None:
    """Import leads from a file."""


@leads_command.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--map", "map_file", type=click.Path(path_type=Path), required=True, help="Which column fills which field.")
@workspace_option
@json_option
def import_command(file: Path, map_file: Path, workspace: Path, as_json: bool) -> None:
    """Bring in the leads of a CSV FILE. Safe to repeat: a lead is recognised by its key.

    Rows that cannot be used go to a file beside it, enquiries.rejects.csv, with the reason; all others come in.

    \b
    Example:
      handraiser leads import enquiries.csv --map enquiries.map.yaml
    """
    settings, database = open_workspace(workspace, may_be_new=True)
    tokens = tokens_of(settings)
    with database.read() as tx:
        policy = live_rules(tx).policy
    lead_map = read_map(map_file, policy.lead_schema, tuple(policy.topics))
    total = count_lines(file)
    with click.progressbar(length=total, label=file.name, hidden=as_json) as bar:
        done = import_leads(database, tokens, file, lead_map, progress=bar.update)
    print_json(as_plain(done)) if as_json else click.echo(in_words(done))
    if done.rejected:
        raise SystemExit(1)


def count_lines(file: Path) -> int:
    """About how many rows there are, for the progress bar alone."""
    try:
        with file.open("rb") as opened:
            return max(sum(block.count(b"\n") for block in iter(lambda: opened.read(1 << 20), b"")) - 1, 1)
    except OSError:
        return 1  # the import itself says what is wrong


def as_plain(done: Imported) -> dict[str, object]:
    return {
        "rows": done.rows,
        "added": done.added,
        "known": done.known,
        "unpacked": done.unpacked,
        "do_not_email": done.do_not_email,
        "do_not_call": done.do_not_call,
        "without_address": done.without_address,
        "rejected": done.rejected,
        "rejects_file": str(done.rejects_file) if done.rejects_file else None,
        "problems": dict(done.problems),
    }


def in_words(done: Imported) -> str:
    rows, added = counted(done.rows, "row"), counted(done.added, "lead")
    lines = [f"{rows}: {added} added, {done.known:,} known already, {done.rejected:,} rejected."]
    if done.unpacked:
        lines.append(f"{done.unpacked:,} rows were one quoted field that held a whole row; they were unpacked.")
    if done.do_not_email:
        lines.append(f"{done.do_not_email:,} said “do not email”: no marketing mail goes to them.")
    if done.do_not_call:
        lines.append(f"{done.do_not_call:,} said “do not call”: reps are told.")
    if done.without_address:
        lines.append(f"{done.without_address:,} have no email address: they cannot be mailed.")
    for problem, count in done.problems.most_common(5):
        lines.append(f"  rejected {count:,}×: {problem}")
    if done.rejects_file:
        lines.append(f"The rejected rows and their reasons are in {done.rejects_file}.")
    return "\n".join(lines)
