"""Opens a connection to a relay: calls it, encrypts, introduces us, logs in. The only module that does.

Before: `engine.deliver.smtp` knows the relay. After: `engine.deliver.pool` has a channel, or the reason why there is none.
aiosmtplib does the work; the words over the open connection are ours (`engine.deliver.transaction`).
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import cast

import aiosmtplib
from aiohappyeyeballs import start_connection

from engine.deliver.channel import LONGEST_LINE, Channel, Timeouts
from engine.deliver.login import Login, NoTokenError
from engine.deliver.pool import NoConnectionError, Reuse
from engine.deliver.unreached import in_plain_words
from engine.deliver.wire import Deferred
from engine.errors import SHORT_OF
from engine.said import on_one_line
from engine.vocabulary import SmtpPhase

NEXT_ADDRESS_AFTER = 0.25  # seconds (RFC 8305 section 5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """A mail server that takes our mail. `tls`: from the first byte, by STARTTLS or not at all."""

    host: str
    port: int
    login: Login | None
    tls: str  # wrapped | starttls | none
    reuse: Reuse


async def open_channel(relay: Relay, timeouts: Timeouts, local_hostname: str) -> Channel:
    """Raises NoConnectionError, which says what is wrong and what to do."""
    client = aiosmtplib.SMTP(
        hostname=relay.host,
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
    except (aiosmtplib.SMTPException, OSError, UnicodeError, NoTokenError) as error:  # UnicodeError: a host like mail..example
        client.close()
        raise unreached(error, reached(error, phase), relay) from error
    except asyncio.CancelledError:
        client.close()
        raise


Step = Callable[[aiosmtplib.SMTP], Awaitable[object]]


def steps(relay: Relay, timeouts: Timeouts) -> Iterator[tuple[SmtpPhase, Step]]:
    """What is done one after another, and the phase to which its failure belongs."""
    yield SmtpPhase.CONNECT, partial(greet, relay, timeouts)
    yield SmtpPhase.EHLO, introduce
    if relay.tls == "starttls":
        yield SmtpPhase.TLS, lambda client: client.starttls()
        yield SmtpPhase.EHLO, introduce
    if relay.login is not None:
        yield SmtpPhase.AUTH, partial(log_in, relay.login)


async def greet(relay: Relay, timeouts: Timeouts, client: aiosmtplib.SMTP) -> None:
    line = await call(relay, timeouts)
    await client.connect(sock=line, timeout=min(timeouts.connect, timeouts.command))


async def call(relay: Relay, timeouts: Timeouts) -> socket.socket:
    """A line to the first of its addresses that answers (RFC 8305): one at which nobody does, as where IPv6 leads nowhere, holds
    up no mail. Raises SMTPConnectError.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeouts.connect):
            addresses = await loop.getaddrinfo(relay.host, relay.port, type=socket.SOCK_STREAM)
        async with asyncio.timeout(min(timeouts.call, timeouts.connect)):
            line = await start_connection(addresses, happy_eyeballs_delay=NEXT_ADDRESS_AFTER, interleave=1, loop=loop)
    except (OSError, RuntimeError) as error:  # uvloop raises the latter, too
        raise aiosmtplib.SMTPConnectError(str(error)) from error
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return line


async def introduce(client: aiosmtplib.SMTP) -> None:
    try:
        await client.ehlo()
    except aiosmtplib.SMTPHeloError:
        await client.helo()


async def log_in(login: Login, client: aiosmtplib.SMTP) -> None:
    """Raises NoTokenError."""
    offered = client.server_auth_methods
    if not offered or login.method not in (None, *offered):
        wanted = f", not {login.method}" if login.method else ""
        first = " before STARTTLS: write tls=starttls" if client.supports_extension("starttls") else ""
        raise aiosmtplib.SMTPNotSupported(f"it offers {', '.join(offered) or 'none'}{wanted}{first}")
    if login.method is None:
        await client.login(login.user, login.password)
        return
    if login.method == "xoauth2":
        token = await asyncio.get_running_loop().run_in_executor(None, login.token)
        await client.auth_xoauth2(login.user, token)
        return
    by = {"plain": client.auth_plain, "login": client.auth_login, "cram-md5": client.auth_crammd5}
    await by[login.method](login.user, login.password)


def take_over(client: aiosmtplib.SMTP) -> Channel:
    """From here on the transport's bytes come to us."""
    transport = client.transport
    if transport is None or transport.is_closing():
        raise aiosmtplib.SMTPServerDisconnected("the server closed the connection")
    return Channel(cast(asyncio.Transport, transport), extensions=frozenset(client.esmtp_extensions))


def reached(error: Exception, phase: SmtpPhase) -> SmtpPhase:
    """How far it came: aiosmtplib also encrypts from the first byte and waits for the greeting when it connects."""
    if phase != SmtpPhase.CONNECT:
        return phase
    if isinstance(error.__cause__, ssl.SSLError):
        return SmtpPhase.TLS
    is_greeted_badly = isinstance(error, aiosmtplib.SMTPConnectResponseError)
    if is_greeted_badly or isinstance(error.__cause__, aiosmtplib.SMTPServerDisconnected | aiosmtplib.SMTPTimeoutError):
        return SmtpPhase.GREETING
    return SmtpPhase.CONNECT


def unreached(error: Exception, phase: SmtpPhase, relay: Relay) -> NoConnectionError:
    """The ledger keeps the server's words where it said some, for they say more; a person is told ours as well."""
    if isinstance(error, NoTokenError):
        return NoConnectionError(str(error), Deferred(code=None, reply=str(error), phase=phase))
    words = in_plain_words(error, phase, f"{relay.host}:{relay.port}", relay.login.means if relay.login else None)
    if isinstance(error, aiosmtplib.SMTPResponseException):
        said = on_one_line(error.message, LONGEST_LINE)
        code = error.code if 400 <= error.code < 600 else None  # else it is no mail server, or out of step
        return NoConnectionError(words, Deferred(code=code, reply=said, phase=phase), f"{code or ''} {said}".strip())
    more = "" if phase in (SmtpPhase.CONNECT, SmtpPhase.TLS) else on_one_line(str(error), LONGEST_LINE)  # ours tell why
    is_ours = isinstance(error.__cause__, OSError) and error.__cause__.errno in SHORT_OF
    return NoConnectionError(words, Deferred(code=None, reply=words, phase=phase, is_ours=is_ours), more)
