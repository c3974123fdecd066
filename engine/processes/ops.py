"""One small HTTP port for operators in every process that runs: `/metrics`, `/live` and `/ready`. Nothing personal is told there.

Before: the process has started everything. After: Prometheus, a supervisor and people look. Without a setting it is port 8029 of
this machine, or any free one where a neighbour has that: several processes run on one host.
"""

import json
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from prometheus_client import REGISTRY, make_wsgi_app

from engine.errors import SettingsError
from engine.processes.gauges import Gauges
from engine.processes.health import Health
from engine.processes.serving import open_listener, serving_on
from engine.settings import Settings

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

SETTING = "OPS_LISTEN"
THREADS = 3  # one that hangs leaves two
ANY_PORT = "127.0.0.1:0"
Answer = tuple[int, dict[str, object]]
PHRASES = {200: "200 OK", 404: "404 Not Found", 503: "503 Service Unavailable"}


@contextmanager
def operating(settings: Settings, health: Health) -> Iterator[str | None]:
    """The address where operators are told, while the block lasts; None where the setting is `off`.

    Raises SettingsError when an address that was set cannot be listened on.
    """
    if settings.ops_listen is None:
        yield None
        return
    listener = open_port(settings.ops_listen, may_move=settings.ops_may_move)
    with serving_on(listener, create_ops(health), threads=THREADS) as address, registered(Gauges(health)):
        yield address


@contextmanager
def registered(gauges: Gauges) -> Iterator[None]:
    REGISTRY.register(gauges)
    try:
        yield
    finally:
        REGISTRY.unregister(gauges)


def open_port(listen: str, *, may_move: bool) -> socket.socket:
    try:
        return open_listener(listen, SETTING)
    except SettingsError:
        if not may_move:
            raise
    return open_listener(ANY_PORT, SETTING)


def create_ops(health: Health) -> "WSGIApplication":
    """The WSGI application. Whatever is asked is answered within a second, though what is asked about hangs."""
    metrics: WSGIApplication = make_wsgi_app()
    pages: dict[str, Callable[[], Answer]] = {"/live": lambda: live(health), "/ready": lambda: ready(health)}

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/metrics":
            return metrics(environ, start_response)
        status, facts = pages[path]() if path in pages else (404, {"there are": ["/metrics", *pages]})
        body = json.dumps(facts, ensure_ascii=False).encode() + b"\n"
        start_response(PHRASES[status], [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    return answer


def live(health: Health) -> Answer:
    because = health.why_not_live()
    return 503 if because else 200, {"live": not because, "because": because}


def ready(health: Health) -> Answer:
    because = health.why_not_ready()
    return 503 if because else 200, {"ready": not because, "because": because, **health.told_besides()}
