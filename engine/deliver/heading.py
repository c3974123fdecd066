"""The headers of a mail, from its sender, its token and the operator's settings. Pure.

Before: `engine.deliver.flights` knows the send, or `engine.preview` pretends one. After: `engine.deliver.mime` writes them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from engine.compiler.sender import Sender
from engine.deliver.mime import MessageHeaders
from engine.render.artifact import link_table_id
from engine.tokens import SendToken, Tokens, in_address, in_url


@dataclass(frozen=True, slots=True, kw_only=True)
class Spelt:
    """A send's token as links, addresses and the Message-ID spell it."""

    in_url: str
    in_address: str


def spell(tokens: Tokens, send_id: int, artifact_hash: str | None, address_key: str) -> Spelt:
    table = link_table_id(artifact_hash) if artifact_hash else 0
    sealed = tokens.seal(SendToken(send_id=send_id, link_table_id=table, address_key=address_key))
    return Spelt(in_url=in_url(sealed), in_address=in_address(sealed))


def headers_for(
    sender: Sender,
    spelt: Spelt,
    *,
    rep: Mapping[str, Any] | None,
    recipient: str,
    date: datetime,
    is_marketing: bool,
    topic: str | None,
    public_url: str,
    domain: str,
) -> MessageHeaders:
    """`rep`: the lead's, with name and email. `domain` takes the replies.

    Only marketing can be unsubscribed from, and belongs to a `topic`.
    """
    from_rep = rep if sender.is_rep and rep else None
    return MessageHeaders(
        sender_name=from_rep["name"] if from_rep else sender.name,
        sender_address=from_rep["email"] if from_rep else sender.address,
        recipient=recipient,
        date=date,
        message_id=f"{spelt.in_address}@{domain}",
        reply_to=f"r+{spelt.in_address}@{domain}",
        one_click_url=f"{public_url}/u/{spelt.in_url}" if is_marketing else None,
        unsubscribe_mailto=f"mailto:u+{spelt.in_address}@{domain}" if is_marketing else None,
        list_id=f"{topic}.{domain}" if is_marketing and topic else None,
        auto_submitted=not is_marketing,
    )
