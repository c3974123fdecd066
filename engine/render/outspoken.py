"""Writes out what the official compiler takes for granted and mrml does not see, so that both make the same of a design.

Before: `engine.render.lint` found nothing wrong. After: mrml reads it. Each rule was found by comparing designs with what the
official compiler makes of them; one that mrml learns can go.
"""

import re
from collections.abc import Iterator, Mapping

from engine.render.edits import Edit
from engine.render.tags import Element

# Tags whose defaults in <mj-attributes> mrml passes over.
WITHOUT_DEFAULTS = ("mj-body", "mj-accordion", "mj-accordion-element")
NUMBER = re.compile(r"\d+(?:\.\d+)?")
Said = Mapping[str, str]


def edits_for_mrml(tree: Element) -> list[Edit]:
    defaults = {tag: defaults_of(tag, tree) for tag in WITHOUT_DEFAULTS}
    edits = [edit for element in tree.walk() if element.tag.startswith("mj-") for edit in edits_of_units(element)]
    for element in outside_of_defaults(tree):
        if element.tag in WITHOUT_DEFAULTS and element.tag != "mj-accordion-element":
            edits += edits_of_missing(element, defaults[element.tag])
        if element.tag == "mj-accordion":
            edits += edits_of_icons(element, defaults)
    return edits


def edits_of_icons(accordion: Element, defaults: Mapping[str, Said]) -> Iterator[Edit]:
    """What an accordion says of its icons is said by each of its elements too."""
    own = {name: attribute.value for name, attribute in accordion.attributes.items()}
    icons = {name: value for name, value in {**defaults["mj-accordion"], **own}.items() if name.startswith("icon-")}
    for element in accordion.elements():
        if element.tag == "mj-accordion-element":
            yield from edits_of_missing(element, {**icons, **defaults[element.tag]})


def edits_of_units(element: Element) -> Iterator[Edit]:
    """A width without a unit is in pixels."""
    width = element.attributes.get("width")
    if width and NUMBER.fullmatch(width.value):
        end = width.value_start + len(width.value)
        yield Edit(end, end, "px")


def outside_of_defaults(element: Element) -> Iterator[Element]:
    yield element
    for child in element.elements():
        if child.tag != "mj-attributes":
            yield from outside_of_defaults(child)


def defaults_of(tag: str, tree: Element) -> Said:
    """What `<mj-attributes>` says of a tag."""
    written = (child for each in tree.walk() if each.tag == "mj-attributes" for child in each.elements() if child.tag == tag)
    return {name: attribute.value for child in written for name, attribute in child.attributes.items()}


def edits_of_missing(element: Element, said: Said) -> Iterator[Edit]:
    """The attributes that are said elsewhere and not by the tag itself."""
    missing = {name: value for name, value in said.items() if name not in element.attributes}
    at = element.start + len("<") + len(element.tag)
    if missing:
        yield Edit(at, at, "".join(f' {name}="{value}"' for name, value in missing.items()))
