"""Puts DKIM signatures before a finished message (RFC 6376; Ed25519 by RFC 8463), one by each key of its From domain.

Before: `engine.deliver.mime` has written the message. After: it is stored or given to the wire, which must not change a byte.
Written by hand on `cryptography`, for dkimpy takes some ten times as long; tested against it.

Both canonicalizations are relaxed. The time of the signature is the send's own, so that a second copy is the same bytes.
"""

import re
from base64 import b64encode
from collections.abc import Iterator, Sequence
from datetime import datetime
from hashlib import sha256

from engine.dkim.key import DkimKey

# List-Unsubscribe and its companion must be among them, or one-click does not count (RFC 8058 section 3.1).
SIGNED = (
    b"from", b"to", b"subject", b"date", b"message-id", b"mime-version", b"content-type", b"reply-to", b"list-unsubscribe",
    b"list-unsubscribe-post", b"list-id", b"feedback-id", b"auto-submitted",
)  # fmt: skip
# Signed once more than it is there, so that nobody can put a second one above it (RFC 6376 section 5.4.2).
ONCE_MORE = (b"from",)
NEXT_FIELD = re.compile(rb"\r\n(?![ \t])")
RUNS = re.compile(rb"  +")
FOLD = b"\r\n "
WIDTH = 72


class Signer:
    """Signs for the domains that have keys. Mail of any other domain is handed back as it is."""

    def __init__(self, keys: Sequence[DkimKey] = ()) -> None:
        self.keys = tuple(keys)
        self._of_domain: dict[str, tuple[DkimKey, ...]] = {}
        for key in self.keys:
            self._of_domain[key.domain] = (*self._of_domain.get(key.domain, ()), key)

    def keys_for(self, domain: str) -> tuple[DkimKey, ...]:
        """All keys of this domain; where it has none, those of the nearest domain above it, which DMARC counts as its own."""
        domain = domain.lower()
        while domain and domain not in self._of_domain:
            domain = domain.partition(".")[2]
        return self._of_domain.get(domain, ())

    def signed(self, message: bytes, at: datetime) -> bytes:
        """`at`: when the send was asked for. The message ends its lines with CRLF."""
        if not self.keys:
            return message
        head, _blank, body = message.partition(b"\r\n\r\n")
        fields = fields_of(head)
        keys = self.keys_for(sender_domain(fields))
        if not keys:
            return message
        return b"".join((*signatures(keys, fields, relaxed_body(body), at), message))


def fields_of(head: bytes) -> dict[bytes, bytes]:
    """{name in lower case: the whole field, relaxed}. Our messages have each header once."""
    pairs = (field.partition(b":") for field in NEXT_FIELD.split(head))
    return {name.lower(): relaxed_field(name, value) for name, _colon, value in pairs}


def relaxed_field(name: bytes, value: bytes) -> bytes:
    """Section 3.4.2, without the line's end."""
    return b"%b:%b" % (name.strip().lower(), b" ".join(value.split()))


def relaxed_body(body: bytes) -> bytes:
    """Section 3.4.4. Bodies in quoted-printable hold little of what is changed, so it is looked for rather than replaced."""
    if b"\t" in body:
        body = body.replace(b"\t", b" ")
    if b"  " in body:
        body = b" ".join(between_runs(body))
    if b" \r\n" in body:
        body = body.replace(b" \r\n", b"\r\n")
    end = len(body)
    while body.endswith(b"\r\n\r\n", 0, end):
        end -= 2
    return b"" if body[:end] == b"\r\n" else body[:end]


def between_runs(body: bytes) -> Iterator[bytes]:
    """What stands between runs of two blanks and more."""
    begin = 0
    for run in RUNS.finditer(body):
        yield body[begin : run.start()]
        begin = run.end()
    yield body[begin:]


def sender_domain(fields: dict[bytes, bytes]) -> str:
    """What stands behind the last @ of From: a name before the address may hold one, too."""
    return fields.get(b"from", b"").rpartition(b"@")[2].rstrip(b">").decode("ascii", "replace")


def signatures(keys: Sequence[DkimKey], fields: dict[bytes, bytes], body: bytes, at: datetime) -> list[bytes]:
    """One DKIM-Signature field for each key, with its line end."""
    names = [name for name in SIGNED if name in fields]
    covered = b"".join(fields[name] + b"\r\n" for name in names)
    tail = b"; t=%d;%b%b;%bbh=%b;%bb=" % (
        int(at.timestamp()), FOLD, listed([*ONCE_MORE, *names]), FOLD, b64encode(sha256(body).digest()), FOLD,
    )  # fmt: skip
    return [signed_field(opening(key) + tail, covered, key) for key in keys]


def opening(key: DkimKey) -> bytes:
    return b" v=1; a=%b-sha256; c=relaxed/relaxed; d=%b;%bs=%b" % (
        key.kind.encode(), key.domain.encode(), FOLD, key.selector.encode(),
    )  # fmt: skip


def listed(names: Sequence[bytes]) -> bytes:
    """The names under `h=`, folded behind colons."""
    lines, line = [], b"h="
    for name in names:
        if len(line) + len(name) > WIDTH:
            lines.append(line)
            line = b""
        line += name + b":"
    return FOLD.join([*lines, line[:-1]])


def signed_field(value: bytes, covered: bytes, key: DkimKey) -> bytes:
    """Section 3.7: the field itself is covered with its `b=` empty, and without a line end."""
    drawn = b64encode(key.signature(covered + relaxed_field(b"dkim-signature", value)))
    chunks = FOLD.join(drawn[at : at + WIDTH] for at in range(0, len(drawn), WIDTH))
    return b"DKIM-Signature:%b%b\r\n" % (value, chunks)
