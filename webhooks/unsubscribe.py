"""The way out: a page with a button, and the POST behind it, which mail programs also send by themselves (RFC 8058).

Looking changes nothing; scanners look. The POST needs no cookie and no login, redirects nowhere, and is on the disk before it is
answered. Before: a mail's `List-Unsubscribe` or its footer. After: an event that stops mail in the transaction that records it.
"""

from datetime import datetime

import sqlalchemy as sa
from flask import Blueprint, abort, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import BadRequest

from engine.errors import TokenError
from engine.schema import sends
from engine.tokens import SendToken, from_url
from webhooks.entries import Choice, OptedOut, new_key
from webhooks.journal import JournalError
from webhooks.receiver import Receiver


def pages(receiver: Receiver) -> Blueprint:
    blueprint = Blueprint("unsubscribe", __name__)

    @blueprint.get("/u/<token>")
    def offer(token: str) -> ResponseReturnValue:
        topic = topic_of(receiver, opened(receiver, token))
        return render_template("unsubscribe.html", title="Unsubscribe", topic=topic)

    @blueprint.post("/u/<token>")
    def opt_out(token: str) -> ResponseReturnValue:
        send = opened(receiver, token)
        scope = chosen_scope()
        try:
            receiver.keep(opted_out(send, receiver.clock.now(), scope))
        except JournalError:
            abort(503)
        topic = topic_of(receiver, send) if scope == "topic" else None
        return render_template("unsubscribed.html", title="You are unsubscribed", scope=scope, topic=topic)

    return blueprint


def opted_out(send: SendToken, at: datetime, scope: Choice) -> OptedOut:
    return OptedOut(key=new_key(), at=at, send_id=send.send_id, address_key=send.address_key, scope=scope)


def chosen_scope() -> Choice:
    """What the button said. A mail program's one click means the list of that mail, and so does a body we cannot read."""
    try:
        return "marketing" if request.form.get("scope") == "marketing" else "topic"
    except BadRequest:
        return "topic"


def opened(receiver: Receiver, text: str) -> SendToken:
    try:
        return receiver.runtime.tokens.open(from_url(text))
    except TokenError:
        abort(404)


def topic_of(receiver: Receiver, token: SendToken) -> str | None:
    """The title of the topic of that mail; empty when it cannot be looked up now, None when the mail had none."""
    if not receiver.drainer.database_answers:
        return ""
    try:
        with receiver.runtime.database.read() as tx:
            row = tx.run(sa.select(sends.c.topic).where(sends.c.id == token.send_id)).first()
    except SQLAlchemyError:
        return ""
    if row is None:
        return ""
    return None if row.topic is None else receiver.looks.now().topics.get(row.topic, "")
