"""`handraiser up`: everything in one process."""

from pathlib import Path

import click

from engine.cli.opening import open_workspace
from engine.cli.options import threads_option, workspace_option
from engine.processes.assemble import begin_process
from engine.processes.up import run_up


@click.command("up")
@workspace_option
@threads_option
def up_command(workspace: Path, threads: int) -> None:
    """Run everything in one process: what is due is sent, replies and clicks are received.

    Until HANDRAISER_SMTP_URL is set, mail is captured in an outbox that a browser on this machine can read, and nothing is
    sent to anyone.

    \b
    Example:
      handraiser up
    """
    settings, database = open_workspace(workspace, may_be_new=True)
    run_up(settings, database, threads=threads, stop=begin_process(settings), say=click.echo)
