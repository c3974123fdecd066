"""`handraiser web`: receives what recipients, shops and mail systems say."""

from pathlib import Path

import click

from engine.cli.opening import open_workspace
from engine.cli.options import workspace_option
from engine.processes.assemble import begin_process
from engine.processes.up import run_web_alone


@click.command("web")
@workspace_option
def web_command(workspace: Path) -> None:
    """Receive clicks, opens, opt-outs, replies, bounces, and what shops and sites post. Several may run at once.

    \b
    Example:
      HANDRAISER_WEB_LISTEN=0.0.0.0:8025 handraiser web
    """
    settings, database = open_workspace(workspace, may_be_new=True)
    run_web_alone(settings, database, stop=begin_process(settings), say=click.echo)
