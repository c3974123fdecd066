"""The real receiver, on this machine's loopback, living in a world's virtual time. For the demo.

Before: the world's runtime. After: recipients reach it over HTTP and SMTP (`engine.simulate.over_wire`); what they said is moved
to SQL when the world says so, not by a thread, so that a run is the same every time.
"""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from engine.clock import VirtualClock
from engine.processes.serving import serving
from engine.runtime import Runtime
from webhooks.app import create_app
from webhooks.drainer import Patience
from webhooks.listener import start_listener
from webhooks.receiver import Receiver

AT_ONCE = Patience(settle=timedelta(0), click_hold=timedelta(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reception:
    """Where it listens."""

    web_port: int
    reply_port: int

    @classmethod
    def free(cls) -> "Reception":
        """On two ports that nobody uses now."""
        with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
            return cls(web_port=one.getsockname()[1], reply_port=other.getsockname()[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.web_port}"

    @property
    def settings(self) -> dict[str, str]:
        return {
            "HANDRAISER_PUBLIC_URL": self.url,
            "HANDRAISER_WEB_LISTEN": f"127.0.0.1:{self.web_port}",
            "HANDRAISER_REPLY_LISTEN": f"127.0.0.1:{self.reply_port}",
        }


@contextmanager
def receiving(runtime: Runtime, clock: VirtualClock) -> Iterator[Callable[[], None]]:
    """Listen while the block lasts; the function that is handed over moves all that was said to SQL."""
    receiver = Receiver(runtime, clock=clock, patience=AT_ONCE)
    listener = start_listener(runtime, receiver.journal, clock=clock)

    def drain() -> None:
        while receiver.drainer.drain():
            pass

    try:
        with serving(create_app(runtime, receiver), runtime.settings.web_listen, setting="WEB_LISTEN"):
            yield drain
    finally:
        listener.stop()
        receiver.close()
