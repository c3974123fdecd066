"""Replies and bounces as signed posts, from a mail provider or a script on the mail server.

The body is the raw message (`message/rfc822`), or JSON: {"raw": base64, "envelope_to": …, "envelope_from": …}. Before: somebody
else's mail server. After: the journal has it whole, and the answer is 200; what it says is read later.
"""

import json
from base64 import b64decode
from binascii import Error as Base64Error
from dataclasses import dataclass

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from engine.inbound.addressee import Purpose, read_addressee
from engine.inbound.parts import MOST_BYTES
from webhooks.entries import Mailed
from webhooks.journal import JournalError
from webhooks.receiver import Receiver
from webhooks.signature import refusal

LARGEST_POST = MOST_BYTES * 4 // 3 + 64 * 1024
LONGEST_ADDRESS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """A mail as it was posted. What was not told is empty, or None for the sender, whose emptiness means something."""

    raw: bytes
    envelope_to: str = ""
    envelope_from: str | None = None


def pages(receiver: Receiver) -> Blueprint:
    blueprint = Blueprint("hooks", __name__, url_prefix="/hooks")

    @blueprint.before_request
    def only_signed() -> ResponseReturnValue | None:
        return refuse_unsigned(receiver, LARGEST_POST)

    @blueprint.post("/replies")
    def replies() -> ResponseReturnValue:
        return take(receiver, Purpose.REPLY)

    @blueprint.post("/bounces")
    def bounces() -> ResponseReturnValue:
        return take(receiver, Purpose.BOUNCE)

    return blueprint


def refuse_unsigned(receiver: Receiver, largest: int) -> ResponseReturnValue | None:
    """For `before_request`: reads the body, up to `largest` bytes, and answers unless it was signed."""
    request.max_content_length = largest
    refused = refusal(
        dict(request.headers), request.get_data(), key=receiver.runtime.settings.webhook_key, now=receiver.clock.now()
    )
    return None if refused is None else (jsonify(error=refused.error), refused.status)


def take(receiver: Receiver, purpose: Purpose) -> ResponseReturnValue:
    posted = read_posted()
    if isinstance(posted, str):
        return jsonify(error=posted), 400
    addressee = read_addressee(posted.envelope_to, receiver.runtime.tokens)
    try:
        receiver.keep(
            Mailed(
                at=receiver.clock.now(),
                purpose=addressee.purpose if addressee else purpose,
                recipient=posted.envelope_to,
                envelope_sender=posted.envelope_from,
                raw=posted.raw,
            )
        )
    except JournalError:
        return jsonify(error="this could not be kept; post it again in a minute"), 503
    return jsonify(kept=True)


def read_posted() -> Posted | str:
    """The mail that was posted, or what is wrong with the post."""
    if request.mimetype == "message/rfc822":
        return Posted(raw=request.get_data()) if request.get_data() else "the body is empty; it must be a raw message"
    if request.mimetype != "application/json":
        return f"the content type is {request.mimetype!r}; post message/rfc822 or application/json"
    try:
        facts = json.loads(request.get_data())
    except (ValueError, RecursionError):
        return "the body is not JSON"
    if not isinstance(facts, dict) or not isinstance(facts.get("raw"), str):
        return 'the JSON must be an object with "raw": the message in base64'
    return as_posted(facts)


def as_posted(facts: dict[str, object]) -> Posted | str:
    told = facts.get("envelope_to") or "", facts.get("envelope_from")
    if not isinstance(told[0], str) or not isinstance(told[1], str | None) or len(told[0]) > LONGEST_ADDRESS:
        return '"envelope_to" and "envelope_from" must be addresses'
    try:
        raw = b64decode(str(facts["raw"]), validate=True)
    except (Base64Error, ValueError):
        return '"raw" is not base64'
    return Posted(raw=raw, envelope_to=told[0], envelope_from=told[1]) if raw else '"raw" is empty'
