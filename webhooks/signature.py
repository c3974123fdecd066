"""Signed posts: the Standard Webhooks scheme (standardwebhooks.com), which shops' libraries speak already.

    webhook-id, webhook-timestamp (seconds, within five minutes), webhook-signature: `v1,` and the base64 of
    HMAC-SHA256(key, "<id>.<timestamp>.<body>"), several of them parted by spaces

Used by every endpoint that takes posts from systems. A key that begins with `whsec_` is base64 after that, as in the scheme's own
libraries; any other key is used as it is. Several keys, parted by commas, are all good: so a key is changed without a gap.
"""

import hmac
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256

TOLERANCE = timedelta(minutes=5)
LONGEST_ID = 200
PREFIX = "whsec_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a post is not taken, as an HTTP status and a sentence."""

    status: int
    error: str


def refusal(headers: Mapping[str, str], body: bytes, *, key: str | None, now: datetime) -> Refusal | None:
    """None when the post was signed with one of our keys just now. Compares in constant time."""
    if not key:
        return Refusal(status=503, error="HANDRAISER_WEBHOOK_KEY is not set, so nothing that is posted here can be trusted")
    given_headers = {name.lower(): value for name, value in headers.items()}
    named, stamped, signed = (given_headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not named or not stamped or not signed or len(named) > LONGEST_ID:
        return Refusal(status=400, error="the headers webhook-id, webhook-timestamp and webhook-signature are needed")
    if not (stamped.isascii() and stamped.isdecimal()) or len(stamped) > 12:
        return Refusal(status=400, error="webhook-timestamp must be seconds since 1970")
    if abs(datetime.fromtimestamp(int(stamped), UTC) - now) > TOLERANCE:
        return Refusal(status=401, error="webhook-timestamp is more than five minutes away from our clock")
    expected = [signature(one, named, stamped, body).encode() for one in keys_in(key)]
    given = [part.encode("utf-8", "replace") for part in signed.split(" ")[:20]]
    if not any([hmac.compare_digest(one, other) for one in expected for other in given]):
        return Refusal(status=401, error="webhook-signature does not fit: another key, or the body was changed on its way")
    return None


def signature(key: bytes, named: str, stamped: str, body: bytes) -> str:
    """What `webhook-signature` must hold."""
    content = b".".join((named.encode("utf-8", "replace"), stamped.encode(), body))
    return "v1," + b64encode(hmac.new(key, content, sha256).digest()).decode()


def keys_in(setting: str) -> list[bytes]:
    return [key_bytes(text.strip()) for text in setting.split(",") if text.strip()]


def key_bytes(text: str) -> bytes:
    if not text.startswith(PREFIX):
        return text.encode()
    try:
        return b64decode(text.removeprefix(PREFIX), validate=True)
    except (Base64Error, ValueError):
        return text.encode()
