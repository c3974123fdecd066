"""Replies: the bytes of a mail that answers one of ours → which send, whether a machine wrote it, and the new words in it.

Before: the receiver keeps the raw mail. After: it becomes an event, and the words go where a person's data is kept.
"""

from dataclasses import dataclass

from engine.inbound.addressee import read_addressee, token_in
from engine.inbound.autoreply import is_automatic
from engine.inbound.parts import Part, Unreadable, read_parts
from engine.inbound.quotes import text_of_html, without_quotes
from engine.tokens import SendToken, Tokens

LONGEST_ID = 300
NAMING = ("in-reply-to", "references", "to", "cc", "delivered-to", "x-original-to", "envelope-to")  # where our tokens may stand


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedReply:
    """A mail that was read. `token` is None when it answers nothing of ours; `text` may be empty."""

    token: SendToken | None
    is_auto: bool
    text: str
    message_id: str | None


def parse_reply(
    raw: bytes, *, tokens: Tokens, recipient: str = "", envelope_sender: str | None = None
) -> ParsedReply | Unreadable:
    """Read a reply. Never raises. `envelope_sender` is empty for the null sender and None when it is not known."""
    parts = read_parts(raw)
    if isinstance(parts, Unreadable):
        return parts
    message = parts[0]
    return ParsedReply(
        token=token_of(message, recipient, tokens),
        is_auto=is_automatic(message, envelope_sender=envelope_sender),
        text=without_quotes(words_of(parts)),
        message_id=message.header("message-id").strip(" <>")[:LONGEST_ID] or None,
    )


def token_of(message: Part, recipient: str, tokens: Tokens) -> SendToken | None:
    """From the address it went to, else from the message that it says it answers."""
    addressee = read_addressee(recipient, tokens)
    if addressee is not None:
        return addressee.token
    answered = " ".join(message.header(name) for name in NAMING)
    return token_in(answered, tokens)


def words_of(parts: list[Part]) -> str:
    """The first plain text that is not an attachment, else the words of the first HTML."""
    shown = [part for part in parts if not part.is_attachment and not part.content_type.startswith("multipart/")]
    for part in shown:
        if part.content_type == "text/plain" and (words := part.text()).strip():
            return words
    return next((text_of_html(part.text()) for part in shown if part.content_type == "text/html"), "")
