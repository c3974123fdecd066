"""The real wire: SMTP to the relay that HANDRAISER_SMTP_URL names.

Before: `engine.processes` opens it once a process; `engine.deliver.send` marks and then flies. After: `engine.deliver.pool`
calls `engine.deliver.connect` when it wants a connection. The transaction over it is ours (`engine.deliver.transaction`), because
only who speaks it knows on which side of the final dot it ended.
"""

import re
import socket
from urllib.parse import SplitResult, parse_qs, urlsplit

from engine.deliver.channel import Channel, Timeouts
from engine.deliver.connect import Relay, open_channel
from engine.deliver.login import wanted_login
from engine.deliver.pool import PooledWire, Reuse
from engine.deliver.wire import Wire
from engine.errors import SettingsError
from engine.settings import is_loopback

HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
SUBMISSION, SUBMISSION_TLS = 587, 465


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
        login=wanted_login(parts, "HANDRAISER_SMTP_URL"),
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
