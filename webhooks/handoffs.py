"""The page on which a rep answers a raised hand, from the link in the mail. Looking changes nothing; answering is a POST.

Before: the hand-off mail, whose link is all that is needed to answer. After: `engine.scoring.handoff.answer`.
"""

from pathlib import Path

from flask import Blueprint, abort, redirect, render_template, request, send_from_directory, url_for
from flask.typing import ResponseReturnValue

from engine.errors import StaleError, TokenError
from engine.runtime import Runtime
from engine.scoring.card import Card, cards
from engine.scoring.handoff import LONGEST_NOTE, answer
from engine.versions import live_rules
from engine.vocabulary import HandoffState
from webhooks.receiver import Receiver

TEMPLATES = Path(__file__).parent / "templates"
# what may be answered, by how it stands; the likeliest first
BUTTONS = {
    HandoffState.RAISED: ((HandoffState.ACCEPTED, "I take it"), (HandoffState.DECLINED, "Not yet: back to nurture")),
    HandoffState.ACCEPTED: ((HandoffState.CLOSED, "Done, won or lost"), (HandoffState.DECLINED, "Not yet: back to nurture")),
}


def pages(receiver: Receiver) -> Blueprint:
    blueprint, runtime = Blueprint("handoffs", __name__), receiver.runtime

    @blueprint.get("/h/style.css")
    def style() -> ResponseReturnValue:
        return send_from_directory(TEMPLATES, "handoff.css", max_age=3600)

    @blueprint.get("/h/<token>")
    def show(token: str) -> ResponseReturnValue:
        return page(card_of(runtime, opened(runtime, token)), is_late=False)

    @blueprint.post("/h/<token>")
    def change(token: str) -> ResponseReturnValue:
        handoff_id, chosen = opened(runtime, token), chosen_answer()
        card_of(runtime, handoff_id)
        try:
            with runtime.database.write() as tx:
                answer(tx, handoff_id, chosen, note=request.form.get("note", ""))
        except StaleError:
            return page(card_of(runtime, handoff_id), is_late=True), 409
        return redirect(url_for("handoffs.show", token=token), code=303)

    return blueprint


def opened(runtime: Runtime, token: str) -> int:
    """The hand-off that a link is for; anything that is not a link of ours does not exist."""
    try:
        return runtime.tokens.open_handoff(token)
    except TokenError:
        abort(404)


def chosen_answer() -> HandoffState:
    for state in (HandoffState.ACCEPTED, HandoffState.DECLINED, HandoffState.CLOSED):
        if request.form.get("answer") == state:
            return state
    abort(400, "Choose one of the buttons on the page.")


def card_of(runtime: Runtime, handoff_id: int) -> Card:
    with runtime.database.read() as tx:
        found = cards(tx, live_rules(tx), [handoff_id])
    if handoff_id not in found:
        abort(404)
    return found[handoff_id]


def page(card: Card, *, is_late: bool) -> str:
    buttons = BUTTONS.get(card.state, ())
    return render_template("handoff.html", title=card.who, card=card, buttons=buttons, is_late=is_late, longest_note=LONGEST_NOTE)
