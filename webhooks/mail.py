"""A mail that came in: an answer, an absence note, a bounce, a complaint or an opt-out, and about which send.

Before: the journal has it whole. After: `webhooks.record` makes an event of it. A mail that names no send of ours is let go.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from engine.inbound.addressee import Purpose, read_addressee
from engine.inbound.autoreply import is_automatic
from engine.inbound.bounces import ParsedBounce, parse_bounce
from engine.inbound.parts import Unreadable, first_headers
from engine.inbound.replies import ParsedReply, parse_reply
from engine.tokens import SendToken, Tokens
from engine.vocabulary import EventType, Origin
from webhooks.entries import Entry, Mailed

log = logging.getLogger(__name__)
UNREADABLE_KEPT = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a mail says about a send of ours."""

    source_key: str
    type: EventType
    origin: Origin
    at: datetime
    send_id: int
    address_key: str
    data: Mapping[str, object] = field(default_factory=dict)
    body: bytes | None = None


def read_mails(entries: Sequence[Entry], tokens: Tokens) -> list[Told]:
    """What the mails among the entries say of sends of ours."""
    found = (read_mail(entry, tokens) for entry in entries if isinstance(entry, Mailed))
    return [told for told in found if told is not None]


def read_mail(entry: Mailed, tokens: Tokens) -> Told | None:
    """The same mail, delivered or posted twice, has the same source key."""
    told = read_opt_out(entry, tokens) if entry.purpose is Purpose.UNSUBSCRIBE else read_report(entry, tokens)
    if told is None:
        log.info("a mail came in that says nothing about a mail of ours", extra={"facts": {"purpose": entry.purpose}})
    return told


def read_opt_out(entry: Mailed, tokens: Tokens) -> Told | None:
    """Whatever is written to the unsubscribe address means just that."""
    addressee = read_addressee(entry.recipient, tokens)
    if addressee is None:
        return None
    return told_by(entry, addressee.token, EventType.UNSUBSCRIBED, Origin.HUMAN)


def read_report(entry: Mailed, tokens: Tokens) -> Told | None:
    bounce = parse_bounce(entry.raw, tokens=tokens, recipient=entry.recipient, envelope_sender=entry.envelope_sender)
    if isinstance(bounce, ParsedBounce):
        return told_by_bounce(entry, bounce)
    reply = parse_reply(entry.raw, tokens=tokens, recipient=entry.recipient, envelope_sender=entry.envelope_sender)
    if isinstance(reply, Unreadable):
        return told_by_unreadable(entry, reply, tokens)
    return told_by_reply(entry, reply)


def told_by_bounce(entry: Mailed, bounce: ParsedBounce) -> Told | None:
    if bounce.token is None:
        return None
    kind = EventType.BOUNCED if bounce.permanent else EventType.SOFT_BOUNCED
    return told_by(
        entry,
        bounce.token,
        EventType.COMPLAINED if bounce.complaint else kind,
        Origin.MACHINE,
        message_id=bounce.message_id,
        data={name: value for name, value in (("status", bounce.status), ("about", bounce.about)) if value},
        body=bounce.diagnostic.encode(),
    )


def told_by_reply(entry: Mailed, reply: ParsedReply) -> Told | None:
    if reply.token is None:
        return None
    kind = EventType.AUTO_REPLIED if reply.is_auto else EventType.REPLIED
    origin = Origin.MACHINE if reply.is_auto else Origin.HUMAN
    return told_by(entry, reply.token, kind, origin, message_id=reply.message_id, body=reply.text.encode("utf-8", "replace"))


def told_by_unreadable(entry: Mailed, mail: Unreadable, tokens: Tokens) -> Told | None:
    """Unless its headers say otherwise a person wrote it: then writing on would be rude. Kept as far as a body may go."""
    addressee = read_addressee(entry.recipient, tokens)
    if addressee is None or addressee.purpose is not Purpose.REPLY:
        return None
    is_auto = is_automatic(first_headers(entry.raw), envelope_sender=entry.envelope_sender)
    return told_by(
        entry,
        addressee.token,
        EventType.AUTO_REPLIED if is_auto else EventType.REPLIED,
        Origin.MACHINE if is_auto else Origin.HUMAN,
        data={"unreadable": mail.reason},
        body=entry.raw[:UNREADABLE_KEPT],
    )


def told_by(
    entry: Mailed,
    token: SendToken,
    kind: EventType,
    origin: Origin,
    *,
    message_id: str | None = None,
    data: Mapping[str, object] | None = None,
    body: bytes | None = None,
) -> Told:
    """Named by its Message-ID, which survives a second delivery, else by its bytes."""
    name = sha256(message_id.encode("utf-8", "replace") if message_id else entry.raw).hexdigest()[:32]
    return Told(
        source_key=f"mail:{token.send_id}:{entry.purpose}:{name}",
        type=kind,
        origin=origin,
        at=entry.at,
        send_id=token.send_id,
        address_key=token.address_key,
        data=data or {},
        body=body,
    )
