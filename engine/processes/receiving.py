"""The receiver as a process runs it: the web app and the SMTP listener for replies, over one journal.

Before: `webhooks` made the app. After: events and reactions in SQL.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from engine.processes.serving import serving
from engine.runtime import Runtime
from webhooks.app import create_app
from webhooks.listener import start_listener
from webhooks.receiver import Receiver

THREADS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Reachable:
    """A running receiver, and where its web app is."""

    address: str
    receiver: Receiver


@contextmanager
def receiving(runtime: Runtime) -> Iterator[Reachable]:
    """The receiver, while the block lasts. Raises SettingsError when an address cannot be listened on."""
    with ExitStack() as stack:
        app = create_app(runtime)
        receiver: Receiver = app.extensions["receiver"]
        stack.callback(receiver.close)
        listener = start_listener(runtime, receiver.journal)
        stack.callback(listener.stop)
        address = stack.enter_context(serving(app, runtime.settings.web_listen, setting="WEB_LISTEN", threads=THREADS))
        yield Reachable(address=address, receiver=receiver)
