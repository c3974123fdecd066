"""The receiver as a process runs it: the web app and the SMTP listener for replies, over one journal.

Before: `webhooks` made the app. After: events and reactions in SQL; one that a shop posts is published at once, so that the
confirmation does not wait for the dispatcher's next look.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from flask import Flask, Response, request

from engine.processes.dispatcher import dispatch_at_once
from engine.processes.lanes import REACTIONS, PublishJob
from engine.processes.serving import serving
from engine.runtime import Runtime
from webhooks.app import create_app
from webhooks.listener import start_listener
from webhooks.receiver import Receiver

THREADS = 8
POSTED = "/api/events"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reachable:
    """A running receiver, and where its web app is."""

    address: str
    receiver: Receiver


@contextmanager
def receiving(runtime: Runtime, publish: PublishJob) -> Iterator[Reachable]:
    """The receiver, while the block lasts. Raises SettingsError when an address cannot be listened on."""
    with ExitStack() as stack:
        app = create_app(runtime)
        receiver: Receiver = app.extensions["receiver"]
        stack.callback(receiver.close)
        after_posts(app, lambda: dispatch_at_once(runtime.database, publish, REACTIONS, lease=runtime.settings.queue_lease))
        listener = start_listener(runtime, receiver.journal)
        stack.callback(listener.stop)
        address = stack.enter_context(serving(app, runtime.settings.web_listen, setting="WEB_LISTEN", threads=THREADS))
        yield Reachable(address=address, receiver=receiver)


def after_posts(app: Flask, look: Callable[[], object]) -> None:
    """Have `look` called once the answer to a posted event has been sent."""

    def follow(answer: Response) -> Response:
        if request.path == POSTED and answer.status_code < 300:
            answer.call_on_close(look)
        return answer

    app.after_request(follow)
