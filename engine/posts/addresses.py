"""Which addresses of the internet a post may go to: only those that are the same for everybody, none that lie inside. Pure.

Before: a name was resolved. After: `engine.posts.http` connects to the very address that was looked at here. A marketer's file
names the host, and a name can be made to point anywhere, so an inside address is refused however it is written.
"""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

GLOBAL_UNICAST = IPv6Network("2000::/3")
NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: an IPv4 address seen from a network that has only IPv6
# Not for everybody although `ipaddress` may say so, by its age: protocol assignments, relays, tunnels, documentation, a cloud's
# own services. Python before 3.11.10 takes most of 192.0.0.0/24 (RFC 6890) for public, and a cloud has its services there too.
NEVER_V4 = tuple(map(IPv4Network, ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32")))
NEVER_V6 = tuple(map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))


def is_outside(address: str) -> bool:
    """Whether this numeric address is one of the public internet. False for what is no address at all."""
    try:
        return all(map(is_public, meant_by(ip_address(address.partition("%")[0]))))
    except ValueError:
        return False


def meant_by(address: IPv4Address | IPv6Address) -> Iterator[IPv4Address | IPv6Address]:
    """The address where it leads to: an IPv4 address inside an IPv6 one counts as itself."""
    if isinstance(address, IPv6Address) and address in NAT64:
        yield IPv4Address(int(address) & 0xFFFF_FFFF)
    else:
        yield address


def is_public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv4Address):
        inside = address.is_multicast or address.is_reserved or any(address in network for network in NEVER_V4)
        return address.is_global and not inside
    return address in GLOBAL_UNICAST and address.is_global and not any(address in network for network in NEVER_V6)
