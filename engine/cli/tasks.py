"""`handraiser tasks`: what cadences ask of reps, and answering it from a terminal."""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import click
import sqlalchemy as sa

from engine.cli.handoffs import history_of, in_order, reached_at, shown
from engine.cli.opening import open_workspace
from engine.cli.options import NUMBER, json_option, print_json, workspace_option
from engine.database import Tx
from engine.errors import UsageError
from engine.schema import tasks
from engine.scoring.answers import TASKS, answer
from engine.scoring.answers import in_words as state_in_words
from engine.scoring.card import Card
from engine.story.words import in_words
from engine.vocabulary import Ask, TaskState

ANSWERS = {"done": TaskState.DONE, "drop": TaskState.NOT_NEEDED}


@click.command("tasks")
@click.argument("verb", type=click.Choice(["list", "show", *ANSWERS]), default="list")
@click.argument("number", type=NUMBER, required=False)
@click.option("--note", default="", help="A word for the lead's history.")
@click.option("--rep", help="Only those of this rep, by the key in assignment.yaml.")
@click.option("--all", "also_over", is_flag=True, help="List those that are over, too.")
@workspace_option
@json_option
def tasks_command(
    verb: str, number: int | None, note: str, rep: str | None, also_over: bool, workspace: Path, as_json: bool
) -> None:
    """List what cadences ask of reps, show one with all about the lead, or say that it is done or not needed by its NUMBER.

    \b
    Example:
      handraiser tasks --rep dana
      handraiser tasks show 12
      handraiser tasks done 12 --note "visit on Friday"
      handraiser tasks drop 12 --note "has ordered meanwhile"
    """
    if verb != "list" and number is None:
        raise UsageError(f"which one? `handraiser tasks` lists them; then: handraiser tasks {verb} NUMBER")
    _settings, database = open_workspace(workspace)
    if verb in ANSWERS and number is not None:
        with database.write() as tx:
            answer(tx, number, ANSWERS[verb], note=note)
    with database.read() as tx:
        found = listed(tx, rep=rep, also_over=also_over) if number is None else shown(tx, TASKS, number)
        now = tx.now
    if as_json:
        print_json([asdict(card) | {"overdue": is_overdue(card, now)} for card in found])
    elif verb == "show":
        click.echo("\n".join((*in_short(found[0], now), *history_of(found[0]))))
    else:
        click.echo("\n".join(line for card in found for line in in_short(card, now)) or "No rep is asked for anything.")


def listed(tx: Tx, *, rep: str | None, also_over: bool) -> list[Card]:
    """The tasks, the one that is due first on top."""
    chosen = sa.select(tasks.c.id).order_by(tasks.c.due_at, tasks.c.id)
    if not also_over:
        chosen = chosen.where(tasks.c.state == TaskState.OPEN)
    if rep is not None:
        chosen = chosen.where(tasks.c.rep == rep)
    return in_order(tx, Ask.TASK, tx.run(chosen).scalars().all())


def is_overdue(card: Card, now: datetime) -> bool:
    return card.state == TaskState.OPEN and card.answer_by < now


def in_short(card: Card, now: datetime) -> Iterator[str]:
    yield f"{card.number:>5}  {card.title}"
    yield f"       {stands(card, now)}, {card.rep.name if card.rep else 'nobody'}"
    yield f"       {card.who}{', ' + card.about if card.about else ''}; {reached_at(card)}"
    yield from (f"       {line}" for line in card.details.splitlines())


def stands(card: Card, now: datetime) -> str:
    due = f"{card.answer_by:%a %d %b %Y %H:%M}"
    if card.state == TaskState.OPEN:
        return f"OVERDUE since {due}" if is_overdue(card, now) else f"due {due}"
    why = f": {in_words(card.ended_for)}" if card.state == TaskState.DROPPED and card.ended_for else ""
    note = f": “{card.note}”" if card.note else ""
    return f"{state_in_words(card.state)}{why}{note}"
