"""`handraiser graph`: a cadence as a picture, for a document, a slide or a wiki."""

from pathlib import Path

import click
import sqlalchemy as sa

from engine.cli.opening import open_workspace
from engine.cli.options import json_option, print_json, workspace_option
from engine.cli.render import usable_plan
from engine.compiler.diagnostics import instead
from engine.compiler.workspace import Compiled, compile_workspace
from engine.database import Tx
from engine.errors import UsageError
from engine.graph.flow import Flow, as_plain, flow_of
from engine.graph.mermaid import mermaid_of
from engine.graph.svg import svg_of
from engine.render import library
from engine.schema import enrolments, touches
from engine.vocabulary import LIVE_ENROLMENT, OPEN_TOUCH
from engine.whole import write_whole


@click.command("graph")
@click.argument("cadence")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="The file to write. Default: to the terminal.")
@click.option("--mermaid", is_flag=True, help="Write a Mermaid flowchart instead of an SVG picture.")
@click.option("--live", is_flag=True, help="Show how many people stand at each step now.")
@workspace_option
@json_option
def graph_command(cadence: str, out: Path | None, mermaid: bool, live: bool, workspace: Path, as_json: bool) -> None:
    """Draw CADENCE as it stands in the workspace: its steps, its ways, what ends it at any time.

    \b
    Example:
      handraiser graph new-enquiry --live --out new-enquiry.svg
    """
    compiled = compile_workspace(workspace, render=library)
    flow = drawn(compiled, cadence, people_in(workspace, cadence) if live else None)
    if as_json:
        print_json(as_plain(flow))
        return
    picture = mermaid_of(flow) if mermaid else svg_of(flow)
    if out is None:
        click.echo(picture, nl=False)
        return
    write_whole(out, picture)
    click.echo(f"{out} shows {flow.about}.")


def drawn(compiled: Compiled, cadence: str, people: dict[str, int] | None) -> Flow:
    """Raises UsageError where the workspace has no such cadence."""
    plan = usable_plan(compiled)
    subjects = {digest: artifact.subject for digest, artifact in compiled.artifacts.items()}
    for one in plan.cadences:
        if one.name == cadence:
            return flow_of(one, subjects, people)
    raise UsageError(f"there is no cadence {cadence!r} in the workspace{instead(cadence, [one.name for one in plan.cadences])}")


def people_in(workspace: Path, cadence: str) -> dict[str, int]:
    _settings, database = open_workspace(workspace)
    with database.read() as tx:
        return people_at(tx, cadence)


def people_at(tx: Tx, cadence: str) -> dict[str, int]:
    """How many live passages of the cadence, of any version, stand at each step."""
    counted = (
        sa.select(touches.c.step_id, sa.func.count().label("people"))
        .join_from(enrolments, touches, touches.c.enrolment_id == enrolments.c.id)
        .where(enrolments.c.cadence == cadence, enrolments.c.state.in_(LIVE_ENROLMENT), touches.c.state.in_(OPEN_TOUCH))
        .group_by(touches.c.step_id)
    )
    return {row.step_id: int(row.people) for row in tx.run(counted)}
