"""Questions to the DNS, each asked once, with little patience.

Before: `engine.cli.doctor` may name the servers to be asked. After: every check of a domain asks here.
"""

import ipaddress
from collections.abc import Sequence

import dns.exception
import dns.name
import dns.nameserver
import dns.resolver
import dns.reversename

from engine.errors import UsageError

SECONDS, SECONDS_A_TRY = 4.0, 1.5
PORT = 53
LARGEST = 1_232  # bytes of an answer over UDP; a DKIM record does not fit into the 512 of old


class NoDnsError(Exception):
    """The DNS gave no answer, neither yes nor no; the message says to what."""


class Names:
    """The DNS as it is seen from here, or by the given servers: `192.0.2.1` or `192.0.2.1:5353`."""

    def __init__(self, servers: Sequence[str] = (), *, seconds: float = SECONDS) -> None:
        self._resolver = resolver(servers)
        if self._resolver is not None:
            self._resolver.lifetime, self._resolver.timeout = seconds, min(seconds, SECONDS_A_TRY)
            self._resolver.use_edns(0, 0, LARGEST)
        self._known: dict[tuple[str, str], tuple[str, ...]] = {}

    def answer(self) -> bool:
        """Whether any server answers at all, whatever it says."""
        try:
            self._ask(".", "NS")
        except NoDnsError as error:
            return was_answered(error.__cause__)
        return True

    def texts(self, name: str) -> tuple[str, ...]:
        """TXT records, each with its strings joined."""
        return self._ask(name, "TXT")

    def exchanges(self, name: str) -> tuple[str, ...]:
        """The hosts of the MX records, the first to be tried first. A null MX (RFC 7505) is an empty host."""
        records = sorted((int(preference), host) for preference, host in (text.split() for text in self._ask(name, "MX")))
        return tuple(host.rstrip(".") for _preference, host in records)

    def addresses(self, name: str) -> tuple[str, ...]:
        """IPv4 and IPv6; of an address, itself."""
        return (name,) if is_address(name) else (*self._ask(name, "A"), *self._ask(name, "AAAA"))

    def pointers(self, address: str) -> tuple[str, ...]:
        """The names that an address has."""
        name = dns.reversename.from_address(address).to_text()
        return tuple(found.rstrip(".") for found in self._ask(name, "PTR"))

    def _ask(self, name: str, kind: str) -> tuple[str, ...]:
        """Nothing where the DNS says that there is nothing. Raises NoDnsError."""
        key = name.lower(), kind
        if key not in self._known:
            self._known[key] = self._answer(name, kind)
        return self._known[key]

    def _answer(self, name: str, kind: str) -> tuple[str, ...]:
        if self._resolver is None:
            raise NoDnsError("this machine knows no DNS server (/etc/resolv.conf)")
        try:
            whole = dns.name.from_text(name)
        except dns.exception.DNSException:  # this can be no name, so nothing has it
            return ()
        try:
            found = self._resolver.resolve(whole, kind, raise_on_no_answer=False)
        except dns.resolver.NXDOMAIN:
            return ()
        except dns.exception.DNSException as error:
            raise NoDnsError(f"the DNS gave no answer to {kind} {name}") from error
        return tuple(spelt(record) for record in found.rrset or ())


def resolver(servers: Sequence[str]) -> dns.resolver.Resolver | None:
    """None where the machine knows no server."""
    if not servers:
        try:
            return dns.resolver.Resolver()
        except dns.resolver.NoResolverConfiguration:
            return None
    asked = dns.resolver.Resolver(configure=False)
    asked.nameservers = [dns.nameserver.Do53Nameserver(*server_of(server)) for server in servers]
    return asked


def was_answered(failure: BaseException | None) -> bool:
    """Whether some server said at least that it would not answer."""
    if not isinstance(failure, dns.resolver.NoNameservers):
        return False
    return any(response is not None for _server, _tcp, _port, _error, response in failure.kwargs["errors"])


def server_of(text: str) -> tuple[str, int]:
    """Raises UsageError."""
    host, colon, port = (text, "", "") if is_address(text) else text.rpartition(":")
    if not is_address(host.strip("[]")) or (colon and not port.isdecimal()):
        raise UsageError(f"{text!r} is no DNS server; it must be an address such as 1.1.1.1 or 127.0.0.1:5353")
    return host.strip("[]"), int(port or PORT)


def spelt(record: object) -> str:
    """A record as text; the strings of a TXT record joined."""
    strings = getattr(record, "strings", None)
    return b"".join(strings).decode("utf-8", "replace") if strings is not None else str(record)


def is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
