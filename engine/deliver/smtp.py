"""Which servers the settings name: from the URL of a relay to the pool of connections that a process opens to it.

Before: `engine.processes` opens the wire once a process. After: `engine.deliver.wires` carries what `engine.deliver.send` marked;
`engine.deliver.connect` opens a connection when a pool wants one.
"""

import re
import socket
from collections.abc import Mapping
from urllib.parse import SplitResult, parse_qs, urlsplit

from engine.deliver.channel import Channel, Timeouts
from engine.deliver.connect import Relay, open_channel
from engine.deliver.login import wanted_login
from engine.deliver.pool import Pool, Reuse
from engine.deliver.wire import Wire
from engine.deliver.wires import PooledWire
from engine.errors import SettingsError
from engine.settings import MAIN, RELAY_URL, is_loopback, url_setting

HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
SUBMISSION, SUBMISSION_TLS = 587, 465
OPTIONS = ("auth", "connections", "life", "messages", "tls", "token_command", "token_file")
MOST = 1_000_000  # of anything that a URL may ask for


def open_wire(
    url: str, *, timeouts: Timeouts | None = None, reuse: Reuse | None = None, local_hostname: str | None = None
) -> Wire:
    """The wire to one server, whatever relay is asked for. See `open_wires`."""
    pool = pool_of(MAIN, url, timeouts=timeouts, reuse=reuse, local_hostname=local_hostname)
    return PooledWire({}, usual=pool)


def open_wires(urls: Mapping[str, str], *, timeouts: Timeouts | None = None) -> Wire:
    """The wire to the relays of these names: `smtp://user:password@host:587` (STARTTLS) or `smtps://host:465`.

    `?tls=starttls|none`; `connections=16` is the most that are open at once, `messages=200` and `life=300` how many messages and
    seconds each is used for. Connects when first used. Raises SettingsError for a URL that cannot be used.
    """
    return PooledWire({name: pool_of(name, url, timeouts=timeouts) for name, url in urls.items()})


def pool_of(
    name: str,
    url: str,
    *,
    timeouts: Timeouts | None = None,
    reuse: Reuse | None = None,
    local_hostname: str | None = None,
) -> Pool:
    relay, patience = relay_of(url, url_setting(name)), timeouts or Timeouts()
    own = local_hostname or own_name()

    async def connect() -> Channel:
        return await open_channel(relay, patience, own)

    return Pool(name, connect, timeouts=patience, reuse=reuse or relay.reuse)


def relay_of(url: str, setting: str = url_setting(MAIN)) -> Relay:
    """Raises SettingsError. Only a relay on this machine may be plain without `?tls=none` saying so."""
    parts = urlsplit(url)
    if unknown := sorted(parse_qs(parts.query, keep_blank_values=True).keys() - set(OPTIONS)):
        raise SettingsError(f"{setting} says {unknown[0]}=, which means nothing; it may say {', '.join(OPTIONS)}")
    host, tls, usual = parts.hostname or "", wanted_tls(parts, setting), Reuse()
    if parts.scheme not in ("smtp", "smtps") or not host:
        raise SettingsError(f"{setting} must look like {RELAY_URL}")
    try:
        port = parts.port or (SUBMISSION_TLS if tls == "wrapped" else SUBMISSION)
    except ValueError as error:
        raise SettingsError(f"{setting} has a port that is not a number up to 65535") from error
    return Relay(
        host=host,
        port=port,
        login=wanted_login(parts, setting),
        tls=tls,
        reuse=Reuse(
            connections=wanted_number(parts, "connections", usual.connections, setting),
            most_messages=wanted_number(parts, "messages", usual.most_messages, setting),
            longest_life=wanted_number(parts, "life", int(usual.longest_life), setting),
        ),
    )


def wanted_number(parts: SplitResult, option: str, usual: int, setting: str) -> int:
    said = parse_qs(parts.query).get(option, [str(usual)])[-1]
    if not said.isdecimal() or not 1 <= int(said) <= MOST:
        raise SettingsError(f"{setting} says {option}={said}; it must be a number from 1 to {MOST}")
    return int(said)


def wanted_tls(parts: SplitResult, setting: str) -> str:
    said = parse_qs(parts.query).get("tls", [""])[-1]
    if said not in ("", "starttls", "none"):
        raise SettingsError(f"{setting} says tls={said}; it may say tls=starttls or tls=none")
    if parts.scheme == "smtps":
        return "wrapped"
    return said or ("none" if is_loopback(parts.hostname or "") else "starttls")


def own_name() -> str:
    """How we introduce ourselves in EHLO, without asking the DNS."""
    name = socket.gethostname()
    return name if HOST_NAME.fullmatch(name) else "localhost"
