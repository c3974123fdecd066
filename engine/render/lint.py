"""Reports what mrml would pass over in silence: unknown tags and attributes, tags in the wrong place, tokens where they break.

Before: the whole document as a tree. After: mrml turns it into HTML; once, unless a token stands where MJML itself needs its
value, which is a warning. Each rule is one function over one element.
"""

import re
from html import unescape

from engine.render.foreign import PLACEHOLDER
from engine.render.held import HELD, Document, Held
from engine.render.links import SHARING
from engine.render.markup import INLINE_STYLE, NOTES
from engine.render.mjml_rules import (
    ATTRIBUTES,
    CHILDREN,
    EVERYWHERE,
    HOLDS_HTML,
    HOLDS_TEXT,
    KEEPS_STATEMENTS,
    LIVE_ATTRIBUTES,
    MEASURED,
    NOT_EVERYWHERE,
    REFUSED,
    REFUSED_HTML,
    SCHEME_METAS,
)
from engine.render.problems import Problems
from engine.render.tags import Attribute, Element

# Attributes that are, or hold, an address; `href` is looked at when links are tracked.
ADDRESSES = (
    "action", "background", "background-url", "cite", "dynsrc", "longdesc", "lowsrc", "ping", "poster", "src", "srcset", "style",
    "xlink:href",
)  # fmt: skip
BLANK = re.compile(r"[\x00-\x20]+")  # which browsers pass over in a scheme
SCRIPT = re.compile(r"(?:^|url\(['\"]?)(?:(?:java|vb)script:|data:text/html)", re.IGNORECASE)
LENGTH = re.compile(r"-?\d+(?:\.\d+)?(?:px|%)?")
AFRESH = "W060"
NOT_EVERYWHERE_CODE = "W061"


def lint(tree: Element, document: Document, held: Held, problems: Problems) -> bool:
    """Report everything that is wrong with the tags of a document. Whether MJML can be compiled once for everybody."""
    linting = Linting(document, held, problems)
    linting.check_children(tree)
    linting.check_comments()
    linting.check_placeholders()
    return linting.is_settled


class Linting:
    """One document being checked."""

    def __init__(self, document: Document, held: Held, problems: Problems) -> None:
        self.document, self.held, self.problems = document, held, problems
        self.has_inlined = bool(INLINE_STYLE.search(document.text))
        self.is_settled = True

    def report_unsettled(self, offset: int, what: str, instead: str) -> None:
        """MJML must know each person's own value here."""
        self.is_settled = False
        told = f"{what}, so MJML is read anew for each person, which takes about forty times as long; {instead}"
        self.problems.warn(AFRESH, self.document.at(offset), told)

    def warn(self, offset: int, message: str) -> None:
        self.problems.warn(NOT_EVERYWHERE_CODE, self.document.at(offset), message)

    def report(self, offset: int, message: str) -> None:
        self.problems.add(self.document.at(offset), message)

    def check_children(self, parent: Element) -> None:
        """Everything directly in a tag of MJML, and below."""
        for child in parent.children:
            if isinstance(child, str):
                self.check_loose_text(parent, child)
            elif self.is_known(child):
                self.check_nesting(parent, child)
                self.check_split(parent, child)
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

    def check_split(self, parent: Element, child: Element) -> None:
        """Statements in `<mj-raw>` count as if they stood there without it: other compilers need it around them."""
        if child.tag == "mj-raw" and parent.tag not in KEEPS_STATEMENTS and self.is_half(child.texts()):
            instead = "put it around the whole section, or around the whole tag"
            self.report_unsettled(child.start, f"a {{% … %}} directly in <{parent.tag or 'mjml'}>", instead)

    def check_mjml(self, element: Element) -> None:
        for attribute in element.attributes.values():
            self.check_attribute(element, attribute)
        if element.tag == "mj-hero" and element.get("mode") == "fluid-height":
            self.warn(element.start, 'mode="fluid-height" is as high as its content here; mode="fixed-height" keeps a height')
        if element.tag in NOT_EVERYWHERE:
            self.warn(element.start, f"<{element.tag}>: {NOT_EVERYWHERE[element.tag]}")
        if element.tag == "mj-attributes":
            self.check_defaults(element)
        elif element.tag in HOLDS_TEXT:
            self.check_text(element)
        elif element.tag in HOLDS_HTML:
            self.check_html(element)
            self.check_rows(element)
        else:
            self.check_children(element)
        if element.tag == "mj-social-element" and element.get("name") in SHARING and element.get("href"):
            name = element.get("name")
            self.warn(element.start, f'name="{name}" makes a link for sharing; name="{name}-noshare" leads to your page')

    def check_attribute(self, element: Element, attribute: Attribute) -> None:
        if HELD.fullmatch(attribute.name):
            self.check_between(element, attribute)
            return
        self.check_script(attribute)
        if attribute.name not in ATTRIBUTES[element.tag]:
            what = f"attribute of <{element.tag}>:"
            self.problems.unknown(self.document.at(attribute.start + 1), what, attribute.name, ATTRIBUTES[element.tag])
        is_live = bool(HELD.search(attribute.value))
        if attribute.name in MEASURED and not is_live and attribute.value != "auto" and not LENGTH.fullmatch(attribute.value):
            self.report(
                attribute.start + 1, f'{attribute.name}="{self.written(attribute.value)}" is not a length like 20px or 50%'
            )
        if is_live and attribute.name not in LIVE_ATTRIBUTES:
            instead = "a style of HTML inside <mj-text> or <mj-table> may depend on them at no cost"
            self.report_unsettled(attribute.start + 1, f"{attribute.name} depends on the recipient", instead)

    def check_between(self, element: Element, attribute: Attribute) -> None:
        """A statement between the attributes of a tag is carried out before MJML reads the tag."""
        if not self.held.is_statement(HELD.findall(attribute.name)[0]):
            self.report(attribute.start, f"{self.written(attribute.name)} cannot be an attribute; it can stand inside quotes")
        elif "href" in element.attributes:
            self.report(attribute.start, "a link cannot have {% … %} inside: write the condition around the whole link")
        else:
            instead = "put the condition around the whole tag, or inside the quotes of an HTML attribute"
            self.report_unsettled(attribute.start, f"a condition inside the tag <{element.tag}>", instead)

    def check_script(self, attribute: Attribute) -> None:
        name, value = attribute.name.lower(), BLANK.sub("", unescape(attribute.value))
        if name.startswith("on") or (name in ADDRESSES and SCRIPT.search(value)):
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
                if HELD.search(attribute.value):
                    self.report_unsettled(
                        attribute.start + 1, f"{attribute.name} depends on the recipient", "write it at the tag"
                    )

    def check_text(self, element: Element) -> None:
        for child in element.elements():
            self.report(child.start, f"<{child.tag}> cannot be in <{element.tag}>, which is plain text")
        is_live = any(isinstance(child, str) and HELD.search(child) for child in element.children)
        if element.get("inline") == "inline" and is_live:
            self.report_unsettled(element.start, "a style that is inlined depends on the recipient", 'leave out inline="inline"')

    def check_html(self, element: Element) -> None:
        """HTML in a tag of MJML: no scripts, no forms, no more MJML."""
        for inside in list(element.walk())[1:]:
            if inside.tag.startswith("mj-"):
                self.report(inside.start, f"<{inside.tag}> cannot be in <{element.tag}>, which holds HTML")
            elif inside.tag.lower() in REFUSED_HTML and not says_colour_scheme(inside):
                self.report(inside.start, f"<{inside.tag}> is not for mail: mail programs drop it or warn of it")
            for attribute in inside.attributes.values():
                self.check_between(inside, attribute) if HELD.fullmatch(attribute.name) else self.check_script(attribute)

    def check_rows(self, element: Element) -> None:
        """Where styles are inlined, a statement between rows needs a `<tbody>` around it, or it is moved out of the table."""
        bare = element.tag == "mj-table" and any(
            self.has_statement(child) for child in element.children if isinstance(child, str)
        )
        if bare and self.has_inlined and any(child.tag == "tr" for child in element.elements()):
            instead = "put the rows of this table, with their {% … %}, inside <tbody>…</tbody>"
            self.report_unsettled(element.start, "styles are inlined into a table with {% … %}", instead)

    def check_loose_text(self, parent: Element, text: str) -> None:
        """Between tags of MJML only statements may stand; around single columns they change the widths of all."""
        words = HELD.sub(lambda found: "" if self.has_statement(found[0]) else "x", text).strip()
        start = self.document.text.find(text, parent.start)
        if words:
            self.report(
                start + len(text) - len(text.lstrip()), f"text directly in <{parent.tag or 'mjml'}>: put it inside <mj-text>"
            )
        if self.has_statement(text) and parent.tag not in KEEPS_STATEMENTS:
            self.is_settled = False
        if self.begins_statement(text) and parent.tag not in KEEPS_STATEMENTS:
            around = (
                "put it around the whole section" if parent.tag in ("mj-section", "mj-group") else "put it around the whole tag"
            )
            self.report_unsettled(start + text.find("zqj"), f"a {{% … %}} directly in <{parent.tag or 'mjml'}>", around)

    def check_comments(self) -> None:
        """A comment is not sent, and so cannot hold one half of a condition."""
        for note in NOTES.finditer(self.document.text):
            if self.is_half(note[0]):
                self.report(note.start(), "this comment is not sent, but holds one half of a condition; write that outside of it")

    def check_placeholders(self) -> None:
        """What another program would fill in is text to us."""
        for found in PLACEHOLDER.finditer(self.document.text):
            told = (
                f'"{found[0]}" is a placeholder of another program and would be sent as it is; write {{{{ lead.… }}}} or the like'
            )
            self.problems.warn("W062", self.document.at(found.start()), told)

    def is_half(self, text: str) -> bool:
        """Whether it begins a condition or loop that ends elsewhere, or ends one."""
        words = [self.word(found) for found in HELD.findall(text)]
        return words.count("if") != words.count("endif") or words.count("for") != words.count("endfor")

    def begins_statement(self, text: str) -> bool:
        return any(self.word(found) in ("if", "for", "set") for found in HELD.findall(text))

    def word(self, number: str) -> str:
        """What a statement begins with."""
        return self.held.token(number).strip("{%-+ \n").partition(" ")[0]

    def has_statement(self, text: str) -> bool:
        return any(map(self.held.is_statement, HELD.findall(text)))

    def written(self, value: str) -> str:
        return self.held.restore(value)[:60]


def says_colour_scheme(element: Element) -> bool:
    return element.tag == "meta" and element.get("name") in SCHEME_METAS and element.attributes.keys() == {"name", "content"}
