"""Writes the mail of a claimed send where it is asked for: what cannot be written is better known before it is promised.

Before: `engine.deliver.transactional` asked for the mail. After: its message is kept, and whoever delivers it has only to send
it; or `webhooks.api` tells the shop what its data lack.
"""

from engine.claim import Claim
from engine.database import Tx
from engine.deliver.flights import UNWRITABLE, draft_of, message_of, recipient_of
from engine.deliver.kept import keep_messages
from engine.deliver.load import Loaded, load_sends
from engine.render.fence import render_wire
from engine.runtime import Runtime
from engine.versions import Live, artifact, live_rules
from engine.vocabulary import Reason


def write_ahead(tx: Tx, runtime: Runtime, claim: Claim) -> str | None:
    """Keep the message of this mail; else what keeps it from being written, in words. Raises NotRendering."""
    live = live_rules(tx)
    for send in load_sends(tx, [claim], live):
        try:
            message = message_for(tx, runtime, live, send)
        except UNWRITABLE as error:
            return str(error)
        keep_messages(tx, [(send.send_id, message)] if message is not None else [])
    return None


def message_for(tx: Tx, runtime: Runtime, live: Live, send: Loaded) -> bytes | None:
    """None: it goes to nobody, as the ledger will say. Raises UNWRITABLE."""
    recipient = recipient_of(send, live)
    if isinstance(recipient, Reason):
        return None
    draft = draft_of(runtime, live, send, recipient, artifact(tx, send.artifact_hash or ""))
    return message_of(runtime, draft, render_wire(draft.artifact, draft.values))
