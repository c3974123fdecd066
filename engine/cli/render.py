"""`handraiser render`: one email as a person would get it, on the screen or in a file.

Before: the workspace compiles. After: the marketer reads it, or opens it in a browser.
"""

from pathlib import Path

import click

from engine.cli.options import json_option, print_json, workspace_option
from engine.compiler.copies import PLAIN, Copy, Version
from engine.compiler.diagnostics import closest
from engine.compiler.plan import EmailStep, WorkspacePlan
from engine.compiler.workspace import Compiled, compile_workspace
from engine.errors import UsageError, WorkspaceError
from engine.languages import FIELD
from engine.render import library
from engine.render.fence import render
from engine.render.pictures import kept_pictures, with_pictures_inside
from engine.render.sample import USUAL_SAMPLE, lead_of, read_sample, sample_file, sample_values
from engine.schedule.draw import pick


@click.command("render")
@click.argument("email")
@click.option("--brand", help="Another brand than the email's usual one.")
@click.option(
    "--lead",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A file like sample.yaml: print what that lead gets. Default: the plain files, with the email's own sample.yaml.",
)
@click.option("--language", help="Another language than the lead's.")
@click.option("--arm", help="Another arm than the lead draws; `plain` is the email's own files.")
@click.option("--text", "form", flag_value="text", default=True, help="Print the text part, under its subject. The default.")
@click.option("--html", "form", flag_value="html", help="Print the HTML.")
@click.option("--source", "form", flag_value="source", help="Print the HTML before any person's values are in it.")
@workspace_option
@json_option
def render_command(
    email: str,
    brand: str | None,
    lead: Path | None,
    language: str | None,
    arm: str | None,
    form: str,
    workspace: Path,
    as_json: bool,
) -> None:
    """Print one email, filled with its sample or for a lead of yours. Sends nothing.

    A lead in a file gets it in the language that its field `language` says, and in the arm that it draws by its key, or else its
    email.

    \b
    Examples:
      handraiser render order-confirmation --html > preview.html
      handraiser render order-confirmation --lead maya.yaml --language de
    """
    compiled = compile_workspace(workspace, render=library)
    plan = usable_plan(compiled)
    copy = find_copy(email, brand, compiled, plan)
    wanted = version_for(email, copy, lead, plan)
    version = chosen(copy, language or wanted.language, arm or wanted.arm)
    artifact = compiled.artifacts[version.artifact]
    tell_version(copy, version)
    if form == "source":
        click.echo(artifact.html)
        return
    values = sample_values(artifact, lead or workspace / sample_file(workspace, email, version.language, USUAL_SAMPLE), plan)
    rendered = render(artifact, values)
    html = with_pictures_inside(rendered.html, kept_pictures(artifact.pictures, compiled.attachments))
    if as_json:
        print_json(
            {
                "email": email,
                "language": version.language,
                "arm": version.arm,
                "subject": rendered.subject,
                "text": rendered.text,
                "html": html,
            }
        )
        return
    click.echo(html if form == "html" else f"Subject: {rendered.subject}\n\n{rendered.text}")


def usable_plan(compiled: Compiled) -> WorkspacePlan:
    """Raises WorkspaceError with everything that is wrong."""
    if compiled.plan is None:
        raise WorkspaceError(
            "\n".join(["the workspace does not compile:", *map(str, compiled.diagnostics)]), compiled.diagnostics
        )
    return compiled.plan


def find_copy(email: str, brand: str | None, compiled: Compiled, plan: WorkspacePlan) -> Copy:
    """The email in that brand. Raises UsageError with the name that was probably meant."""
    if email not in plan.emails:
        close = closest(email, plan.emails)
        raise UsageError(f'there is no email "{email}"' + (f'; did you mean "{close}"?' if close else ""))
    steps = (step for cadence in plan.cadences for step in cadence.steps if isinstance(step, EmailStep) and step.email == email)
    for copy in (plan.emails[email], *(step.copy for step in steps)):
        if brand in (None, compiled.artifacts[copy.plain].brand):
            return copy
    raise UsageError(f'the email "{email}" is not sent in a brand "{brand}"')


def version_for(email: str, copy: Copy, lead: Path | None, plan: WorkspacePlan) -> Version:
    """What this lead gets, if it never got the email before. Raises WorkspaceError for a file that cannot be read."""
    if lead is None:
        return copy.version(copy.language, PLAIN)
    written = read_sample(lead)
    try:
        fields = lead_of(written.get("lead", {}), plan.policy.lead_schema)
    except ValueError as error:
        raise WorkspaceError(f"{lead}: {error}") from error
    return pick(copy, email=email, lead_key=str(fields["key"] or fields["email"] or ""), language=fields.get(FIELD))


def chosen(copy: Copy, language: str, arm: str) -> Version:
    """Raises UsageError with what there is."""
    languages = sorted({version.language for version in copy.versions})
    arms = sorted({version.arm for version in copy.versions})
    if language not in languages:
        raise UsageError(f'there is no version in "{language}"; there is: {", ".join(languages)}')
    if arm not in arms:
        raise UsageError(f'there is no arm "{arm}"; there is: {", ".join(arms)}')
    return copy.version(language, arm)


def tell_version(copy: Copy, version: Version) -> None:
    """Beside what is printed, where there are several."""
    if len(copy.versions) > 1:
        click.echo(f"In the language {version.language}, the arm {version.arm}.", err=True)
