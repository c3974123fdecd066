"""What every command shares: `--workspace`, `--json`, the settings and the database that go with a workspace.

Before: `engine.cli.main` gathers the commands. After: each command calls the verbs and prints.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from engine.database import Database
from engine.errors import UsageError
from engine.installation import require_same_key
from engine.migrations import upgrade
from engine.settings import Settings, read_settings
from engine.tokens import Tokens

Command = TypeVar("Command", bound=Callable[..., Any])


def workspace_option(command: Command) -> Command:
    """`--workspace DIR`, handed over as `workspace: Path`."""
    return click.option(
        "--workspace",
        type=click.Path(path_type=Path, file_okay=False, exists=True),
        default=Path("."),
        help="The marketer's folder. Default: the current one.",
    )(command)


def json_option(command: Command) -> Command:
    """`--json`, handed over as `as_json: bool`."""
    return click.option("--json", "as_json", is_flag=True, help="Print for a machine.")(command)


def open_workspace(workspace: Path) -> tuple[Settings, Database]:
    """The settings of a workspace and its database, brought up to the newest schema. Raises HandraiserError."""
    settings = read_settings(workspace)
    require_workspace(workspace, settings)
    database = Database.open(settings.database_url)
    prepare_database(settings, database)
    return settings, database


def require_workspace(workspace: Path, settings: Settings) -> None:
    """Raises UsageError where nothing of ours is and nothing is set, so that no database is left there by mistake."""
    database = workspace / "handraiser.db"
    is_local = settings.database_url == f"sqlite:///{database.absolute()}"
    if is_local and not settings.secret_keys and not database.exists() and not (workspace / "workspace.yaml").exists():
        raise UsageError(
            f"{workspace.absolute()} is no workspace: it has no workspace.yaml. Name one with --workspace, or make one: "
            "handraiser init my-workspace"
        )


def tokens_of(settings: Settings) -> Tokens:
    """Raises SettingsError when no secret key is set."""
    return Tokens(settings.require_secret())


def counted(number: int, noun: str) -> str:
    """`1 test`, `1,200 tests`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def print_json(value: object) -> None:
    click.echo(json.dumps(value, indent=2, default=str, ensure_ascii=False))


def prepare_database(settings: Settings, database: Database) -> None:
    """Bring the tables up to date and make sure that the database belongs to this secret key. Raises DatabaseError."""
    upgrade(database)
    if settings.secret_keys:
        with database.write() as tx:
            require_same_key(tx, tokens_of(settings))
