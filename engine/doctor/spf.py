"""SPF: whether the envelope's domain says which servers may send for it, and names those that do.

Before: `engine.doctor.place` knows the domain and the addresses that mail leaves from. After: receivers ask it of each mail.
"""

import ipaddress
from collections.abc import Iterator, Sequence

from engine.doctor.finding import Finding, Subject, ok, problem, unknown, warning
from engine.doctor.place import Place, is_nobodys
from engine.doctor.sending import hosts_of, sending_addresses
from engine.doctor.spf_record import MOST_LOOKUPS, Read, read_spf, spf_records


def look_at_spf(place: Place) -> Iterator[Finding]:
    domain = place.settings.reply_domain
    if is_nobodys(domain):
        return
    records = spf_records(place.names, domain)
    if not records:
        terms = in_terms(place.sends_from) or ("include:…" if hosts_of(place) else "ip4:…")
        advice = f'publish a TXT record at {domain}: "v=spf1 {terms} ~all"; your relay\'s operator says what to include'
        yield problem(Subject.SPF, f"{domain}, to which bounces come back, has no SPF record", advice)
    elif len(records) > 1:
        said = f"{domain} has {len(records)} SPF records, and so none counts"
        yield problem(Subject.SPF, said, "join them into one: one v=spf1 at the beginning, one ~all at the end")
    else:
        read = read_spf(place.names, domain, records[0])
        yield judged(f"{domain} says “{records[0]}”", read)
        yield from look_whether_let(place, domain, read)


def in_terms(addresses: Sequence[str]) -> str:
    return " ".join(f"ip{ipaddress.ip_address(address).version}:{address}" for address in addresses)


def judged(said: str, read: Read) -> Finding:
    if read.faults:
        return problem(Subject.SPF, f"{said}: {read.faults[0]}", "correct it; receivers take a broken record for none")
    if read.lookups > MOST_LOOKUPS:
        advice = "leave out what you no longer send through, or write addresses (ip4:) in the place of names"
        return problem(Subject.SPF, f"{said}: it asks the DNS more than {MOST_LOOKUPS} times, and so does not count", advice)
    if read.rest == "+":
        return problem(Subject.SPF, f"{said}: the whole world may send in its name", "end it with ~all")
    if read.rest in (None, "?"):
        return warning(Subject.SPF, f"{said}: of all other servers it says nothing", "end it with ~all")
    return ok(Subject.SPF, f"{said} ({read.lookups} of {MOST_LOOKUPS} questions to the DNS)")


def look_whether_let(place: Place, domain: str, read: Read) -> Iterator[Finding]:
    """Whether the servers that mail leaves from are among those of the record."""
    addresses = sending_addresses(place)
    shut_out = [address for address in addresses if not read.lets(address)]
    if place.sends_from and shut_out:
        yield problem(
            Subject.SPF, f"{domain} does not let {', '.join(shut_out)} send", f"put {in_terms(shut_out)} before its `all`"
        )
    elif addresses and not shut_out:
        yield ok(Subject.SPF, f"{domain} lets {', '.join(addresses)} send")
    elif place.relays:
        through = ", ".join(hosts_of(place)) or "the relay here"
        said = f"whether {domain} lets those servers send through which {through} passes mail on"
        advice = (
            "its operator says what to include; where you know the addresses, `handraiser doctor --sends-from ADDRESS` compares"
        )
        yield unknown(Subject.SPF, said, advice)
