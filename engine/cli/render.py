"""`handraiser render`: one email as a person would get it, on the screen or in a file.

Before: the workspace compiles. After: the marketer reads it, or opens it in a browser.
"""

from pathlib import Path

import click

from engine.cli.options import json_option, print_json, workspace_option
from engine.compiler.diagnostics import closest
from engine.compiler.plan import WorkspacePlan
from engine.compiler.workspace import Compiled, compile_workspace
from engine.errors import UsageError, WorkspaceError
from engine.render import library
from engine.render.artifact import Artifact
from engine.render.fence import render
from engine.render.pictures import kept_pictures, with_pictures_inside
from engine.render.sample import sample_values


@click.command("render")
@click.argument("email")
@click.option("--brand", help="Another brand than the email's usual one.")
@click.option(
    "--sample", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Default: the email's own sample.yaml."
)
@click.option("--text", "form", flag_value="text", default=True, help="Print the text part, under its subject. The default.")
@click.option("--html", "form", flag_value="html", help="Print the HTML.")
@click.option("--source", "form", flag_value="source", help="Print the HTML before any person's values are in it.")
@workspace_option
@json_option
def render_command(email: str, brand: str | None, sample: Path | None, form: str, workspace: Path, as_json: bool) -> None:
    """Print one email, filled with its sample. Sends nothing.

    \b
    Example:
      handraiser render order-confirmation --html > preview.html
    """
    compiled = compile_workspace(workspace, render=library)
    plan = usable_plan(compiled)
    artifact = find_artifact(email, brand, compiled, plan)
    if form == "source":
        click.echo(artifact.html)
        return
    values = sample_values(artifact, sample or workspace / library.EMAILS / email / "sample.yaml", plan)
    rendered = render(artifact, values)
    html = with_pictures_inside(rendered.html, kept_pictures(artifact.pictures, compiled.attachments))
    if as_json:
        print_json({"email": email, "subject": rendered.subject, "text": rendered.text, "html": html})
        return
    click.echo(html if form == "html" else f"Subject: {rendered.subject}\n\n{rendered.text}")


def usable_plan(compiled: Compiled) -> WorkspacePlan:
    """Raises WorkspaceError with everything that is wrong."""
    if compiled.plan is None:
        raise WorkspaceError(
            "\n".join(["the workspace does not compile:", *map(str, compiled.diagnostics)]), compiled.diagnostics
        )
    return compiled.plan


def find_artifact(email: str, brand: str | None, compiled: Compiled, plan: WorkspacePlan) -> Artifact:
    """The email in that brand. Raises UsageError with the name that was probably meant."""
    if email not in plan.emails:
        close = closest(email, plan.emails)
        raise UsageError(f'there is no email "{email}"' + (f'; did you mean "{close}"?' if close else ""))
    wanted = brand or compiled.artifacts[plan.emails[email].plain].brand
    for artifact in compiled.artifacts.values():
        if (artifact.email, artifact.brand) == (email, wanted):
            return artifact
    raise UsageError(f'the email "{email}" is not sent in a brand "{wanted}"')
