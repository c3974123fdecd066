"""Turns every link of an email into one of ours, and says what each leads to.

Before: the whole email as MJML, still with stand-ins for tokens. After: the same with tracked addresses, and the link table
that `webhooks` answers clicks from. A link that depends on the recipient is sealed into the mail's own URL, so that no table
holds anything personal.
"""

import re
from dataclasses import replace
from html import escape, unescape
from html.entities import html5
from urllib.parse import quote, urlsplit

from engine.render.artifact import Link
from engine.render.edits import Edit
from engine.render.held import HELD, Document, Held
from engine.render.problems import Place, Problems
from engine.render.tags import Attribute, Element

OURS = re.compile(r"\{\{-?\s*(?:unsubscribe_url|web_url)\s*-?\}\}")
ADDRESS = re.compile(r"(?:rep|lead)\.email")
ABSOLUTE = re.compile(r"[a-z][a-z+.-]*:|zqj\d", re.IGNORECASE)
ENTITY = re.compile(r"&#?\w+;|&[a-zA-Z][a-zA-Z0-9]*+(?!=)")
WEB = re.compile(r"https?://[^\s/?#@]+", re.IGNORECASE)
FIXED_HOST = re.compile(r"https?://[^\s/?#@]+[/?#]", re.IGNORECASE)
NAMED_BY_NAME = (
    "a",
    "mj-button",
    "mj-image",
    "mj-navbar-link",
    "mj-carousel-image",
)  # elsewhere `name` means something else to MJML
SOURCES = ("src", "background-url")
# The page of a network on which a reader shares an address, by the `name` of an `<mj-social-element>`.
SHARING = {
    "facebook": "https://www.facebook.com/sharer/sharer.php?u={}",
    "twitter": "https://twitter.com/intent/tweet?url={}",
    "x": "https://twitter.com/intent/tweet?url={}",
    "google": "https://plus.google.com/share?url={}",
    "pinterest": "https://pinterest.com/pin/create/button/?url={}&media=&description=",
    "linkedin": "https://www.linkedin.com/shareArticle?mini=true&url={}&title=&summary=&source=",
    "tumblr": "https://www.tumblr.com/widgets/share/tool?canonicalUrl={}",
    "xing": "https://www.xing.com/app/user?op=share&url={}",
}


class Links:
    """The link table of one email, as it grows."""

    def __init__(self, held: Held, problems: Problems) -> None:
        self.held, self.problems = held, problems
        self._links: list[Link] = []

    def table(self) -> tuple[Link, ...]:
        return tuple(self._links)

    def track(self, href: str, name: str, place: Place) -> str:
        """What to write instead of an address: our own for a web address, itself for one that is ours or not of the web."""
        written = attribute_text(href).strip()
        if OURS.fullmatch(self.held.restore(written)) or written.lower().startswith("tel:"):
            return href
        if written.lower().startswith("mailto:"):
            return HELD.sub(self.in_mailto, href)
        if HELD.search(written):
            return self.personal(written, name, place)
        if not WEB.match(written):
            self.problems.add(place, f'"{written[:60]}" is not a link: write https://…, mailto:… or tel:…')
            return href
        return f"{self.hold_values()}/{self.number_of(Link(name=name or urlsplit(written).path or '/', target=written))}"

    def in_mailto(self, found: re.Match[str]) -> str:
        """A value in the subject of a mail that the reader writes is not to begin its Bcc, nor to end at its own `&`."""
        if self.held.is_statement(found[1]) or ADDRESS.fullmatch(expression := inner(self.held.token(found[1]))):
            return found[0]
        return self.held.hold(f"{{{{ ({expression})|spoken|urlencode|replace('%40', '@') }}}}")

    def personal(self, written: str, name: str, place: Place) -> str:
        """A link into which the recipient's values go: sealed, and checked to be a web address when it is rendered."""
        expression = self.expression(written, place)
        number = self.number_of(Link(name=name or self.name_of(written), target=None))
        sealed = self.held.hold(f"{{{{ seal({expression}) }}}}")
        return f"{self.held.hold('{{ track }}')}/p/{self.held.hold('{{ token }}')}/{number}/{sealed}"

    def expression(self, written: str, place: Place) -> str:
        """One Jinja expression for an address made of text and values. Values after a fixed host cannot leave their part."""
        parts = HELD.split(written)
        if any(map(self.held.is_statement, parts[1::2])):
            self.problems.add(place, "a link cannot have {% … %} inside: write the condition around the whole link")
            return "''"
        if len(parts) == 3 and not parts[0] and not parts[2]:
            return inner(self.held.token(parts[1]))
        if not FIXED_HOST.match(parts[0]):
            self.problems.add(place, "a link must begin with its fixed host, as in https://example.com/{{ … }}, or be one value")
        return " ~ ".join(self.part(index, part) for index, part in enumerate(parts) if part)

    def part(self, index: int, part: str) -> str:
        return f"({inner(self.held.token(part))})|spoken|urlencode" if index % 2 else repr(part)

    def name_of(self, written: str) -> str:
        """A fixed host names the link by its path, a single value by its expression."""
        before = HELD.split(written)[0]
        return urlsplit(before).path or "/" if before else inner(self.held.token(HELD.split(written)[1]))

    def hold_values(self) -> str:
        return f"{self.held.hold('{{ track }}')}/c/{self.held.hold('{{ token }}')}"

    def number_of(self, link: Link) -> int:
        """The link's place in the table; a fixed link that is there already keeps its place."""
        if link.target is None or link not in self._links:
            self._links.append(link)
            return len(self._links) - 1
        return self._links.index(link)


def attribute_text(value: str) -> str:
    """What an attribute says. Without its semicolon an entity is one only if no word goes on: not in `?a=1&region=2`."""
    return ENTITY.sub(lambda found: unescape(found[0]) if found[0][-1] == ";" else html5.get(found[0][1:], found[0]), value)


def inner(token: str) -> str:
    return token[2:-2].strip("-+ \t\n")


def edits_of_links(tree: Element, document: Document, links: Links) -> list[Edit]:
    """What tracks the links and takes out their names. Raises nothing; what is not a link is reported."""
    edits: list[Edit] = []
    for element in tree.walk():
        if element.tag == "mj-font":
            continue
        if element.tag == "mj-navbar":
            edits += edits_of_base(element)
        if href := element.attributes.get("href"):
            edits += edits_of_link(element, href, document, links)
        edits += [edit for name in SOURCES if (edit := edit_of_source(element.attributes.get(name), document, links))]
    return edits


def edits_of_base(navbar: Element) -> list[Edit]:
    """The `base-url` goes to the links that need it, before they are tracked."""
    base = navbar.attributes.get("base-url")
    for link in navbar.elements() if base else ():
        href = link.attributes.get("href")
        if base and href and not ABSOLUTE.match(href.value):
            link.attributes["href"] = replace(href, before=base.value)
    return [Edit(base.start, base.end, "")] if base else []


def edits_of_link(element: Element, href: Attribute, document: Document, links: Links) -> list[Edit]:
    name = element.attributes.get("name")
    is_name = name is not None and element.tag in NAMED_BY_NAME
    sharing = SHARING.get(element.get("name"), "{}") if element.tag == "mj-social-element" else "{}"
    leads_to = sharing.format(quote(attribute_text(href.value), safe="") if sharing != "{}" else href.before + href.value)
    tracked = links.track(leads_to, unescape(name.value) if name and is_name else "", document.at(href.start + 1))
    edits = [Edit(href.value_start, href.value_start + len(href.value), tracked)]
    if name and is_name:
        edits.append(Edit(name.start, name.end, ""))
    elif name and sharing != "{}":
        edits.append(Edit(name.value_start, name.value_start + len(name.value), f"{name.value}-noshare"))
    return edits


def edit_of_source(source: Attribute | None, document: Document, links: Links) -> Edit | None:
    """A picture whose address is the recipient's is checked when it is rendered, as links are."""
    if source is None or not HELD.search(source.value):
        return None
    expression = links.expression(attribute_text(source.value), document.at(source.start + 1))
    checked = links.held.hold(f"{{{{ checked_url({expression}) }}}}")
    return Edit(source.value_start, source.value_start + len(source.value), checked)


def track_written_addresses(text: str, links: Links, place: Place) -> str:
    """The same for a hand-written text part, where addresses stand in the open."""
    return re.sub(r"https?://[^\s<>\"]*[^\s<>\".,;:!?)]", lambda found: links.track(escape(found[0]), "", place), text)
