"""A mail that went out, once more as a page: what "read in the browser" shows.

Before: `webhooks.mail_page` opened the token. Printed anew from the same artifact with the lead's values of today.
"""

from engine.database import Tx
from engine.deliver.flights import spell_token, values_of
from engine.deliver.load import load_sent
from engine.render.fence import render
from engine.render.wire import Rendered
from engine.runtime import Runtime
from engine.versions import artifact, live_rules


def print_again(tx: Tx, runtime: Runtime, send_id: int) -> Rendered | None:
    """The mail; None when it never went out or was not made of a template. Raises RenderError, as when it was sent."""
    live = live_rules(tx)
    send = load_sent(tx, send_id, live)
    if send is None or send.artifact_hash is None:
        return None
    made = artifact(tx, send.artifact_hash)
    return render(made, values_of(runtime, live, send, made, spell_token(runtime, send)))
