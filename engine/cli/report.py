"""`handraiser report`: what has gone out and come back so far, to read and to show around."""

from pathlib import Path

import click

from engine.cli.opening import open_workspace
from engine.cli.options import json_option, print_json, workspace_option
from engine.cli.simulated import as_plain, totals_in_words
from engine.simulate.tally import in_words, tally


@click.command("report")
@workspace_option
@json_option
def report_command(workspace: Path, as_json: bool) -> None:
    """Mails by month, what came back, where the leads stand, whose hands are raised and why, and each step's numbers.

    \b
    Example:
      handraiser report
    """
    _settings, database = open_workspace(workspace)
    with database.read() as tx:
        told = tally(tx)
    print_json(as_plain(told)) if as_json else click.echo(in_words(told) + "\n\n" + totals_in_words(told.totals))
