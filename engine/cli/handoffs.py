"""`handraiser handoffs`: the raised hands, and answering one from a terminal."""

from pathlib import Path

import click
import sqlalchemy as sa

from engine.cli.options import json_option, open_workspace, print_json, workspace_option
from engine.database import Tx
from engine.errors import UsageError
from engine.leads import load_leads
from engine.schema import handoffs
from engine.scoring.handoff import answer
from engine.scoring.notice import name_of
from engine.vocabulary import OPEN_HANDOFF, HandoffState

ANSWERS = {"accept": HandoffState.ACCEPTED, "decline": HandoffState.DECLINED, "close": HandoffState.CLOSED}


@click.command("handoffs")
@click.argument("verb", type=click.Choice(["list", *ANSWERS]), default="list")
@click.argument("number", type=int, required=False)
@click.option("--note", default="", help="A word for the lead's history.")
@click.option("--all", "also_answered", is_flag=True, help="List the answered ones too.")
@workspace_option
@json_option
def handoffs_command(verb: str, number: int | None, note: str, also_answered: bool, workspace: Path, as_json: bool) -> None:
    """List the raised hands, or answer one by its NUMBER.

    \b
    Example:
      handraiser handoffs
      handraiser handoffs accept 12
      handraiser handoffs decline 12 --note "moves offices in spring"
    """
    _settings, database = open_workspace(workspace)
    if verb == "list":
        with database.read() as tx:
            rows = list_handoffs(tx, also_answered=also_answered)
        print_json(rows) if as_json else click.echo(in_words(rows))
        return
    if number is None:
        raise UsageError(f"which one? `handraiser handoffs` lists them; then: handraiser handoffs {verb} NUMBER")
    with database.write() as tx:
        answer(tx, number, ANSWERS[verb], note=note)
    click.echo(f"Hand-off {number} is {ANSWERS[verb]}.")


def list_handoffs(tx: Tx, *, also_answered: bool) -> list[dict[str, object]]:
    """The hand-offs, the one to answer first on top."""
    chosen = sa.select(handoffs).order_by(handoffs.c.answer_by)
    if not also_answered:
        chosen = chosen.where(handoffs.c.state.in_(OPEN_HANDOFF))
    rows = tx.run(chosen).all()
    people = load_leads(tx, {row.lead_id for row in rows})
    return [
        {
            "number": row.id,
            "lead": name_of(people[row.lead_id]),
            "rep": row.rep,
            "state": row.state,
            "points": row.points,
            "raised_at": row.raised_at,
            "answer_by": row.answer_by,
            "reasons": [f"{reason['because']} ({reason['points']:+g})" for reason in row.reasons],
            "note": row.note,
        }
        for row in rows
    ]


def in_words(rows: list[dict[str, object]]) -> str:
    if not rows:
        return "No hand is raised."
    lines = []
    for row in rows:
        reasons = row["reasons"]
        assert isinstance(reasons, list)
        lines.append(f"{row['number']:>5}  {row['lead']}  ({row['points']:g} points)  {row['state']}, {row['rep']}")
        lines.append(f"       {'; '.join(reasons[:4])}")
    return "\n".join(lines)
