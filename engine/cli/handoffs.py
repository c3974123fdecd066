"""`handraiser handoffs`: the raised hands, and answering one from a terminal."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import click
import sqlalchemy as sa

from engine.cli.opening import open_workspace
from engine.cli.options import NUMBER, json_option, print_json, workspace_option
from engine.database import Tx
from engine.errors import UsageError
from engine.schema import handoffs
from engine.scoring.answers import HANDOFFS, Book, answer
from engine.scoring.card import Card, cards
from engine.versions import live_rules
from engine.vocabulary import OPEN_HANDOFF, Ask, HandoffState

ANSWERS = {"accept": HandoffState.ACCEPTED, "decline": HandoffState.DECLINED, "close": HandoffState.CLOSED}


@click.command("handoffs")
@click.argument("verb", type=click.Choice(["list", "show", *ANSWERS]), default="list")
@click.argument("number", type=NUMBER, required=False)
@click.option("--note", default="", help="A word for the lead's history.")
@click.option("--all", "also_answered", is_flag=True, help="List the answered ones too.")
@workspace_option
@json_option
def handoffs_command(verb: str, number: int | None, note: str, also_answered: bool, workspace: Path, as_json: bool) -> None:
    """List the raised hands, show one with its whole history, or answer one by its NUMBER.

    \b
    Example:
      handraiser handoffs
      handraiser handoffs show 12
      handraiser handoffs accept 12
      handraiser handoffs decline 12 --note "moves offices in spring"
    """
    if verb != "list" and number is None:
        raise UsageError(f"which one? `handraiser handoffs` lists them; then: handraiser handoffs {verb} NUMBER")
    _settings, database = open_workspace(workspace)
    if verb in ANSWERS and number is not None:
        with database.write() as tx:
            answer(tx, number, ANSWERS[verb], note=note)
    with database.read() as tx:
        found = listed(tx, also_answered=also_answered) if number is None else shown(tx, HANDOFFS, number)
        late = {card.number for card in found if card.state == HandoffState.RAISED and card.answer_by < tx.now}
    if as_json:
        print_json([asdict(card) for card in found])
    elif verb == "show":
        click.echo("\n".join(whole(found[0])))
    else:
        click.echo("\n".join(line for card in found for line in in_short(card, card.number in late)) or "No hand is raised.")


def listed(tx: Tx, *, also_answered: bool) -> list[Card]:
    """The hand-offs, the one to answer first on top."""
    chosen = sa.select(handoffs.c.id).order_by(handoffs.c.answer_by, handoffs.c.id)
    if not also_answered:
        chosen = chosen.where(handoffs.c.state.in_(OPEN_HANDOFF))
    return in_order(tx, Ask.HANDOFF, tx.run(chosen).scalars().all())


def in_order(tx: Tx, ask: Ask, numbers: Sequence[int]) -> list[Card]:
    found = cards(tx, live_rules(tx), ask, numbers)
    return [found[number] for number in numbers]


def shown(tx: Tx, book: Book, number: int) -> list[Card]:
    found = cards(tx, live_rules(tx), book.ask, [number])
    if number not in found:
        raise book.has_no(number)
    return [found[number]]


def in_short(card: Card, is_late: bool) -> Iterator[str]:
    rep = card.rep.name if card.rep else "nobody"
    until = f", LATE since {card.answer_by:%a %d %b %H:%M}" if is_late else f", until {card.answer_by:%a %d %b %H:%M}"
    yield f"{card.number:>5}  {card.who}{', ' + card.about if card.about else ''}"
    yield f"       {card.state}, {rep}{until if card.state == HandoffState.RAISED else ''}"
    yield f"       {card.points} points: " + "; ".join(f"{reason.words} ({reason.points})" for reason in card.reasons[:4])


def whole(card: Card) -> Iterator[str]:
    yield from in_short(card, is_late=False)
    yield f"       {reached_at(card)}"
    yield from history_of(card)


def reached_at(card: Card) -> str:
    return f"{card.email or 'no email'}, {card.phone or 'no phone'}{'' if card.may_call else ', DO NOT CALL'}"


def history_of(card: Card) -> Iterator[str]:
    yield from ("", *(f"  {entry.at:%d %b %Y %H:%M}  {entry.line}" for entry in card.history))
