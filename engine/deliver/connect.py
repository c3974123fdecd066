"""Opens a connection to a relay: calls it, encrypts, introduces us, logs in. The only module that does.

Before: `engine.deliver.smtp` knows the relay. After: `engine.deliver.pool` has a channel, or the reason why there is none.
aiosmtplib does the work; the words over the open connection are ours (`engine.deliver.transaction`).
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import cast

import aiosmtplib

from engine.deliver.channel import Channel, Timeouts
from engine.deliver.pool import NoConnectionError
from engine.vocabulary import SmtpPhase


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """A mail server that takes our mail. `tls`: from the first byte, by STARTTLS or not at all."""

    host: str
    port: int
    user: str | None
    password: str | None
    tls: str  # wrapped | starttls | none
    connections: int


async def open_channel(relay: Relay, timeouts: Timeouts, local_hostname: str) -> Channel:
    """Raises NoConnectionError with the server's words."""
    client = aiosmtplib.SMTP(
        hostname=relay.host,
        port=relay.port,
        use_tls=relay.tls == "wrapped",
        start_tls=False,
        timeout=timeouts.command,
        local_hostname=local_hostname,
    )
    phase = SmtpPhase.CONNECT
    try:
        for next_phase, step in steps(relay, timeouts):
            phase = next_phase
            await step(client)
        return take_over(client)
    except (aiosmtplib.SMTPException, OSError) as error:
        client.close()
        raise refused(error, phase) from error


Step = Callable[[aiosmtplib.SMTP], Awaitable[object]]


def steps(relay: Relay, timeouts: Timeouts) -> Iterator[tuple[SmtpPhase, Step]]:
    """What is done one after another, and the phase to which its failure belongs."""
    yield SmtpPhase.CONNECT, lambda client: client.connect(timeout=min(timeouts.connect, timeouts.command))
    yield SmtpPhase.EHLO, introduce
    if relay.tls == "starttls":
        yield SmtpPhase.TLS, lambda client: client.starttls()
        yield SmtpPhase.EHLO, introduce
    if relay.user is not None:
        user, password = relay.user, relay.password or ""
        yield SmtpPhase.AUTH, lambda client: client.login(user, password)


async def introduce(client: aiosmtplib.SMTP) -> None:
    try:
        await client.ehlo()
    except aiosmtplib.SMTPHeloError:
        await client.helo()


def take_over(client: aiosmtplib.SMTP) -> Channel:
    """From here on the transport's bytes come to us."""
    transport = client.transport
    if transport is None or transport.is_closing():
        raise aiosmtplib.SMTPServerDisconnected("the server closed the connection")
    return Channel(cast(asyncio.Transport, transport), extensions=frozenset(client.esmtp_extensions))


def refused(error: aiosmtplib.SMTPException | OSError, phase: SmtpPhase) -> NoConnectionError:
    if phase == SmtpPhase.CONNECT:
        phase = reached(error)
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return NoConnectionError(error.code, error.message, phase)
    return NoConnectionError(None, str(error) or type(error).__name__, phase)


def reached(error: BaseException) -> SmtpPhase:
    """How far a call came: aiosmtplib also encrypts from the first byte, and waits for the greeting."""
    if isinstance(error.__cause__, ssl.SSLError):
        return SmtpPhase.TLS
    is_greeted_badly = isinstance(error, aiosmtplib.SMTPConnectResponseError)
    if is_greeted_badly or isinstance(error.__cause__, aiosmtplib.SMTPServerDisconnected | aiosmtplib.SMTPTimeoutError):
        return SmtpPhase.GREETING
    return SmtpPhase.CONNECT
