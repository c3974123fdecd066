"""From which addresses mail reaches the world, as far as that can be known, and whether they are named both ways.

A relay's own address is where we hand mail in. Where it sends from is its operator's to know; for a small server it is the same.
"""

import ipaddress
from collections.abc import Iterator
from contextlib import suppress

from engine.deliver.smtp import own_name, relay_of
from engine.doctor.finding import Finding, Subject, ok, problem, unknown, warning
from engine.doctor.names import Names
from engine.doctor.place import Place
from engine.errors import SettingsError
from engine.settings import is_loopback


def hosts_of(place: Place) -> tuple[str, ...]:
    """The relays elsewhere; of a URL that is none the relay's own check tells."""
    hosts = []
    for _name, url in place.relays:
        with suppress(SettingsError):
            hosts.append(relay_of(url).host)
    return tuple(dict.fromkeys(host for host in hosts if not is_loopback(host)))


def sending_addresses(place: Place) -> tuple[str, ...]:
    """As the operator says; otherwise those that the relays have in the internet, and this machine where one runs here."""
    if place.sends_from:
        return place.sends_from
    hosts = list(hosts_of(place))
    if len(hosts) < len(place.relays):
        hosts.append(own_name())
    found = (address for host in hosts for address in place.names.addresses(host))
    return tuple(dict.fromkeys(address for address in found if ipaddress.ip_address(address).is_global))


def look_at_pointers(place: Place) -> Iterator[Finding]:
    addresses = sending_addresses(place)
    if place.relays and not addresses:
        said = "from which address mail reaches the world"
        yield unknown(Subject.PTR, said, "say it: `handraiser doctor --sends-from ADDRESS`")
    for address in addresses:
        yield look_at_pointer(place.names, address, is_said=bool(place.sends_from))


def look_at_pointer(names: Names, address: str, *, is_said: bool) -> Finding:
    """`is_said`: mail certainly leaves from it; otherwise it may be only where we hand it in."""
    found = names.pointers(address)
    confirmed = [name for name in found if address in names.addresses(name)]
    if confirmed:
        return ok(Subject.PTR, f"{address} is {confirmed[0]}, and {confirmed[0]} is {address}")
    said = f"{address} is called {found[0]}, which does not lead back to it" if found else f"{address} has no name (PTR)"
    advice = "whoever gave you the address sets its name: one of yours, with an A or AAAA record that leads back to it"
    if is_said:
        return problem(Subject.PTR, f"{said}: Gmail and others turn mail from it away", advice)
    return warning(Subject.PTR, f"{said}; it matters if mail leaves from there", f"if it is your server: {advice}")
