"""The envelope: how the addresses of a flight are spelt for one server, and what it cannot carry.

Pure. Before: a Flight. After: `engine.deliver.trip` and what derives from it write these bytes.
"""

import re
from typing import NamedTuple

import idna

from engine.deliver.wire import Flight, Refused

FORBIDDEN = re.compile(r"[\x00-\x20\x7f<>]")  # control characters would end the command: injection
BARE_LINE_END = re.compile(rb"\r(?!\n)|(?<!\r)\n")


class Opening(NamedTuple):
    """The commands that begin a transaction, with their line ends."""

    mail: bytes
    rcpt: bytes


def opening(flight: Flight, extensions: frozenset[str]) -> Opening | Refused:
    """Refused for an address that no such server can take."""
    try:
        sender, recipient = spelt(flight.envelope_from), spelt(flight.recipient)
    except ValueError as error:
        return Refused(code=553, reply=f"5.1.3 not written to: {error}")
    if not (sender + recipient).isascii() and "smtputf8" not in extensions:
        return Refused(code=553, reply="5.6.7 not written to: the relay does not take addresses with such letters")
    parameters = mail_parameters(flight.message, sender + recipient, extensions)
    return Opening(f"MAIL FROM:<{sender}>{parameters}\r\n".encode(), f"RCPT TO:<{recipient}>\r\n".encode())


def spelt(address: str) -> str:
    """An address with its domain in ASCII (IDNA 2008). Raises ValueError for what is no address."""
    local, at, domain = address.rpartition("@")
    if not (local and at and domain) or FORBIDDEN.search(address):
        raise ValueError("this is not an email address")
    if domain.isascii():
        return address
    try:
        return f"{local}@{idna.encode(domain, uts46=True).decode()}"
    except idna.IDNAError as error:
        raise ValueError("the domain has letters that no domain can have") from error


def mail_parameters(message: bytes, addresses: str, extensions: frozenset[str]) -> str:
    """What MAIL adds where the server offered it (RFC 1870, 6152, 6531)."""
    parts = []
    if "size" in extensions:
        parts.append(f" SIZE={len(message)}")
    if "8bitmime" in extensions and not message.isascii():
        parts.append(" BODY=8BITMIME")
    if not addresses.isascii():
        parts.append(" SMTPUTF8")
    return "".join(parts)


def mended(message: bytes) -> bytes:
    """A message with CRLF as its only line end, also at its end.

    A bare CR or LF would let the text of a mail end it early for some servers (SMTP smuggling), so each becomes CRLF.
    """
    if has_bare_line_end(message):
        message = BARE_LINE_END.sub(b"\r\n", message)
    return message if message.endswith(b"\r\n") else message + b"\r\n"


def stuffed(message: bytes) -> bytes:
    """A message as DATA carries it, its final dot not included: mended, and dots doubled."""
    message = mended(message)
    if message.startswith(b"."):
        message = b"." + message
    return message.replace(b"\r\n.", b"\r\n..")


def has_bare_line_end(message: bytes) -> bool:
    """Whether it changes when its LFs are taken out and put back behind its CRs. Asked of every mail; to count takes four times
    as long.
    """
    return message.replace(b"\n", b"").replace(b"\r", b"\r\n") != message
