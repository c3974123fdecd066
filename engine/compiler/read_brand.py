"""A brand file as written: how its mail looks, and who it can be from.

Before: `engine.compiler.reading` over one file of `templates/brands/`. After: `engine.compiler.check`; `engine.compiler.senders`
picks the identity that a mail is from.
"""

from collections.abc import Collection, Iterator

from engine.compiler import kinds
from engine.compiler.diagnostics import Findings, Place
from engine.compiler.reading import Section, plain, scalar_of, value_of
from engine.compiler.sender import Sender
from engine.compiler.senders import REP
from engine.compiler.shapes_of_tables import BRAND, BRAND_LANGUAGE, FONTS, IDENTITY, LOGO
from engine.compiler.source import Node
from engine.compiler.syntax import Brand


def read_brand(node: Node, name: str, findings: Findings) -> Brand:
    """A brand: the templates see it as it is written, so only what the engine itself needs is checked."""
    section = Section(node, "a brand", BRAND, findings)
    section.text("name")
    section.require("postal_address")
    section.optional("zone", kinds.ZONE)
    section.optional("site", kinds.LINK)
    if "fonts" in section:
        Section(section.node("fonts"), "`fonts`", FONTS, findings).text("text")
    if "logo" in section:
        logo = Section(section.node("logo"), "`logo`", LOGO, findings)
        logo.text("picture")
        logo.optional("width", kinds.COUNT)
    for _, colour in section.named_entries("colours"):
        check_value(colour, kinds.COLOUR, "a colour", findings)
    for _, link in section.named_entries("links"):
        check_value(link, kinds.LINK, "a link", findings)
    for code, own in section.keyed_entries("languages"):
        check_language(section.value(code, kinds.LANGUAGE_CODE, "").value, own, findings)
    identities = dict(read_identities(section))
    usual, values = usual_sender(section, identities), plain(node)
    return Brand(
        name=name,
        place=Place(section.place.file),
        values={**values, "from": usual} if isinstance(values, dict) else {},
        identities=identities,
        usual=usual,
    )


def read_identities(section: Section) -> Iterator[tuple[str, Sender]]:
    """Each by its name; what is wrong with them is reported."""
    section.require("identities")
    for key, node in section.keyed_entries("identities"):
        if key.text == REP:
            told = "an identity cannot be called `rep`: with `from: rep`, a mail is from the lead's rep"
            section.findings.add("E017", key.place, told)
        own = Section(node, "an identity", IDENTITY, section.findings)
        name, address = own.text("name"), own.needed("address", kinds.ADDRESS, "").value
        yield section.value(key, kinds.NAME, "").value, Sender(name=name, address=address)


def usual_sender(section: Section, identities: Collection[str]) -> str:
    """The identity of mails that name none; an empty one where that cannot be told (reported)."""
    named = section.optional("from", kinds.TEXT)
    if named and named.value not in identities and "identities" in section:
        section.findings.unknown("E065", named.place, "identity", named.value, identities)
    if named is None and len(identities) > 1:
        told = "a brand with several identities needs `from:`, the one of mails that name none"
        section.findings.add("E011", section.place, told)
    return named.value if named else next(iter(identities), "")


def check_language(code: str, node: Node, findings: Findings) -> None:
    """What a brand says otherwise in a language."""
    own = Section(node, f'the brand in "{code}"', BRAND_LANGUAGE, findings)
    own.optional("site", kinds.LINK)
    for _, link in own.named_entries("links"):
        check_value(link, kinds.LINK, "a link", findings)


def check_value(node: Node, kind: kinds.Kind[str], what: str, findings: Findings) -> None:
    if scalar := scalar_of(node, what, findings):
        value_of(scalar, kind, what, findings)
