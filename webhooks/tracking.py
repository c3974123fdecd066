"""Opens and clicks, answered in front of Flask: from the token, the link tables in memory and the local journal, never from SQL.

    GET /o/<token>              a pixel
    GET /c/<token>/<n>          to where link n of that mail leads
    GET /p/<token>/<n>/<sealed> to the personal target that the link itself carries

Whatever is not exactly that goes on to Flask, which knows none of these and answers 404: nobody is ever sent to a place that did
not come from us.
"""

import re
from base64 import b64decode
from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from werkzeug.urls import iri_to_uri

from engine.errors import TokenError
from engine.tokens import SendToken, from_url
from webhooks.entries import LONGEST_AGENT, Fetched, new_key
from webhooks.receiver import Receiver

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
App = Callable[[Environ, StartResponse], Iterable[bytes]]
Headers = list[tuple[str, str]]
Answer = tuple[str, Headers, bytes]

TOKEN = r"([A-Za-z0-9_-]{51})"
PIXEL = re.compile(rf"/o/{TOKEN}\Z", re.ASCII)
LINK = re.compile(rf"/c/{TOKEN}/(0|[1-9][0-9]{{0,3}})\Z", re.ASCII)
PERSONAL_LINK = re.compile(rf"/p/{TOKEN}/(0|[1-9][0-9]{{0,3}})/([A-Za-z0-9_-]{{1,4000}})\Z", re.ASCII)
WEB_ADDRESS = re.compile(r"https?://[^\s\\\x00-\x1f\x7f]+\Z", re.IGNORECASE)
GIF = b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
NEVER_KEPT: Headers = [
    ("Cache-Control", "no-store"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Robots-Tag", "noindex"),
]
LATER: Answer = (
    "503 Service Unavailable",
    [*NEVER_KEPT, ("Content-Type", "text/plain; charset=utf-8"), ("Retry-After", "30")],
    b"This link cannot be looked up just now. Please try again in a minute.\n",
)


def tracking(app: App, receiver: Receiver) -> App:
    """The WSGI app that answers opens and clicks itself and hands everything else to `app`."""

    def answer(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        found = answer_to(environ, receiver)
        if found is None:
            return app(environ, start_response)
        status, headers, body = found
        start_response(status, [*headers, ("Content-Length", str(len(body)))])
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]

    return answer


def answer_to(environ: Environ, receiver: Receiver) -> Answer | None:
    """None when this is not one of ours, or was tampered with."""
    if environ.get("REQUEST_METHOD") not in ("GET", "HEAD"):
        return None
    path = environ.get("PATH_INFO", "")
    try:
        if found := PIXEL.match(path):
            return pixel(environ, receiver, opened(receiver, found[1]))
        if found := LINK.match(path):
            return link(environ, receiver, opened(receiver, found[1]), int(found[2]))
        if found := PERSONAL_LINK.match(path):
            return personal_link(environ, receiver, opened(receiver, found[1]), int(found[2]), found[3])
    except (TokenError, UnicodeError):
        return None
    except SQLAlchemyError:
        return LATER
    return None


def pixel(environ: Environ, receiver: Receiver, token: SendToken) -> Answer:
    receiver.keep_if_possible(fetched(environ, receiver, token, None))
    return "200 OK", [*NEVER_KEPT, ("Content-Type", "image/gif")], GIF


def link(environ: Environ, receiver: Receiver, token: SendToken, number: int) -> Answer | None:
    table = receiver.links.find(token.link_table_id)
    target = table[number].target if table is not None and number < len(table) else None
    return None if target is None else redirect(environ, receiver, token, number, target)


def personal_link(environ: Environ, receiver: Receiver, token: SendToken, number: int, sealed: str) -> Answer | None:
    return redirect(environ, receiver, token, number, receiver.runtime.tokens.open_target(sealed))


def redirect(environ: Environ, receiver: Receiver, token: SendToken, number: int, target: str) -> Answer | None:
    if not WEB_ADDRESS.match(target):
        return None
    location = iri_to_uri(target)
    receiver.keep_if_possible(fetched(environ, receiver, token, number))
    return "302 Found", [*NEVER_KEPT, ("Content-Type", "text/plain; charset=utf-8"), ("Location", location)], b""


def fetched(environ: Environ, receiver: Receiver, token: SendToken, number: int | None) -> Fetched:
    purposes = (environ.get(name, "") for name in ("HTTP_SEC_PURPOSE", "HTTP_PURPOSE", "HTTP_X_PURPOSE", "HTTP_X_MOZ"))
    said = " ".join(purposes).lower()
    return Fetched(
        key=new_key(),
        at=receiver.clock.now(),
        send_id=token.send_id,
        link_table_id=token.link_table_id,
        link=number,
        method=environ["REQUEST_METHOD"],
        agent=environ.get("HTTP_USER_AGENT", "")[:LONGEST_AGENT],
        prefetch="prefetch" in said or "preview" in said,
    )


def opened(receiver: Receiver, text: str) -> SendToken:
    """Raises TokenError."""
    return receiver.runtime.tokens.open(from_url(text))
