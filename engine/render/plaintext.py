"""Writes the text part of an email from its MJML: headings, paragraphs, lists, buttons, links, and tables row by row.

Before: `engine.render.links` has tracked the links. After: the text, still with stand-ins for tokens, goes into the artifact.
What is written is not HTML any more: entities are characters, and a link stands behind its words as `words <address>`.
"""

import re
from html import unescape

from engine.render.held import HELD, Held
from engine.render.tags import Element

PARAGRAPHS = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6", "div", "blockquote", "ul", "ol", "table"})
LINES = frozenset({"li", "tr"})
SILENT = frozenset({"mj-head", "mj-style", "style", "title", "mj-spacer", "mj-divider", "img", "mj-attributes"})
ENDING = frozenset(
    {
        "mj-text",
        "mj-button",
        "mj-table",
        "mj-image",
        "mj-social-element",
        "mj-navbar-link",
        "mj-accordion-title",
        "mj-accordion-text",
        "mj-carousel-image",
    }
)
BREAK, PARAGRAPH = "\x01", "\x02"  # a line end that may be joined with its neighbours, and an empty line
LINK_END = "\x03"
BLANK = f" \xa0\n{BREAK}{PARAGRAPH}"  # what a cell has around its words: layout
STATEMENTS = re.compile(rf"(^|[{BREAK}{PARAGRAPH}])((?:zqj\d+jqz)+)([{BREAK}{PARAGRAPH}])")


def write_text(tree: Element, held: Held) -> str:
    """The whole text part."""
    parts: list[str] = []
    write(tree, parts, held)
    return tidy("".join(parts), held)


def write(element: Element, parts: list[str], held: Held) -> None:
    """Append an element's text. Between blocks only statements matter: other text there is layout."""
    if element.tag in SILENT:
        return
    if element.tag in ENDING or (element.tag == "mj-raw" and has_words(element, held)):
        parts += PARAGRAPH, words_of(element, held), PARAGRAPH
        return
    for child in element.children:
        if isinstance(child, Element):
            write(child, parts, held)
        else:
            parts += (held_text for held_text in statements_in(child, held))


def has_words(element: Element, held: Held) -> bool:
    return bool(held.without_statements(element.texts()).strip())


def statements_in(text: str, held: Held) -> list[str]:
    return [found[0] for found in HELD.finditer(text) if held.is_statement(found[1])]


def words_of(element: Element, held: Held) -> str:
    if element.tag in ("mj-image", "mj-carousel-image"):
        return linked(plain(element.get("alt")), element.get("href")) if element.get("href") else ""
    inside = "".join(inline(child, held) for child in element.children)
    href = element.get("href")
    if element.tag == "mj-button" and href:
        return f"{collapse(inside)}:{BREAK}{unescape(href)}"
    return linked(collapse(inside), href) if href else inside


def inline(child: Element | str, held: Held) -> str:
    if isinstance(child, str):
        return plain(child)
    if child.tag in SILENT:
        return ""
    if child.tag == "br":
        return BREAK
    inside = "".join(inline(each, held) for each in child.children)
    return around(child, inside)


def around(element: Element, inside: str) -> str:
    match element.tag:
        case "a":
            return linked(collapse(inside), element.get("href"))
        case "li":
            return f"{BREAK}- {inside.strip(BLANK)}{BREAK}"
        case "tr":
            return f"{BREAK}{re.sub(' {2,}', '  ', inside.strip(BLANK))}{BREAK}"
        case "td" | "th":
            return f"{inside.strip(BLANK)}  "
        case "thead" | "tbody" | "tfoot":
            return f"{BREAK}{inside}{BREAK}"
        case tag if tag in PARAGRAPHS:
            return f"{PARAGRAPH}{inside}{PARAGRAPH}"
    return inside


def linked(words: str, href: str) -> str:
    """Two links side by side have no blank between them in HTML when they are laid out as boxes: each gets its own line."""
    address = unescape(href)
    if not address or address.removeprefix("mailto:").removeprefix("tel:") == words:
        return words
    return f"{words} <{address}>{LINK_END}" if words else f"<{address}>{LINK_END}"


def plain(text: str) -> str:
    """Text of HTML as characters, every stretch of white space one blank."""
    return re.sub(r"[ \t\r\n]+", " ", unescape(text))


def collapse(text: str) -> str:
    return re.sub(rf"[\s{BREAK}{PARAGRAPH}]+", " ", text).strip()


def tidy(text: str, held: Held) -> str:
    """Breaks made real, and blanks around them dropped."""
    text = re.sub(rf"{LINK_END}(?=[^\s{BREAK}{PARAGRAPH}.,;:!?){LINK_END}])", BREAK, text).replace(LINK_END, "")
    text = re.sub(rf"[ ]*([{BREAK}{PARAGRAPH}])[ ]*", r"\1", text)
    before = ""
    while text != before:
        before, text = text, settle_statements(join_breaks(text), held)
    return text.strip(BREAK + PARAGRAPH + " ").replace(BREAK, "\n").replace(PARAGRAPH, "\n\n") + "\n"


def join_breaks(text: str) -> str:
    text = re.sub(rf"{BREAK}*{PARAGRAPH}[{BREAK}{PARAGRAPH}]*", PARAGRAPH, text)
    return re.sub(rf"{BREAK}+", BREAK, text)


def settle_statements(text: str, held: Held) -> str:
    """A statement between two breaks keeps the one before it, so that what it leaves out leaves no gap."""

    def settle(found: re.Match[str]) -> str:
        if not all(map(held.is_statement, HELD.findall(found[2]))):
            return found[0]
        return f"{found[1]}{found[2]}" + ("\n" if (found[1], found[3]) == (BREAK, PARAGRAPH) else "")

    return STATEMENTS.sub(settle, text)
