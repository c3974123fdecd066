"""Signing posts as the Standard Webhooks specification says, so that receivers can use a library they have. Pure.

Before: `engine.tokens` derives the secrets from the installation's keys. After: the headers go out with the body. While the
secret key is being changed there is a signature by each, and a receiver that knows either of them is content.
"""

import hmac
from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256


def spelt_secret(secret: bytes) -> str:
    """As receivers' libraries want it."""
    return f"whsec_{b64encode(secret).decode()}"


def signed_headers(secrets: Sequence[bytes], webhook_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """`webhook_id` stays the same at every attempt, `at` is the attempt's."""
    timestamp = str(int(at.timestamp()))
    content = f"{webhook_id}.{timestamp}.".encode() + body
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{b64encode(hmac.digest(secret, content, sha256)).decode()}" for secret in secrets),
    }
