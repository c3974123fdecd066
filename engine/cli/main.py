"""The command `handraiser`: gathers the commands of the files beside it and turns our errors into plain words.

Exit status: 0 done, 1 problems were found, 2 the command was called wrongly.
"""

import sys

import click
import sqlalchemy as sa

from engine import __version__
from engine.cli.apply import apply_command
from engine.cli.check import check_command
from engine.cli.demo import demo_command
from engine.cli.dispatcher import dispatcher_command
from engine.cli.enrol import enrol_command
from engine.cli.explain import explain_command
from engine.cli.handoffs import handoffs_command
from engine.cli.init import init_command
from engine.cli.leads import leads_group
from engine.cli.plan import plan_command
from engine.cli.render import render_command
from engine.cli.report import report_command
from engine.cli.simulate import simulate_command
from engine.cli.status import status_command
from engine.cli.up import up_command
from engine.cli.web import web_command
from engine.cli.worker import worker_command
from engine.errors import HandraiserError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="handraiser")
def handraiser() -> None:
    """Nurture leads and confirm orders by email, from cadences written in YAML.

    \b
    A first walk:
      handraiser init my-workspace && cd my-workspace
      handraiser check
      handraiser apply
      handraiser up
    """


for command in (
    init_command,
    check_command,
    render_command,
    simulate_command,
    plan_command,
    apply_command,
    leads_group,
    enrol_command,
    explain_command,
    handoffs_command,
    status_command,
    report_command,
    up_command,
    dispatcher_command,
    worker_command,
    web_command,
    demo_command,
):
    handraiser.add_command(command)


def main() -> None:
    """The entry point: no mistake of a user ends in a traceback."""
    try:
        handraiser.main(prog_name="handraiser", standalone_mode=False)
    except HandraiserError as error:
        click.echo(f"handraiser: {error}", err=True)
        sys.exit(error.exit_status)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)
    except OSError as error:
        click.echo(f"handraiser: {error.filename or 'this'}: {error.strerror or error}", err=True)
        sys.exit(1)
    except sa.exc.DatabaseError as error:
        if type(error) not in (sa.exc.OperationalError, sa.exc.DatabaseError):
            raise  # a mistake of ours, not of the server or the file
        click.echo(f"handraiser: {database_trouble(error)}", err=True)
        sys.exit(1)


def database_trouble(error: sa.exc.DatabaseError) -> str:
    said = str(error.orig).partition("\n")[0].strip()
    where = "HANDRAISER_DATABASE_URL says where it is; without it, it is handraiser.db in the workspace"
    return f"the database cannot be used: {said}. {where}."
