"""Keys, drawn once for a test process, and dkimpy as the receiver that looks at what they signed."""

from functools import cache
from pathlib import Path

import dkim
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from engine.dkim.key import DkimKey

DOMAIN = "clearroom.example"


@cache
def an_rsa_key(domain: str = DOMAIN, selector: str = "one-rsa") -> DkimKey:
    return DkimKey(domain=domain, selector=selector, private=generate_private_key(65537, 2048), file=Path("one-rsa.pem"))


@cache
def an_ed25519_key(domain: str = DOMAIN, selector: str = "one-ed25519") -> DkimKey:
    return DkimKey(domain=domain, selector=selector, private=Ed25519PrivateKey.generate(), file=Path("one-ed25519.pem"))


def both_keys(domain: str = DOMAIN) -> tuple[DkimKey, DkimKey]:
    return an_rsa_key(domain), an_ed25519_key(domain)


def verdicts(message: bytes, *keys: DkimKey) -> list[bool]:
    """What dkimpy says of each signature of the message, the DNS knowing these keys alone."""
    records = {f"{key.record_name}.": key.record.encode() for key in keys}

    def look_up(name: bytes, timeout: int = 5) -> bytes | None:
        return records.get(name.decode())

    count = message.partition(b"\r\n\r\n")[0].count(b"DKIM-Signature:")
    return [verified(message, at, look_up) for at in range(count)]


def verified(message: bytes, at: int, look_up: object) -> bool:
    try:
        return bool(dkim.DKIM(message).verify(idx=at, dnsfunc=look_up))
    except dkim.DKIMException:
        return False
