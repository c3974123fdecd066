"""The real wire: SMTP to the relay that HANDRAISER_SMTP_URL names. The only module that opens a connection to a mail server.

Before: `engine.processes` opens it once a process; `engine.deliver.send` marks and then flies. aiosmtplib connects, secures and
authenticates; the transaction over the open connection is ours (`engine.deliver.transaction`), because only who speaks it
knows on which side of the final dot it ended.
"""

import asyncio
import re
import socket
from dataclasses import dataclass
from typing import cast
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

import aiosmtplib

from engine.deliver.channel import Channel, Timeouts
from engine.deliver.pool import NoConnectionError, PooledWire, Reuse
from engine.deliver.wire import Wire
from engine.errors import SettingsError
from engine.settings import is_loopback

HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
SUBMISSION, SUBMISSION_TLS = 587, 465


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """A mail server that takes our mail. `tls`: from the first byte, by STARTTLS or not at all."""

    host: str
    port: int
    user: str | None
    password: str | None
    tls: str  # wrapped | starttls | none
    connections: int


def open_wire(
    url: str, *, timeouts: Timeouts | None = None, reuse: Reuse | None = None, local_hostname: str | None = None
) -> Wire:
    """The wire to `smtp://user:password@host:587` (STARTTLS) or `smtps://host:465`, with `?tls=starttls|none&connections=16`.

    Connects when first used; `connections` is the most that are open at once. Raises SettingsError for a URL that cannot be used.
    """
    relay = relay_of(url)
    patience = timeouts or Timeouts()
    name = local_hostname or own_name()

    async def connect() -> Channel:
        return await open_channel(relay, patience, name)

    return PooledWire(connect, timeouts=patience, reuse=reuse or Reuse(connections=relay.connections))


def relay_of(url: str) -> Relay:
    """Raises SettingsError. Only a relay on this machine may be plain without `?tls=none` saying so."""
    parts = urlsplit(url)
    host, tls = parts.hostname or "", wanted_tls(parts)
    if parts.scheme not in ("smtp", "smtps") or not host:
        raise SettingsError("HANDRAISER_SMTP_URL must look like smtp://user:password@host:587 or smtps://host:465")
    try:
        port = parts.port or (SUBMISSION_TLS if tls == "wrapped" else SUBMISSION)
    except ValueError as error:
        raise SettingsError("HANDRAISER_SMTP_URL has a port that is not a number up to 65535") from error
    return Relay(
        host=host,
        port=port,
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        tls=tls,
        connections=wanted_connections(parts),
    )


def wanted_connections(parts: SplitResult) -> int:
    said = parse_qs(parts.query).get("connections", [str(Reuse().connections)])[-1]
    if not said.isdecimal() or int(said) < 1:
        raise SettingsError(f"HANDRAISER_SMTP_URL says connections={said}; it must be a number from 1 on")
    return int(said)


def wanted_tls(parts: SplitResult) -> str:
    said = parse_qs(parts.query).get("tls", [""])[-1]
    if said not in ("", "starttls", "none"):
        raise SettingsError(f"HANDRAISER_SMTP_URL says tls={said}; it may say tls=starttls or tls=none")
    if parts.scheme == "smtps":
        return "wrapped"
    return said or ("none" if is_loopback(parts.hostname or "") else "starttls")


def own_name() -> str:
    """How we introduce ourselves in EHLO, without asking the DNS."""
    name = socket.gethostname()
    return name if HOST_NAME.fullmatch(name) else "localhost"


async def open_channel(relay: Relay, timeouts: Timeouts, local_hostname: str) -> Channel:
    """Connect, secure, authenticate. Raises NoConnectionError with the server's words."""
    client = aiosmtplib.SMTP(
        hostname=relay.host,
        port=relay.port,
        username=relay.user,
        password=relay.password,
        use_tls=relay.tls == "wrapped",
        start_tls=relay.tls == "starttls",
        timeout=min(timeouts.connect, timeouts.command),
        local_hostname=local_hostname,
    )
    try:
        await client.connect()
        if client.is_ehlo_or_helo_needed:
            await introduce(client)
    except aiosmtplib.SMTPResponseException as error:
        client.close()
        raise NoConnectionError(error.code, error.message) from error
    except (aiosmtplib.SMTPException, OSError) as error:
        client.close()
        raise NoConnectionError(None, str(error) or type(error).__name__) from error
    return take_over(client)


async def introduce(client: aiosmtplib.SMTP) -> None:
    try:
        await client.ehlo()
    except aiosmtplib.SMTPHeloError:
        await client.helo()


def take_over(client: aiosmtplib.SMTP) -> Channel:
    """From here on the transport's bytes come to us."""
    transport = client.transport
    if transport is None or transport.is_closing():
        raise NoConnectionError(None, "the server closed the connection")
    return Channel(cast(asyncio.Transport, transport), extensions=frozenset(client.esmtp_extensions))
