"""Reads MJML into a tree in which every tag and attribute knows its offset, and reports tags that are not closed.

Before: the whole document, with stand-ins for tokens. After: the linter, the links and the text part work on the tree.
mrml itself accepts a wrong closing tag in silence, so this is where that is found.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from engine.render.held import HELD, Document
from engine.render.problems import Problems, Unusable

VOID = frozenset({"area", "br", "col", "hr", "img", "input", "link", "meta", "wbr"})
TOKEN = r"zqj\d+jqz"  # between attributes it is one itself, without a value
NAME = r"(?:\s+|(?<=jqz))(?P<name>(?:(?!zqj\d)[^\s=<>/\"'])+)"
VALUE = r"(?:\s*=\s*(?:\"(?P<double>[^\"]*)\"|'(?P<single>[^']*)'))?"
ATTRIBUTE = re.compile(rf"\s*(?P<token>{TOKEN})|{NAME}{VALUE}")
ATTRIBUTES = re.sub(r"\?P<\w+>", "?:", ATTRIBUTE.pattern)
TAG = re.compile(
    r"<!--(?P<comment>.*?)-->"
    r"|</(?P<close>[a-zA-Z][\w:-]*)\s*>"
    rf"|<(?P<open>[a-zA-Z][\w:-]*)(?P<attributes>(?:{ATTRIBUTES})*)\s*(?P<empty>/?)>",
    re.DOTALL,
)
LINK = re.compile(r"(?:href|src)\s*=", re.IGNORECASE)
# With a token in it; `on…` would be a script.
LIVE_STYLE = re.compile(
    rf"\s(?:style|on\w+)\s*=\s*(?:\"[^\"]*{TOKEN}|'[^']*{TOKEN})|<style\b(?:(?!</style).)*{TOKEN}", re.IGNORECASE | re.DOTALL
)
STYLE = "mj-style"
DEEPEST = 60
# What to do about a sign that begins no tag.
STRAY = {
    "<": "write &lt; for this sign",
    "<%": "<% … %> is of another program; write {{ … }} or {% … %}",
    "<?": "<? … ?> is not for mail; take it out",
    "<!": "this is not for mail; take it out",
    "<![CDATA": "write the text itself, without <![CDATA[ and ]]>",
}
UNREADABLE = 'this tag cannot be read: attributes need quotes, as in a="b"'


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute as written: `start` and `end` span all of it with the blank before; `value_start` is its value's offset."""

    name: str
    value: str
    start: int
    value_start: int
    end: int
    before: str = ""  # what to read before the value


@dataclass(slots=True)
class Element:
    """A tag with what is inside it. Texts are strings among the children, comments are left out."""

    tag: str
    attributes: dict[str, Attribute]
    start: int
    children: list["Element | str"] = field(default_factory=list)
    text_start: int = 0

    def get(self, name: str) -> str:
        return self.attributes[name].value if name in self.attributes else ""

    def elements(self) -> Iterator["Element"]:
        return (child for child in self.children if isinstance(child, Element))

    def texts(self) -> str:
        """All text in it, without tags."""
        return "".join(child if isinstance(child, str) else child.texts() for child in self.children)

    def walk(self) -> Iterator["Element"]:
        """This element and all below it, in the order written."""
        yield self
        for child in self.elements():
            yield from child.walk()


def read_tree(document: Document, problems: Problems) -> Element:
    """The root above the document's own `<mjml>`. What is not closed, or closes nothing, is reported."""
    root = Element("", {}, 0)
    path = [root]
    position = 0
    for found in TAG.finditer(document.text):
        add_text(path[-1], document, position, found.start(), problems)
        position = found.end()
        if found["open"]:
            open_tag(found, path, document, problems)
        elif found["close"]:
            close_tag(found, path, document, problems)
        else:
            check_comment(found, document, problems)
    add_text(path[-1], document, position, len(document.text), problems)
    for element in path[1:]:
        problems.add(document.at(element.start), f"<{element.tag}> is never closed")
    return root


def add_text(parent: Element, document: Document, start: int, end: int, problems: Problems) -> None:
    text = document.text[start:end]
    if text:
        parent.children.append(text)
    stray = re.search(r"<(?:%|\?|!\[CDATA|!|/?[a-zA-Z])?", text)
    if stray and parent.tag != STYLE:
        problems.add(document.at(start + stray.start()), STRAY.get(stray[0], UNREADABLE))


def check_comment(found: re.Match[str], document: Document, problems: Problems) -> None:
    """What is in a comment for Outlook is not read as tags, so a recipient's link or style there could not be checked."""
    if HELD.search(found[0]) and LINK.search(found[0]):
        problems.add(document.at(found.start()), "a link in a comment cannot depend on the recipient")
    elif LIVE_STYLE.search(found[0]):
        problems.add(document.at(found.start()), "a style in a comment cannot depend on the recipient")


def open_tag(found: re.Match[str], path: list[Element], document: Document, problems: Problems) -> None:
    element = Element(as_read(found["open"], found["open"]), {}, found.start(), text_start=found.end())
    for attribute in read_attributes(element.tag, found["attributes"], found.start("attributes")):
        if attribute.name in element.attributes:
            advice = "; put the condition inside the quotes of one" if any(map(HELD.fullmatch, element.attributes)) else ""
            problems.add(document.at(attribute.start + 1), f"<{element.tag}> has the attribute {attribute.name} twice{advice}")
        element.attributes[attribute.name] = attribute
    path[-1].children.append(element)
    if found["empty"] or element.tag in VOID:
        return
    if len(path) > DEEPEST:
        problems.add(document.at(found.start()), f"tags are nested deeper than {DEEPEST} levels")
        raise Unusable
    path.append(element)


def as_read(name: str, tag: str) -> str:
    """The name of the tag, or of an attribute in it: in HTML capitals mean nothing, in MJML they do."""
    return name if tag.lower().startswith("mj") else name.lower()


def read_attributes(tag: str, text: str, offset: int) -> Iterator[Attribute]:
    for found in ATTRIBUTE.finditer(text):
        group = "double" if found["double"] is not None else "single"
        value_start = found.start(group) if found[group] is not None else found.end()
        name = found["token"] or as_read(found["name"], tag)
        yield Attribute(name, found[group] or "", offset + found.start(), offset + value_start, offset + found.end())


def close_tag(found: re.Match[str], path: list[Element], document: Document, problems: Problems) -> None:
    """Go back to the tag that this one closes. A tag closed by another's end is reported where it was opened."""
    tag, place = as_read(found["close"], found["close"]), document.at(found.start())
    if tag not in [element.tag for element in path]:
        innermost = f": <{path[-1].tag}> is open here" if len(path) > 1 else ""
        problems.add(place, f"</{tag}> closes nothing{innermost}")
        return
    while (element := path.pop()).tag != tag:
        problems.add(document.at(element.start), f"<{element.tag}> is not closed before </{tag}>")
