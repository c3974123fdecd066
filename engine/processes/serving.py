"""Serving a WSGI application from a thread of this process, and stopping it without cutting an answer short.

Before: somebody made the application. After: `up` and `web` run it while they last.
"""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import waitress
from waitress import wasyncore

from engine.errors import SettingsError

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

FLUSH_SECONDS = 0.2
DRAIN_SECONDS = 5


@contextmanager
def serving(app: "WSGIApplication", listen: str, *, setting: str, threads: int = 4) -> Iterator[str]:
    """The address it is served at, while the block lasts. Raises SettingsError naming `setting` when it cannot listen."""
    with serving_on(open_listener(listen, setting), app, threads=threads) as address:
        yield address


@contextmanager
def serving_on(listener: socket.socket, app: "WSGIApplication", *, threads: int) -> Iterator[str]:
    server = waitress.create_server(app, sockets=[listener], threads=threads, ident=None, clear_untrusted_proxy_headers=True)
    loop = threading.Thread(target=server.run, name="web", daemon=True)
    loop.start()
    host, port = listener.getsockname()[:2]
    try:
        yield f"http://{f'[{host}]' if ':' in host else host}:{port}"
    finally:
        stop_serving(server, loop)


def open_listener(listen: str, setting: str) -> socket.socket:
    host, _colon, port = listen.rpartition(":")  # as the settings were checked; an IPv6 host stands in brackets
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, int(port)), family=family, backlog=512)
    except OSError as error:
        raise SettingsError(
            f"HANDRAISER_{setting}: cannot listen on {listen} ({str(error.strerror).partition(' (while')[0]}). "
            "Perhaps another `handraiser` runs already; stop it, or set another address."
        ) from error


def stop_serving(server: Any, loop: threading.Thread) -> None:
    """Take no more connections, let running answers finish, then close. The server's own thread does the closing."""
    server.trigger.pull_trigger(lambda: wasyncore.dispatcher.close(server))
    server.task_dispatcher.shutdown(timeout=DRAIN_SECONDS)
    time.sleep(FLUSH_SECONDS)
    server.trigger.pull_trigger(lambda: wasyncore.close_all(server._map, ignore_all=True))
    loop.join(DRAIN_SECONDS)
