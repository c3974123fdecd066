"""`handraiser worker`: carries out what a dispatcher published."""

from pathlib import Path

import click

from engine.cli.opening import open_workspace
from engine.cli.options import threads_option, workspace_option
from engine.core import NoCoreError, keep_to_core
from engine.processes.assemble import begin_process
from engine.processes.up import run_worker_alone


@click.command("worker")
@workspace_option
@threads_option
@click.option(
    "--core",
    type=click.IntRange(0),
    metavar="N",
    help="Keep to this processor core, from 0. For a core that no other worker has.",
)
def worker_command(workspace: Path, threads: int, core: int | None) -> None:
    """Take jobs from the broker and do them: decide steps, send mail, react to events. Several may run at once.

    \b
    Example:
      HANDRAISER_BROKER_URL=redis://localhost/0 handraiser worker
    """
    if core is not None:
        try:
            keep_to_core(core)
        except NoCoreError as error:
            raise click.BadParameter(str(error), param_hint="--core") from error
    settings, database = open_workspace(workspace, may_be_new=True)
    run_worker_alone(settings, database, threads=threads, stop=begin_process(settings), say=click.echo)
