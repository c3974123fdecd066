"""Counts and times the receiver's requests for operators, by page and status, in front of everything else.

Before: the web server. After: `webhooks.tracking`, then Flask. A page is known by how its path begins; tokens are no label.
"""

from collections.abc import Callable, Iterable
from time import perf_counter
from typing import Any

from engine.metrics import request_seconds, requests

Environ = dict[str, Any]
App = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]
PAGES = {
    "o": "open", "c": "click", "p": "click", "w": "mail", "u": "unsubscribe", "h": "ask",
    "hooks": "mail_in", "api": "event", "health": "health",
}  # fmt: skip


def counted(app: App) -> App:
    """The same WSGI app, with its requests counted. Timed until the answer begins, which is all that pages here take."""

    def answer(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        began = perf_counter()
        page = PAGES.get(environ.get("PATH_INFO", "").strip("/").partition("/")[0], "other")

        def start(status: str, *rest: Any) -> Any:
            requests(page, status[:3]).inc()
            request_seconds(page).observe(perf_counter() - began)
            return start_response(status, *rest)

        return app(environ, start)

    return answer
