"""Puts a check around each value of the recipient's that stands where a mail is laid out: in a style, a width, a colour.

Before: `engine.render.lint` found nothing wrong with the document. After: `engine.render.wire` prints `{{ laid_out(…) }}`, which
lets through a colour, a length or a plain word, and no mail otherwise. In texts and links a value needs no such check.
"""

import re
from collections.abc import Iterator

from engine.render.edits import Edit
from engine.render.held import HELD, Document, Held
from engine.render.links import inner
from engine.render.mjml_rules import LIVE_ATTRIBUTES, MEASURED
from engine.render.tags import Attribute, Element

STYLES = ("mj-style", "style")


def edits_of_layout(tree: Element, document: Document, held: Held) -> list[Edit]:
    """What puts the checks in."""
    return [edit for element in tree.walk() for edit in edits_of(element, document, held)]


def edits_of(element: Element, document: Document, held: Held) -> Iterator[Edit]:
    for attribute in element.attributes.values():
        if attribute.name not in LIVE_ATTRIBUTES:
            check = check_of(element, attribute)
            yield from checked(document.text, attribute.value_start, attribute.value_start + len(attribute.value), check, held)
    if element.tag in STYLES:
        end = re.compile(f"</{element.tag}", re.IGNORECASE).search(document.text, element.start)
        yield from checked(document.text, element.text_start, end.start() if end else element.text_start, "laid_out", held)


def check_of(element: Element, attribute: Attribute) -> str:
    if attribute.name not in MEASURED:
        return "laid_out"
    is_all = HELD.fullmatch(attribute.value) and element.tag.startswith("mj-")
    return "pixels" if is_all else "measure"


def checked(text: str, start: int, end: int, check: str, held: Held) -> Iterator[Edit]:
    for found in HELD.finditer(text, start, end):
        if not held.is_statement(found[1]):
            yield Edit(found.start(), found.end(), held.hold(f"{{{{ {check}({inner(held.token(found[1]))}) }}}}"))
