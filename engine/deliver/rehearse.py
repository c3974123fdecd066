"""Prints the mail of a claimed send without sending it: what cannot be written is better known before it is promised.

Before: `engine.deliver.transactional` asked for the mail. After: `webhooks.api` tells the shop what its data lack.
"""

from engine.claim import Claim
from engine.database import Tx
from engine.deliver.flights import spell_token, values_of
from engine.deliver.load import load_sends
from engine.errors import RenderError
from engine.render.fence import render
from engine.runtime import Runtime
from engine.versions import artifact, live_rules


def why_not_written(tx: Tx, runtime: Runtime, claim: Claim) -> str | None:
    """What keeps this mail from being written, in words; None when nothing does. Writes nothing."""
    live = live_rules(tx)
    for send in load_sends(tx, [claim], live):
        made = artifact(tx, send.artifact_hash or "")
        try:
            render(made, values_of(runtime, live, send, made, spell_token(runtime, send)))
        except (RenderError, ValueError, KeyError) as error:
            return str(error)
    return None
