"""`handraiser check`: everything that is wrong with a workspace, at once, before anything is put into force.

Before: `engine.compiler.workspace` finds it. After: the marketer corrects it, or runs `handraiser apply`.
"""

import sys
from pathlib import Path

import click

from engine.cli.options import json_option, print_json, workspace_option
from engine.clock import HostClock
from engine.compiler.considered import OF_EMAILS, OF_EVENTS
from engine.compiler.diagnostics import TABLE, Diagnostic
from engine.compiler.workspace import Compiled, compile_workspace
from engine.render import library
from engine.settings import read_settings


@click.command("check")
@workspace_option
@json_option
def check_command(workspace: Path, as_json: bool) -> None:
    """Find every mistake in the workspace, with its file, line and column. Changes nothing.

    Exit status 1 when there are errors; warnings alone are fine. docs/diagnostics.md explains each code.

    \b
    Example:
      handraiser check --workspace my-workspace
    """
    compiled = compile_workspace(
        workspace, render=library, today=HostClock().now().date(), addressed=read_settings(workspace).relay_urls
    )
    print_json(as_plain(compiled)) if as_json else click.echo(in_words(compiled))
    if compiled.plan is None:
        sys.exit(1)


def as_plain(compiled: Compiled) -> dict[str, object]:
    """The findings and the size of the plan, for a machine. `cadences` and `emails` are null when there is no plan."""
    plan = compiled.plan
    return {
        "ok": plan is not None,
        "errors": sum(found.is_error for found in compiled.diagnostics),
        "warnings": sum(not found.is_error for found in compiled.diagnostics),
        "cadences": {cadence.name: len(cadence.steps) for cadence in plan.cadences} if plan else None,
        "emails": len(plan.emails) if plan else None,
        "diagnostics": [{**found.to_plain(), "advice": TABLE[found.code].advice} for found in compiled.diagnostics],
    }


def in_words(compiled: Compiled) -> str:
    """The findings one a line, what to do about each code, and a last line that counts."""
    blocks = []
    if compiled.diagnostics:
        blocks.append("\n".join(map(str, compiled.diagnostics)))
        blocks.append("\n".join(advice(compiled.diagnostics)))
    return "\n\n".join([*blocks, summary(compiled)])


def advice(diagnostics: tuple[Diagnostic, ...]) -> list[str]:
    codes = sorted({found.code for found in diagnostics})
    told = [f"{code}  {TABLE[code].title}. {TABLE[code].advice}" for code in codes]
    for where, some in (("in its email.yaml", OF_EMAILS), ("beside the event", OF_EVENTS)):
        if code := next((code for code in codes if code in some), None):
            told.append(f'What is meant so can be said {where}, with its reason: considered: {{{code}: "…"}}')
    return told


def summary(compiled: Compiled) -> str:
    errors = sum(found.is_error for found in compiled.diagnostics)
    warnings = len(compiled.diagnostics) - errors
    found = f"{counted(errors, 'error')}, {counted(warnings, 'warning')}"
    if compiled.plan is None:
        return found
    steps = sum(len(cadence.steps) for cadence in compiled.plan.cadences)
    size = [
        counted(len(compiled.plan.cadences), "cadence"),
        counted(steps, "step"),
        counted(len(compiled.plan.emails), "email"),
    ]
    return f"{', '.join(size)}: {found}"


def counted(count: int, what: str) -> str:
    return f"{count or 'no'} {what}{'' if count == 1 else 's'}"
