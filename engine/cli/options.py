"""What every command shares: `--workspace`, `--json`, and how counts and JSON are printed.

Before: `engine.cli.main` gathers the commands. After: each command calls the verbs and prints; those that need the database open
it with `engine.cli.opening`. The others, such as `check`, need not import what speaks to it.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])
NUMBER = click.IntRange(1, 2**63 - 1)  # of a row


def workspace_option(command: Command) -> Command:
    """`--workspace DIR`, handed over as `workspace: Path`."""
    return click.option(
        "--workspace",
        type=click.Path(path_type=Path, file_okay=False, exists=True),
        default=Path("."),
        help="The marketer's folder. Default: the current one.",
    )(command)


def threads_option(command: Command) -> Command:
    """`--threads N`, handed over as `threads: int`."""
    return click.option(
        "--threads",
        type=click.IntRange(2, 64),
        default=4,
        show_default=True,
        help="Threads for nurture; as many more serve awaited mail.",
    )(command)


def json_option(command: Command) -> Command:
    """`--json`, handed over as `as_json: bool`."""
    return click.option("--json", "as_json", is_flag=True, help="Print for a machine.")(command)


def counted(number: int, noun: str) -> str:
    """`1 test`, `1,200 tests`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def print_json(value: object) -> None:
    click.echo(json.dumps(value, indent=2, default=str, ensure_ascii=False))
