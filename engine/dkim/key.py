"""One DKIM key: whose mail it signs, how, and what the DNS must say of it.

Before: `engine.dkim.folder` reads it from its file. After: `engine.dkim.sign` signs with it.
"""

from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

LONGEST_STRING = 255  # of a TXT record; a longer value is several strings, which readers join (RFC 6376 section 3.6.2.2)
PADDING, HASH = PKCS1v15(), SHA256()

PrivateKey = RSAPrivateKey | Ed25519PrivateKey


@dataclass(frozen=True, slots=True, kw_only=True)
class DkimKey:
    """A private key with its place in the DNS: `selector._domainkey.domain`."""

    domain: str
    selector: str
    private: PrivateKey
    file: Path

    @property
    def kind(self) -> str:
        """As the `k=` of its record says it."""
        return "rsa" if isinstance(self.private, RSAPrivateKey) else "ed25519"

    @property
    def bits(self) -> int:
        return self.private.key_size if isinstance(self.private, RSAPrivateKey) else 256

    @property
    def record_name(self) -> str:
        return f"{self.selector}._domainkey.{self.domain}"

    @property
    def record(self) -> str:
        return f"v=DKIM1; k={self.kind}; p={self.public}"

    @property
    def public(self) -> str:
        """As the `p=` of its record says it: RSA with its frame, Ed25519 bare (RFC 8463 section 4.2)."""
        key = self.private.public_key()
        if self.kind == "rsa":
            return b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()
        return b64encode(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()

    def signature(self, data: bytes) -> bytes:
        """Of the same data always the same: neither way of signing draws lots."""
        if isinstance(self.private, RSAPrivateKey):
            return self.private.sign(data, PADDING, HASH)
        return self.private.sign(sha256(data).digest())


def in_zone_file(key: DkimKey) -> str:
    """The record as a line for a zone file, its value in strings that are short enough."""
    value = key.record
    strings = " ".join(f'"{value[at : at + LONGEST_STRING]}"' for at in range(0, len(value), LONGEST_STRING))
    return f"{key.record_name}. IN TXT ( {strings} )"
