"""The web app: what recipients, shops, sites and mail systems reach.

Before: `engine.processes` makes a Runtime and serves what `create_app` returns with any WSGI server. After: what was said is in
the journal, or for `/api/events` in SQL. To add pages, add a function that makes their blueprint to `PAGES`.
"""

import logging
from collections.abc import Callable

from flask import Blueprint, Flask, Response, jsonify, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from engine.runtime import Runtime
from webhooks import api, asks, health, hooks, mail_page, unsubscribe
from webhooks.counted import counted
from webhooks.receiver import Receiver
from webhooks.tracking import tracking

log = logging.getLogger(__name__)
LARGEST_FORM = 64 * 1024  # of pages; what takes more says so itself
MACHINES_TALK = ("/api/", "/hooks/", "/health")  # they get their errors as JSON
PAGES: tuple[Callable[[Receiver], Blueprint], ...] = (
    unsubscribe.pages,
    mail_page.pages,
    asks.pages,
    hooks.pages,
    api.pages,
    health.pages,
)
SAID = {
    400: ("That did not arrive as it should", "Please go back and try again."),
    404: (
        "There is nothing here",
        "The address may be incomplete. Open the link in the mail once more, or copy the whole of it.",
    ),
    405: ("That is not possible here", "Open the link in the mail once more."),
    413: ("That was too much at once", "What you sent is larger than this page takes."),
    503: ("This is not possible just now", "Please try again in a minute. Nothing was changed."),
}
OUR_FAULT = (
    "Something went wrong on our side",
    "Please try again in a minute. If it does not help, answer the mail: we read it.",
)


def create_app(runtime: Runtime, receiver: Receiver | None = None) -> Flask:
    """The whole receiver. Without one given, a Receiver is made and begins to drain; it is in `app.extensions["receiver"]`.

    Whoever stops the server calls `app.extensions["receiver"].close()`.
    """
    if receiver is None:
        receiver = Receiver(runtime)
        receiver.start()
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_FORM
    app.config["MAX_FORM_PARTS"] = 50
    app.extensions["receiver"] = receiver
    for pages in PAGES:
        app.register_blueprint(pages(receiver))
    dress(app, receiver)
    app.wsgi_app = counted(tracking(app.wsgi_app, receiver))  # type: ignore[method-assign, assignment]
    return app


def dress(app: Flask, receiver: Receiver) -> None:
    """Every page looks like the brand, runs nothing, and is kept nowhere; every error is told in plain words."""

    @app.context_processor
    def look() -> dict[str, object]:
        return {"look": receiver.looks.now()}

    @app.after_request
    def protect(response: Response) -> Response:
        response.headers.setdefault("Content-Security-Policy", receiver.looks.now().policy)
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["X-Frame-Options"] = "DENY"
        response.headers["X-Robots-Tag"] = "noindex"
        return response

    @app.errorhandler(HTTPException)
    def explain(error: HTTPException) -> ResponseReturnValue:
        return explained(error.code or 500, error.description if error.code == 400 else None)

    @app.errorhandler(Exception)
    def excuse(error: Exception) -> ResponseReturnValue:
        log.error("a request failed", exc_info=error, extra={"facts": {"endpoint": request.endpoint}})
        return explained(500, None)


def explained(code: int, why: str | None) -> ResponseReturnValue:
    title, text = SAID.get(code, OUR_FAULT if code >= 500 else SAID[400])
    if request.path.startswith(MACHINES_TALK):
        return jsonify(error=why or title), code
    return render_template("message.html", title=title, text=text), code
