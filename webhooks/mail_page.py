"""`GET /w/<token>`: a mail in the browser, for whoever's mail program does not show it well.

Whoever has the token has the mail. Its styles stand in its elements and its pictures on the web, so this page, and no other,
allows both; it still runs nothing. Before: the mail's footer. After: the reader's clicks come back as from the mail itself.
"""

from flask import Blueprint, Response, abort
from sqlalchemy.exc import SQLAlchemyError

from engine.deliver.again import print_again
from engine.errors import DatabaseError, RenderError
from engine.render.children import NotRendering
from webhooks.receiver import Receiver
from webhooks.unsubscribe import opened

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' https: http: data:; font-src https:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)


def pages(receiver: Receiver) -> Blueprint:
    blueprint = Blueprint("mail_page", __name__)

    @blueprint.get("/w/<token>")
    def show(token: str) -> Response:
        send = opened(receiver, token)
        try:
            with receiver.runtime.database.read() as tx:
                mail = print_again(tx, receiver.runtime, send.send_id)
        except (SQLAlchemyError, DatabaseError, NotRendering):
            abort(503)
        except RenderError:
            abort(404)
        if mail is None:
            abort(404)
        return Response(mail.html, mimetype="text/html", headers={"Content-Security-Policy": POLICY})

    return blueprint
