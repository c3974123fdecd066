"""The command `handraiser`: finds the commands in the files beside it and turns our errors into plain words.

Exit status: 0 done, 1 problems were found, 2 the command was called wrongly.
"""

import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module

import click

from engine import __version__
from engine.errors import HandraiserError, UsageError

COMMANDS = (
    "apply", "calendar", "catch-up", "check", "demo", "dispatcher", "dkim", "doctor", "enrol", "explain", "graph", "handoffs",
    "init", "leads", "pause", "plan", "preview", "render", "report", "resume", "schema", "sends", "set-aside", "simulate",
    "status", "tasks", "test", "up", "web", "webhooks", "worker",
)  # fmt: skip


class Commands(click.Group):
    """Reads a command's file when the command is called: who enrols a lead should not wait for a web server to be imported."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            if meant := get_close_matches(cmd_name, COMMANDS, n=1):
                ctx.fail(f"No such command {cmd_name!r}. Did you mean {meant[0]!r}?")
            return None
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(import_module(f"engine.cli.{name}"), f"{name}_command")
        return command


FORBIDDEN = "42501"  # PostgreSQL's insufficient_privilege
RIGHTS = "Its user makes the tables, so the database or its schema should be its own: ALTER DATABASE name OWNER TO user"


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
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


def main() -> None:
    """The entry point: no mistake of a user ends in a traceback."""
    try:
        require_letters(sys.argv[1:])
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
    except Exception as error:
        if (told := database_trouble(error)) is None:
            raise  # a mistake of ours, not of the server or the file
        click.echo(f"handraiser: {told}", err=True)
        sys.exit(1)


def require_letters(words: Sequence[str]) -> None:
    """Bytes that are no UTF-8 come as halves of letters, which neither a database nor a file of ours bears. Raises UsageError."""
    for word in words:
        shown = word.encode("utf-8", "replace").decode()
        if shown != word:
            raise UsageError(
                f"{shown!r} is not written in UTF-8 (? stands for what is not). Write it so, or give the file another name."
            )


def database_trouble(error: Exception) -> str | None:
    """In words, when it is the server or the file that fails; None for everything else."""
    known = sys.modules.get("sqlalchemy.exc")  # where nobody has imported it, no database has failed
    if known is None or not isinstance(error, known.DBAPIError):
        return None
    is_forbidden = getattr(error.orig, "sqlstate", None) == FORBIDDEN
    if type(error) not in (known.OperationalError, known.DatabaseError) and not is_forbidden:
        return None
    said = str(getattr(error, "orig", error)).partition("\n")[0].strip()
    if is_forbidden:
        return f"the database cannot be used: {said}. {RIGHTS}."
    where = "HANDRAISER_DATABASE_URL says where it is; without it, it is handraiser.db in the workspace"
    return f"the database cannot be used: {said}. {' '.join(getattr(error, '__notes__', ())) or where}."
