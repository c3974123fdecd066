"""The way back: whether answers and bounces find our listener, by the MX of the domain in which they are addressed.

Before: `engine.settings` has the reply domain and where we listen. After: replies end cadences, and bounces suppress addresses.
"""

import socket
from collections.abc import Iterator

from engine.doctor.finding import Finding, Subject, ok, problem, unknown, warning
from engine.doctor.place import Place, is_nobodys

OURS = "Handraiser"  # our listener's greeting names it
MOST_READ = 512


def look_at_listener(place: Place) -> Finding:
    listen = place.settings.reply_listen
    host, _colon, port = listen.rpartition(":")
    try:
        said = greeting(host.strip("[]"), int(port), place.patience)
    except OSError as error:
        found = f"nobody answers at HANDRAISER_REPLY_LISTEN, {listen}: {error}"
        return unknown(Subject.REPLIES, found, "start `handraiser up` or `handraiser web`; fine if that runs on another machine")
    if OURS in said:
        return ok(Subject.REPLIES, f"our listener answers at {listen}")
    return problem(
        Subject.REPLIES, f"another server answers at {listen}: {said}", "give HANDRAISER_REPLY_LISTEN a port of its own"
    )


def look_at_exchanges(place: Place) -> Iterator[Finding]:
    domain = place.settings.reply_domain
    if is_nobodys(domain):
        return
    hosts = place.names.exchanges(domain)
    if "" in hosts:
        yield problem(Subject.MX, f"{domain} says that it takes no mail (null MX): bounces and answers are lost", advice(domain))
    elif hosts:
        for host in hosts:
            yield look_at_exchange(place, domain, host)
    elif place.names.addresses(domain):
        yield look_at_exchange(place, domain, domain)
    else:
        yield problem(Subject.MX, f"{domain} has no MX record: bounces and answers are lost", advice(domain))


def advice(domain: str) -> str:
    return (
        f"publish at {domain}: MX 10 and the name of the server at whose port 25 our listener answers, or a mail server before it"
    )


def look_at_exchange(place: Place, domain: str, host: str) -> Finding:
    addresses = place.names.addresses(host)
    if not addresses:
        return problem(Subject.MX, f"{host}, which takes mail for {domain}, has no address", f"publish an A record at {host}")
    try:
        said = greeting(addresses[0], place.mx_port, place.patience)
    except OSError as error:
        found = f"{host}, which takes mail for {domain}, could not be reached at port {place.mx_port}: {error}"
        return warning(Subject.MX, found, "many networks let nobody out to port 25; look from elsewhere, too")
    if OURS in said:
        return ok(Subject.MX, f"mail for {domain} comes to our listener, at {host}")
    found = f"mail for {domain} comes to {host}, another mail server ({said})"
    return unknown(
        Subject.MX, found, "have it pass what is for r+…, b+… and u+… on to HANDRAISER_REPLY_LISTEN (docs/receiver.md)"
    )


def greeting(host: str, port: int, patience: float) -> str:
    """What a mail server says first. Raises OSError."""
    with socket.create_connection((host, port), timeout=patience) as connection:
        said = connection.recv(MOST_READ)
        connection.sendall(b"QUIT\r\n")
    return said.decode("utf-8", "replace").partition("\r\n")[0].strip()
