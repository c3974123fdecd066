"""Reports what mrml would pass over in silence: unknown tags and attributes, tags in the wrong place, tokens where they break.

Before: the whole document as a tree. After: mrml turns it into HTML. Each rule is one function over one element.
"""

import re

from engine.render.held import HELD, Document, Held
from engine.render.mjml_rules import (
    ATTRIBUTES,
    CHILDREN,
    EVERYWHERE,
    HOLDS_HTML,
    HOLDS_TEXT,
    LIVE_ATTRIBUTES,
    REFUSED,
    REFUSED_HTML,
    SCHEME_METAS,
)
from engine.render.problems import Problems
from engine.render.tags import Attribute, Element

LENGTH = re.compile(r"-?\d+(?:\.\d+)?(?:px|%)?")
MEASURED = frozenset({"width", "height", "font-size"})
SHARING = frozenset({"facebook", "twitter", "x", "linkedin", "pinterest", "xing", "tumblr", "vk", "buffer"})


def lint(tree: Element, document: Document, held: Held, problems: Problems) -> None:
    """Report everything that is wrong with the tags of a document."""
    Linting(document, held, problems).check_children(tree)


class Linting:
    """One document being checked."""

    def __init__(self, document: Document, held: Held, problems: Problems) -> None:
        self.document, self.held, self.problems = document, held, problems

    def report(self, offset: int, message: str) -> None:
        self.problems.add(self.document.at(offset), message)

    def check_children(self, parent: Element) -> None:
        """Everything directly in a tag of MJML, and below."""
        for child in parent.children:
            if isinstance(child, str):
                self.check_loose_text(parent, child)
            elif self.is_known(child):
                self.check_nesting(parent, child)
                self.check_mjml(child)

    def is_known(self, element: Element) -> bool:
        """Whether it is a tag of MJML; if not, it is reported."""
        if element.tag in ATTRIBUTES:
            return True
        if element.tag in REFUSED:
            self.report(element.start, f"<{element.tag}> is not used here: {REFUSED[element.tag]}")
        elif element.tag.lower().startswith("mj"):
            self.problems.unknown(self.document.at(element.start), "tag", element.tag, ATTRIBUTES)
        else:
            self.report(element.start, f"<{element.tag}> must be inside <mj-text>, <mj-table> or <mj-raw>")
        return False

    def check_nesting(self, parent: Element, child: Element) -> None:
        allowed = CHILDREN.get(parent.tag, frozenset())
        if child.tag not in allowed:
            homes = sorted(f"<{tag}>" for tag, children in CHILDREN.items() if child.tag in children and tag)
            where = f"<{parent.tag}>" if parent.tag else "the top of the document"
            self.report(child.start, f"<{child.tag}> cannot be in {where}; it belongs in {' or '.join(homes) or 'the layout'}")

    def check_mjml(self, element: Element) -> None:
        for attribute in element.attributes.values():
            self.check_attribute(element, attribute)
        if element.tag == "mj-attributes":
            self.check_defaults(element)
        elif element.tag in HOLDS_TEXT:
            self.check_text(element)
        elif element.tag in HOLDS_HTML:
            self.check_html(element)
            self.check_rows(element)
        else:
            self.check_children(element)
        if element.tag == "mj-social-element":
            self.check_sharing(element)

    def check_attribute(self, element: Element, attribute: Attribute) -> None:
        if attribute.name not in ATTRIBUTES[element.tag]:
            what = f"attribute of <{element.tag}>:"
            self.problems.unknown(self.document.at(attribute.start + 1), what, attribute.name, ATTRIBUTES[element.tag])
        if attribute.name in MEASURED and attribute.value != "auto" and not LENGTH.fullmatch(attribute.value):
            self.report(
                attribute.start + 1, f'{attribute.name}="{self.written(attribute.value)}" is not a length like 20px or 50%'
            )
        self.check_live(attribute)

    def check_live(self, attribute: Attribute) -> None:
        """A recipient's value may stand where a mail program shows or follows it, not where it lays out."""
        if HELD.search(attribute.value) and attribute.name not in LIVE_ATTRIBUTES:
            token = self.written(attribute.value)
            self.report(attribute.start + 1, f"{attribute.name} cannot depend on the recipient ({token}); links and texts can")
        elif attribute.name not in ("href", *LIVE_ATTRIBUTES) and attribute.name.lower().startswith("on"):
            self.report(attribute.start + 1, f"{attribute.name} would be a script, which no mail program runs")

    def check_defaults(self, element: Element) -> None:
        """`<mj-attributes>` holds tags of MJML without regard to place, `<mj-all>` and `<mj-class name="…">`."""
        every = frozenset().union(*ATTRIBUTES.values())
        for child in element.elements():
            known = every | {"name"} if child.tag in ("mj-all", "mj-class") else ATTRIBUTES.get(child.tag, frozenset())
            if not known:
                self.problems.unknown(self.document.at(child.start), "tag", child.tag, {*ATTRIBUTES, "mj-all", "mj-class"})
            for attribute in child.attributes.values() if known else ():
                if attribute.name not in known or attribute.name in EVERYWHERE:
                    self.problems.unknown(self.document.at(attribute.start + 1), "attribute:", attribute.name, known)
                self.check_live(attribute)

    def check_text(self, element: Element) -> None:
        for child in element.elements():
            self.report(child.start, f"<{child.tag}> cannot be in <{element.tag}>, which is plain text")
        if element.tag == "mj-style" and any(isinstance(child, str) and HELD.search(child) for child in element.children):
            self.report(element.start, "a style cannot depend on the recipient")

    def check_html(self, element: Element) -> None:
        """HTML in a tag of MJML: no scripts, no forms, no more MJML."""
        for inside in list(element.walk())[1:]:
            if inside.tag.startswith("mj-"):
                self.report(inside.start, f"<{inside.tag}> cannot be in <{element.tag}>, which holds HTML")
            elif inside.tag.lower() in REFUSED_HTML and not says_colour_scheme(inside):
                self.report(inside.start, f"<{inside.tag}> is not for mail: mail programs drop it or warn of it")
            for attribute in inside.attributes.values():
                self.check_live(attribute)

    def check_rows(self, element: Element) -> None:
        """A statement between the rows of a table needs a `<tbody>` around it, or mail programs move it out of the table."""
        bare = element.tag == "mj-table" and any(
            self.has_statement(child) for child in element.children if isinstance(child, str)
        )
        if bare and any(child.tag == "tr" for child in element.elements()):
            self.report(element.start, "put the rows of this table, with their {% … %}, inside <tbody>…</tbody>")

    def check_sharing(self, element: Element) -> None:
        if element.get("name") in SHARING:
            name = element.get("name")
            self.report(element.start, f'name="{name}" would make a link for sharing; name="{name}-noshare" leads to your page')

    def check_loose_text(self, parent: Element, text: str) -> None:
        """Between tags of MJML only statements may stand, and none around single columns: their widths are already shared out."""
        words = HELD.sub(lambda found: "" if self.has_statement(found[0]) else "x", text).strip()
        start = self.document.text.find(text, parent.start)
        if words:
            self.report(
                start + len(text) - len(text.lstrip()), f"text directly in <{parent.tag or 'mjml'}>: put it inside <mj-text>"
            )
        if self.has_statement(text) and parent.tag in ("mj-section", "mj-group") and self.governs(text):
            self.report(parent.start, f"a condition cannot be around a column of <{parent.tag}>; put it around the whole section")

    def governs(self, text: str) -> bool:
        return any(not self.held.token(found[1]).strip("{%-+ ").startswith("set") for found in HELD.finditer(text))

    def has_statement(self, text: str) -> bool:
        return any(self.held.token(found[1]).startswith("{%") for found in HELD.finditer(text))

    def written(self, value: str) -> str:
        return self.held.restore(value)[:60]


def says_colour_scheme(element: Element) -> bool:
    return element.tag == "meta" and element.get("name") in SCHEME_METAS and element.attributes.keys() == {"name", "content"}
