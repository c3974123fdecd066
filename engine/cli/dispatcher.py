"""`handraiser dispatcher`: publishes what is due, for workers elsewhere."""

from pathlib import Path

import click

from engine.cli.opening import open_workspace
from engine.cli.options import workspace_option
from engine.processes.assemble import begin_process
from engine.processes.up import run_dispatcher_alone


@click.command("dispatcher")
@workspace_option
def dispatcher_command(workspace: Path) -> None:
    """Publish what is due to the broker. Several may run at once.

    \b
    Example:
      HANDRAISER_BROKER_URL=redis://localhost/0 handraiser dispatcher
    """
    settings, database = open_workspace(workspace, may_be_new=True)
    run_dispatcher_alone(settings, database, stop=begin_process(settings), say=click.echo)
