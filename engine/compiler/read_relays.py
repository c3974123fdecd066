"""relays.yaml as written: the mail servers that mail goes out through, and what recipient domains bear.

Before: `engine.compiler.reading` over the file. After: `engine.compiler.check_relays` looks whether all mail has a way out.
"""

import re
from collections.abc import Iterator
from datetime import date

from engine.compiler import kinds
from engine.compiler.diagnostics import Findings, Place, quote
from engine.compiler.reading import Section, scalar_of, value_of
from engine.compiler.relay import DECLARABLE, OTHERS, DomainLimit, Relay, WarmUp
from engine.compiler.shapes_of_relays import LIMIT, RELAY, RELAYS, WARM_UP
from engine.compiler.source import Mapping, Node
from engine.compiler.syntax import Relays, Text, Written
from engine.domains import folded_domain
from engine.settings import MAIN
from engine.vocabulary import Stream

FIRST_GROWTH = 0.01
NO_RELAYS = Relays(place=Place("relays.yaml"), relays=(Written(Relay(name=MAIN), Place("relays.yaml")),))

_DOMAIN = re.compile(r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]")
_RELAY = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")  # so that the name of its setting says which it is
_PERCENT = re.compile(r"(\d{1,4}(?:\.\d{1,2})?) ?%", re.ASCII)


def read_relays(node: Node, findings: Findings) -> Relays:
    section = Section(node, "relays.yaml", RELAYS, findings)
    read = list(read_each(section))
    if "relays" in section and not read:
        report_emptiness(section)
    return Relays(
        place=section.place_of("relays"),
        relays=tuple(relay for relay, _ in read) or NO_RELAYS.relays,
        brands=tuple(brand for _, brands in read for brand in brands),
        limits=dict(read_limits(section)),
    )


def read_each(section: Section) -> Iterator[tuple[Written[Relay], tuple[Text, ...]]]:
    """Each relay, and the brands that it names, with their places."""
    for key, node in section.keyed_entries("relays"):
        name = value_of(key, RELAY_NAME, "`relays`", section.findings)
        read = read_relay(node, key.text, section.findings)
        if name:
            yield read


def report_emptiness(section: Section) -> None:
    node = section.node("relays")
    if isinstance(node, Mapping) and not node.entries:
        section.findings.add("E028", node.place, "`relays` is empty")


def read_relay(node: Node, name: str, findings: Findings) -> tuple[Written[Relay], tuple[Text, ...]]:
    section = Section(node, "a relay", RELAY, findings)
    streams, brands = read_streams(section), section.texts("brands")
    relay = Relay(
        name=name,
        weight=section.given("weight", WEIGHT, 1).value,
        streams=tuple(stream for stream in DECLARABLE if not streams or stream in streams),
        brands=tuple(brand.value for brand in brands),
        domains=tuple(domain.value for domain in read_domains(section)),
        warm_up=read_warm_up(section),
    )
    return Written(relay, node.place), brands


def read_streams(section: Section) -> list[str]:
    words = section.texts("streams")
    for word in words:
        if word.value not in DECLARABLE:
            message = f"each of `streams`: {quote(word.value)} is not one of: {', '.join(DECLARABLE)}"
            section.findings.guess("E014", word.place, message, word.value, DECLARABLE)
    return [Stream(word.value) for word in words if word.value in DECLARABLE]


def read_domains(section: Section) -> Iterator[Text]:
    for item in section.list_of_nodes("domains"):
        if scalar := scalar_of(item, "each of `domains`", section.findings):
            yield from filter(None, [value_of(scalar, DOMAIN, "each of `domains`", section.findings)])


def read_warm_up(section: Section) -> WarmUp | None:
    if (node := section.node("warm_up")) is None:
        return None
    own = Section(node, "`warm_up`", WARM_UP, section.findings)
    mails, until = own.needed("mails", kinds.COUNT, 1), own.needed("until", kinds.COUNT, 1)
    starts_on, grows = own.needed("from", kinds.DATE, date.min), own.needed("grows", PERCENT, FIRST_GROWTH)
    if grows.value < FIRST_GROWTH:
        own.findings.add("E069", grows.place, "`grows` must be 1% or more, or the warm-up never ends")
    if "until" in own and until.value < mails.value:
        told = f"it begins with {mails.value} mails a day and ends at {until.value}; `until` must be at least as much"
        own.findings.add("E069", until.place, told)
    return WarmUp(starts_on=starts_on.value, mails=mails.value, grows=grows.value, until=until.value)


def read_limits(section: Section) -> Iterator[tuple[str, DomainLimit]]:
    seen: set[str] = set()
    for key, node in section.keyed_entries("limits"):
        found = value_of(key, DOMAIN_OR_OTHERS, "each of `limits`", section.findings)
        domain = found.value if found else ""
        if domain in seen:
            section.findings.add("E024", key.place, f"{quote(key.text)} is here already, spelt otherwise")
        elif domain:
            seen.add(domain)
            yield domain, read_limit(node, section.findings)


def read_limit(node: Node, findings: Findings) -> DomainLimit:
    section = Section(node, "a limit", LIMIT, findings)
    per_hour, connections = section.optional("per_hour", kinds.COUNT), section.optional("connections", kinds.COUNT)
    if "per_hour" not in section and "connections" not in section and not section.misspelt and not section.is_misshapen:
        findings.add("E028", section.place, "a limit needs `per_hour:` or `connections:`")
    return DomainLimit(per_hour=per_hour.value if per_hour else None, connections=connections.value if connections else None)


def parse_relay_name(text: str) -> str:
    if not _RELAY.fullmatch(text) or len(text) > kinds.LONGEST_NAME:
        raise kinds.Unusable(f"{quote(text)} cannot be the name of a relay: small letters and digits, with hyphens between them")
    return text


def parse_domain(text: str) -> str:
    domain = folded_domain(text.strip())
    if not _DOMAIN.fullmatch(domain):
        raise kinds.Unusable(f"{quote(text)} is not a domain; write it like gmail.com")
    return domain


def parse_domain_or_others(text: str) -> str:
    return OTHERS if text == OTHERS else parse_domain(text)


def parse_percent(text: str) -> float:
    found = _PERCENT.fullmatch(text)
    if not found:
        raise kinds.Unusable(f"{quote(text)} is not a share; write it like 30%")
    return round(float(found[1]) / 100, 4)


RELAY_NAME = kinds.Kind("E017", parse_relay_name)
DOMAIN = kinds.Kind("E068", parse_domain)
DOMAIN_OR_OTHERS = kinds.Kind("E068", parse_domain_or_others)
PERCENT = kinds.Kind("E016", parse_percent)
WEIGHT = kinds.whole_kind(0, 1_000)
