"""Reads an SPF record with all that it includes (RFC 7208): what it lets send, and what is wrong with it.

Before: `engine.doctor.spf` has found it. After: that says what it means. No mail is needed: what depends on one (macros,
`exists`, `ptr`) is passed over.
"""

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from engine.doctor.names import Names

MOST_LOOKUPS = 10  # section 4.6.4
TERM = re.compile(r"(?P<sign>[-+~?]?)(?P<name>[a-z][a-z0-9_.-]*)(?P<between>[:=/]?)(?P<value>.*)", re.IGNORECASE)
ASKING = {"include", "a", "mx", "ptr", "exists", "redirect"}
MECHANISMS = {"all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists"}
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(slots=True, kw_only=True)
class Read:
    """`rest`: the sign of its `all`; None: it has none."""

    names: Names
    networks: list[Network] = field(default_factory=list)
    lookups: int = 0
    rest: str | None = None
    faults: list[str] = field(default_factory=list)

    def lets(self, address: str) -> bool:
        found = ipaddress.ip_address(address)
        return any(found in network for network in self.networks if network.version == found.version)

    def follow(self, domain: str, record: str, *, is_top: bool = True, counts: bool = True) -> None:
        """Take in a record, and those that it leads to until there are too many. `counts`: what it lets send may send."""
        for text in record.split()[1:]:
            found = TERM.fullmatch(text)
            name = found["name"].lower() if found else ""
            if found is None or (name not in MECHANISMS and found["between"] != "="):
                self.faults.append(f"{text!r} is no word of SPF")
                continue
            self.lookups += name in ASKING
            if name == "all":
                self.rest = found["sign"] or "+" if is_top else self.rest
            elif self.lookups <= MOST_LOOKUPS and "%" not in text:
                value = found["between"] + found["value"] if found["between"] == "/" else found["value"]
                self._take_in(domain, name, value, is_top=is_top, counts=counts and found["sign"] in ("", "+"))

    def _take_in(self, domain: str, name: str, value: str, *, is_top: bool, counts: bool) -> None:
        match name:
            case "ip4" | "ip6":
                self._add(value, counts)
            case "a" | "mx":
                for network in self._behind(domain, name, value):
                    self._add(network, counts)
            case "include" | "redirect":
                records = spf_records(self.names, value)
                if len(records) == 1:
                    self.follow(value, records[0], is_top=is_top and name == "redirect", counts=counts)
                else:
                    self.faults.append(f"{name} {value} leads to {'several SPF records' if records else 'no SPF record'}")

    def _behind(self, domain: str, name: str, value: str) -> Iterator[str]:
        """The networks of a host, or of the hosts that take a domain's mail."""
        host, bits = host_and_bits(value, domain)
        for each in self.names.exchanges(host) if name == "mx" else [host]:
            for address in self.names.addresses(each):
                yield address + bits.get(ipaddress.ip_address(address).version, "")

    def _add(self, text: str, counts: bool) -> None:
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            self.faults.append(f"{text!r} is no address")
        else:
            self.networks += [network] if counts else []


def spf_records(names: Names, domain: str) -> list[str]:
    return [text for text in names.texts(domain) if re.match(r"v=spf1( |$)", text, re.IGNORECASE)]


def read_spf(names: Names, domain: str, record: str) -> Read:
    """Raises NoDnsError."""
    read = Read(names=names)
    read.follow(domain, record)
    return read


def host_and_bits(value: str, domain: str) -> tuple[str, dict[int, str]]:
    """`host/24//64` taken apart; {4: "/24", 6: "/64"}."""
    value, _slashes, six = value.partition("//")
    host, _slash, four = value.partition("/")
    return host or domain, {version: f"/{bits}" for version, bits in ((4, four), (6, six)) if bits}
