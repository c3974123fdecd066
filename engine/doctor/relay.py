"""The mail servers that take our mail: each is called, encrypted and logged in to, and nothing is sent.

Before: `engine.doctor.place` knows which. After: whoever reads it knows whether the password is right before the first mail.
"""

import asyncio
import ssl
from collections.abc import Iterator

from engine.clock import HostClock
from engine.deliver.channel import Timeouts
from engine.deliver.connect import Relay, open_channel
from engine.deliver.pool import NoConnectionError
from engine.deliver.smtp import own_name, relay_of
from engine.doctor.certificate import FEW_DAYS, days_left
from engine.doctor.finding import Finding, Subject, ok, problem, warning
from engine.doctor.place import Place
from engine.errors import SettingsError
from engine.settings import is_loopback, url_setting

OLD_TLS = ("TLSv1", "TLSv1.1")


def look_at_relays(place: Place) -> Iterator[Finding]:
    if place.relays:
        yield from map(not_addressed, (name for name in place.declared if name not in place.settings.relay_urls))
    for name, url in place.relays:
        try:
            yield from asyncio.run(look_at_relay(name, relay_of(url, url_setting(name)), place.patience))
        except SettingsError as error:
            yield problem(Subject.RELAY, f"{name}: {error}", "correct the URL")
        if (why := place.left_alone.get(name)) is not None:
            said = f"{name}: it is left alone, since it met our mail with: {why}"
            yield warning(Subject.RELAY, said, f"mend that; `handraiser resume relay {name}` tries it at once")


async def look_at_relay(name: str, relay: Relay, patience: float) -> list[Finding]:
    timeouts = Timeouts(connect=patience, command=patience, data=patience, block=patience, dot=patience)
    try:
        channel = await open_channel(relay, timeouts, own_name())
    except NoConnectionError as error:
        return [not_reached(name, error)]
    said = f"{name}: {relay.host}:{relay.port} {'took our login' if relay.login else 'answers, and we do not log in'}"
    secured = channel.encryption
    found = [not_encrypted(said, relay)] if secured is None else list(encrypted(name, said, secured))
    channel.leave()
    return found


def not_addressed(name: str) -> Finding:
    said = f"{name}: relays.yaml declares it, and {url_setting(name)} is not set"
    return problem(
        Subject.RELAY, said, "set it to the address of that server and start the processes anew, or take the relay out"
    )


def not_reached(name: str, error: NoConnectionError) -> Finding:
    what, _colon, advice = error.words.partition(": ")
    said = f"{name}: {what} ({error.said})" if error.said else f"{name}: {what}"
    return problem(Subject.RELAY, said, advice or "ask whoever runs it; what it said tells why")


def not_encrypted(said: str, relay: Relay) -> Finding:
    if is_loopback(relay.host):
        return ok(Subject.RELAY, f"{said}; unencrypted, which on this machine is fine")
    return warning(Subject.RELAY, f"{said}, unencrypted: mail and password can be read on the way", "leave ?tls=none away")


def encrypted(name: str, said: str, secured: ssl.SSLObject) -> Iterator[Finding]:
    until = str((secured.getpeercert() or {}).get("notAfter", ""))
    days, version = days_left(until, HostClock().now()), secured.version() or "TLS"
    yield ok(Subject.RELAY, f"{said}; {version}" + ("" if days is None else f", its certificate is good for {days} days"))
    if version in OLD_TLS:
        yield warning(Subject.RELAY, f"{name}: {version} is no longer safe", "have the server speak TLS 1.2 or 1.3")
    if days is not None and days < FEW_DAYS:
        said = f"{name}: its certificate ends in {days} days; then no mail goes out through it"
        yield warning(Subject.RELAY, said, "have it renewed by whoever runs the server")
