"""The page on which a rep answers a raised hand or a task, from the link in the mail. Only a POST changes anything.

Before: the mail to the rep, whose link is all that is needed to answer. After: `engine.scoring.answers`.
"""

from pathlib import Path

from flask import Blueprint, abort, redirect, render_template, request, send_from_directory, url_for
from flask.typing import ResponseReturnValue

from engine.errors import StaleError, TokenError
from engine.runtime import Runtime
from engine.scoring.answers import ANSWERS, LONGEST_NOTE, answer
from engine.scoring.card import Card, cards
from engine.story.words import in_words
from engine.versions import live_rules
from engine.vocabulary import Ask, HandoffState, TaskState
from webhooks.receiver import Receiver

State = HandoffState | TaskState
TEMPLATES = Path(__file__).parent / "templates"
# what may be answered, by how it stands; the likeliest first
BUTTONS: dict[State, tuple[tuple[State, str], ...]] = {
    HandoffState.RAISED: ((HandoffState.ACCEPTED, "I take it"), (HandoffState.DECLINED, "Not yet: back to nurture")),
    HandoffState.ACCEPTED: ((HandoffState.CLOSED, "Done, won or lost"), (HandoffState.DECLINED, "Not yet: back to nurture")),
    TaskState.OPEN: ((TaskState.DONE, "Done"), (TaskState.NOT_NEEDED, "Not needed")),
}


def pages(receiver: Receiver) -> Blueprint:
    blueprint, runtime = Blueprint("asks", __name__), receiver.runtime

    @blueprint.get("/h/style.css")
    def style() -> ResponseReturnValue:
        return send_from_directory(TEMPLATES, "ask.css", max_age=3600)

    @blueprint.get("/h/<token>")
    def show(token: str) -> ResponseReturnValue:
        return page(card_of(runtime, *opened(runtime, token)), is_late=False)

    @blueprint.post("/h/<token>")
    def change(token: str) -> ResponseReturnValue:
        ask, number = opened(runtime, token)
        chosen = chosen_answer(ask)
        card_of(runtime, ask, number)
        try:
            with runtime.database.write() as tx:
                answer(tx, number, chosen, note=request.form.get("note", ""))
        except StaleError:
            return page(card_of(runtime, ask, number), is_late=True), 409
        return redirect(url_for("asks.show", token=token), code=303)

    return blueprint


def opened(runtime: Runtime, token: str) -> tuple[Ask, int]:
    """What a link is for; anything that is not a link of ours does not exist."""
    try:
        return runtime.tokens.open_ask(token)
    except TokenError:
        abort(404)


def chosen_answer(ask: Ask) -> State:
    for state, (book, _after, _event) in ANSWERS.items():
        if book.ask == ask and request.form.get("answer") == state:
            return state
    abort(400, "Choose one of the buttons on the page.")


def card_of(runtime: Runtime, ask: Ask, number: int) -> Card:
    with runtime.database.read() as tx:
        found = cards(tx, live_rules(tx), ask, [number])
    if number not in found:
        abort(404)
    return found[number]


def page(card: Card, *, is_late: bool) -> str:
    return render_template(
        "ask.html",
        title=card.title or card.who,
        card=card,
        ended_for=in_words(card.ended_for) if card.ended_for else "the lead has left the cadence",
        buttons=BUTTONS.get(card.state, ()),
        is_late=is_late,
        longest_note=LONGEST_NOTE,
    )
