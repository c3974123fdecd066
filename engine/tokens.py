"""Tokens in links and reply addresses, and the key under which an address is suppressed.

A token is one key-id byte and an AES-SIV (RFC 5297) box of 21 bytes: the send's id, its link table's, and the key of the address
it went to, so that whoever says stop is stopped where the send's row was lost. It is the same for every link of a send, cannot
be forged or read, and carries no personal data. Made by `engine.render`; opened by
`webhooks`. Needs nothing but `cryptography` and `engine.domains`.
"""

import hmac
from base64 import b32decode, urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from struct import pack, unpack
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from engine.domains import folded_domain, in_letters
from engine.errors import TokenError
from engine.vocabulary import Ask

ID_LENGTH, ADDRESS_LENGTH = 6, 9
BOX_LENGTH = 38  # key id, 16 bytes of tag, two ids and an address key
NOBODY: Final = "00" * ADDRESS_LENGTH  # for mails that are only shown
DIGITS = b"abcdefghijklmnopqrstuvwxyz234567".ljust(256)
MOST_GROUPS = 64  # characters of a local part


@dataclass(frozen=True, slots=True, kw_only=True)
class SendToken:
    """What a token says: which send, which table its links point into, and the key of the address it went to."""

    send_id: int
    link_table_id: int
    address_key: str


class Tokens:
    """Makes and opens tokens with the operator's secret keys, newest first."""

    def __init__(self, secret_keys: tuple[str, ...]) -> None:
        self._boxes = tuple((key_id(secret), AESSIV(derive(secret, b"token"))) for secret in secret_keys)
        self._pepper = derive(secret_keys[-1], b"address")
        self._webhook_roots = tuple(derive(secret, b"webhook") for secret in secret_keys)
        self.fingerprint = hmac.new(self._pepper, b"fingerprint", sha256).hexdigest()

    def seal(self, token: SendToken) -> bytes:
        """The 38 bytes of a token, to be spelt by `in_url` or `in_address`."""
        kid, box = self._boxes[0]
        ids = token.send_id.to_bytes(ID_LENGTH, "big") + token.link_table_id.to_bytes(ID_LENGTH, "big", signed=True)
        return kid + box.encrypt(ids + bytes.fromhex(token.address_key), [b"send"])

    def open(self, sealed: bytes) -> SendToken:
        """Raises TokenError for anything `seal` did not make under one of these keys."""
        if len(sealed) != BOX_LENGTH:
            raise TokenError("this link is not one of ours, or part of it is missing")
        said = self._decrypt(sealed, b"send")
        return SendToken(
            send_id=int.from_bytes(said[:ID_LENGTH], "big"),
            link_table_id=int.from_bytes(said[ID_LENGTH : 2 * ID_LENGTH], "big", signed=True),
            address_key=said[2 * ID_LENGTH :].hex(),
        )

    def seal_target(self, url: str) -> str:
        """A link's personal target, spelt for a URL: it travels in the link and is readable by us alone."""
        kid, box = self._boxes[0]
        return in_url(kid + box.encrypt(url.encode(), [b"target"]))

    def open_target(self, text: str) -> str:
        """Raises TokenError."""
        return self._decrypt(from_url(text), b"target").decode()

    def seal_ask(self, ask: Ask, number: int) -> str:
        """What lets whoever holds the mail of a hand-off or a task answer that one, and nothing else; spelt for a URL."""
        kid, box = self._boxes[0]
        return in_url(kid + box.encrypt(pack(">q", number), [ask.encode()]))

    def open_ask(self, text: str) -> tuple[Ask, int]:
        """What it answers, and its id. Raises TokenError."""
        sealed = from_url(text)
        for ask in Ask:
            with suppress(TokenError):
                return ask, unpack(">q", self._decrypt(sealed, ask.encode()))[0]
        raise TokenError("this link is not one of ours, or was signed with a key that is no longer used")

    def webhook_secrets(self, webhook: str) -> tuple[bytes, ...]:
        """What posts to this webhook are signed with: one secret of each key, newest first. They are the receiver's to know."""
        return tuple(hmac.digest(root, webhook.encode(), sha256) for root in self._webhook_roots)

    def address_key(self, address: str) -> str:
        """What stands for an address wherever itself must not stand: 72 bits of the HMAC-SHA256 of its folded form."""
        return hmac.new(self._pepper, fold_address(address).encode(), sha256).hexdigest()[: 2 * ADDRESS_LENGTH]

    def _decrypt(self, sealed: bytes, purpose: bytes) -> bytes:
        for kid, box in self._boxes:
            if kid == sealed[:1]:
                try:
                    return box.decrypt(sealed[1:], [purpose])
                except InvalidTag:
                    continue
        raise TokenError("this link is not one of ours, or was signed with a key that is no longer used")


def fold_address(address: str) -> str:
    """Two spellings of a mailbox as one: providers ignore case, and a stop must reach every spelling.

    Not by `casefold` behind the @, where strasse and straße are two domains.
    """
    local, at, domain = address.strip().rpartition("@")
    return local.casefold() + at + in_letters(folded_domain(domain)) if at else domain.casefold()


def in_url(sealed: bytes) -> str:
    return urlsafe_b64encode(sealed).decode().rstrip("=")


def from_url(text: str) -> bytes:
    """Raises TokenError for text that is not base64url."""
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (Base64Error, ValueError) as error:
        raise TokenError("this link is not one of ours") from error


def in_address(sealed: bytes) -> str:
    """Lower-case base32, because mail servers may change the case of a local part; 61 characters, and an address of ours
    has two more before it: 64 are allowed.

    The groups of five bits are moved apart to a byte each, by halves: a third of what `b32encode` takes.
    """
    length = -(-len(sealed) * 8 // 5)
    bits = int.from_bytes(sealed, "big") << length * 5 - len(sealed) * 8
    for gap, low, high in HALVES:
        bits = bits & low | (bits & high) << gap
    return bits.to_bytes(length, "big").translate(DIGITS).decode()


def halves(groups: int) -> tuple[int, int, int]:
    """How far the upper half of every run of so many groups moves, and which bits are the lower and the upper halves."""
    half = groups * 5 // 2
    low = sum((1 << half) - 1 << at * 8 for at in range(0, MOST_GROUPS, groups))
    return groups * 8 // 2 - half, low, low << half


def from_address(text: str) -> bytes:
    """Raises TokenError for text that is not base32."""
    try:
        return b32decode(text.upper() + "=" * (-len(text) % 8))
    except (Base64Error, ValueError) as error:
        raise TokenError("this reply address is not one of ours") from error


def key_id(secret: str) -> bytes:
    return sha256(b"key id" + secret.encode()).digest()[:1]


def derive(secret: str, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA512(), length=64, salt=None, info=b"handraiser " + purpose).derive(secret.encode())


HALVES = tuple(halves(groups) for groups in (64, 32, 16, 8, 4, 2))
