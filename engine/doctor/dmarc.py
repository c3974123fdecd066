"""DMARC (RFC 7489): what receivers do with mail in our name that proves nothing, and whether ours proves what it must.

Before: `engine.doctor.place` knows the domains of From. After: a mail passes where SPF or DKIM holds for a domain that is of the
same owner. Who that is the public suffix list would tell; here, as in DMARC's newer draft, a walk up the names does.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from engine.doctor.finding import Finding, Subject, ok, problem, unknown, warning
from engine.doctor.names import Names
from engine.doctor.place import Place
from engine.doctor.records import tags_of
from engine.doctor.spf_record import spf_records

POLICIES = ("none", "quarantine", "reject")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The record that counts for a domain, and at which name it stands. `highest`: the highest name above it that has one."""

    name: str
    records: tuple[str, ...]
    highest: str

    @property
    def tags(self) -> dict[str, str]:
        return tags_of(self.records[0])


def look_at_dmarc(place: Place) -> Iterator[Finding]:
    for domain in place.domains:
        found = policy_of(place.names, domain)
        yield judged(domain, found)
        if found is not None:
            yield look_at_alignment(place, domain, found)


def policy_of(names: Names, domain: str) -> Policy | None:
    """The domain's own, or the nearest above it."""
    found = [(name, records) for name in from_here_up(domain) if (records := dmarc_records(names, name))]
    return Policy(name=found[0][0], records=found[0][1], highest=found[-1][0]) if found else None


def from_here_up(domain: str) -> Iterator[str]:
    while "." in domain:
        yield domain
        domain = domain.partition(".")[2]


def dmarc_records(names: Names, name: str) -> tuple[str, ...]:
    return tuple(text for text in names.texts(f"_dmarc.{name}") if re.match(r"v=DMARC1\s*(;|$)", text))


def judged(domain: str, found: Policy | None) -> Finding:
    if found is None:
        advice = f'publish a TXT record at _dmarc.{domain}: "v=DMARC1; p=none; rua=mailto:dmarc@{domain}"'
        return problem(Subject.DMARC, f"{domain} has no DMARC record: Gmail, Yahoo and Microsoft want one", advice)
    said = f"{domain}: _dmarc.{found.name} says “{found.records[0]}”"
    policy = found.tags.get("p" if found.name == domain else "sp", found.tags.get("p", ""))
    if len(found.records) > 1:
        return problem(
            Subject.DMARC, f"_dmarc.{found.name} has {len(found.records)} records, and so none counts", "keep one of them"
        )
    if policy not in POLICIES:
        return problem(
            Subject.DMARC, f"{said}: its p= says nothing", "write p=none, p=quarantine or p=reject, right behind v=DMARC1;"
        )
    if "rua" not in found.tags:
        advice = f"add rua=mailto:dmarc@{found.name}, and read there who sends in your name"
        return warning(Subject.DMARC, f"{said}: nobody gets the reports", advice)
    return ok(Subject.DMARC, said)


def look_at_alignment(place: Place, domain: str, found: Policy) -> Finding:
    """A mail is From this domain; whether what proves it proves it for this domain."""
    ways = list(ways_to_pass(place, domain, found))
    if ways:
        return ok(Subject.DMARC, f"mail from {domain} passes by {' and by '.join(ways)}")
    if not place.signer.keys_for(domain):
        said = f"mail from {domain} passes only if your relay signs as {domain}"
        return unknown(Subject.DMARC, said, f"ask its operator, or let Handraiser sign: handraiser dkim make {domain}")
    said = f"mail from {domain} does not pass: _dmarc.{found.name} wants the very same domain (adkim=s, aspf=s)"
    return problem(Subject.DMARC, said, f"handraiser dkim make {domain}, or take adkim=s out of the record")


def ways_to_pass(place: Place, domain: str, found: Policy) -> Iterator[str]:
    keys = place.signer.keys_for(domain)
    if keys and is_aligned(keys[0].domain, domain, found, "adkim"):
        yield f"DKIM ({keys[0].domain})"
    bounces = place.settings.reply_domain
    if is_aligned(bounces, domain, found, "aspf") and spf_records(place.names, bounces):
        yield f"SPF ({bounces})"


def is_aligned(proven: str, domain: str, found: Policy, tag: str) -> bool:
    """Whether a proof for the one domain counts for the other: both are of one owner, or with `tag`=s the same."""
    if found.tags.get(tag) == "s":
        return proven == domain
    return within(proven, domain) or within(domain, proven) or within(proven, found.highest)


def within(domain: str, above: str) -> bool:
    return domain == above or domain.endswith(f".{above}")
