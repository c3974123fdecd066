"""`handraiser status`: what goes out, what is due and how late, how the relays do, what needs a person."""

import sys
from dataclasses import asdict
from pathlib import Path
from time import monotonic, sleep

import click

from engine.cli.main import database_trouble
from engine.cli.opening import open_workspace
from engine.cli.options import json_option, print_json, workspace_option
from engine.cli.status_lines import Status, lines_of
from engine.database import Database
from engine.errors import UsageError
from engine.processes.glance import glance
from engine.processes.reach import broker_answers
from engine.processes.totals import Totals, totals
from engine.settings import Settings

WATCH_SECONDS = 2.0
TOTALS_SECONDS = 60.0  # they read whole tables
HOME_AND_CLEAR = "\x1b[H\x1b[J"


@click.command("status")
@click.option("--watch", is_flag=True, help="Stay, and draw it anew every two seconds; Ctrl-C ends it.")
@workspace_option
@json_option
def status_command(watch: bool, workspace: Path, as_json: bool) -> None:
    """Tell what goes out at this moment, what is due and how late, how the relays do, who works, and what needs a person.

    \b
    Example:
      handraiser status
      handraiser status --watch
    """
    if watch and as_json:
        raise UsageError("say --watch or --json; a machine that watches reads /metrics (docs/metrics.md)")
    settings, database = open_workspace(workspace)
    if watch:
        keep_watching(settings, database)
    else:
        found = look(settings, database, None)
        print_json(as_plain(found)) if as_json else click.echo("\n".join(lines_of(found)))


def keep_watching(settings: Settings, database: Database) -> None:
    known: Totals | None = None
    counted_at = float("-inf")
    try:
        while True:
            if monotonic() - counted_at > TOTALS_SECONDS:
                known, counted_at = None, monotonic()
            found, text = drawn(settings, database, known)
            known = found.totals if found else known
            click.echo((HOME_AND_CLEAR if sys.stdout.isatty() else "") + text)
            sleep(WATCH_SECONDS)
    except KeyboardInterrupt:
        return


def drawn(settings: Settings, database: Database, known: Totals | None) -> tuple[Status | None, str]:
    """A database that is away is told, and looked for again."""
    try:
        found = look(settings, database, known)
    except Exception as error:
        if (told := database_trouble(error)) is None:
            raise
        return None, told
    return found, "\n".join((f"{found.glance.standing.now:%a %d %b %H:%M:%S} UTC", "", *lines_of(found)))


def look(settings: Settings, database: Database, known: Totals | None) -> Status:
    """`known`: the counts of all there is, if they were counted only just now."""
    reached = broker_answers(settings.broker_url)
    with database.read() as tx:
        return Status(glance=glance(tx), totals=totals(tx) if known is None else known, broker_answers=reached)


def as_plain(found: Status) -> dict[str, object]:
    """For a machine: one level, but for what has several."""
    plain = asdict(found)
    seen = plain.pop("glance")
    return {**plain.pop("totals"), **seen.pop("standing"), **seen, **plain}
