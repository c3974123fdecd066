"""Style sheets of mails: which of their rules hold for a tag.

Before: the `<style>` elements of a rendered mail. After: `engine.render.review.page` puts what they say before a tag's own
`style`. Read are selectors of tags, classes, and the attributes `style`, `class` and `bgcolor`, also inside one another: that is
how mail is written.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
MEDIA = re.compile(r"@media([^{]*)\{((?:[^{}]*\{[^{}]*\})*)[^{}]*\}")
RULE = re.compile(r"([^{}@;]+)\{([^{}]*)\}")
COMMA = re.compile(r",(?![^\[]*\])")
PART = re.compile(r"(?:[^\s\[]|\[[^\]]*\])+")
COMPOUND = re.compile(r"(\*|[a-z][a-z0-9]*)?((?:\.[\w-]+|\[(?:style|class|bgcolor)\*?=(?:\"[^\"]*\"|'[^']*')\])*)", re.IGNORECASE)
COLOURING = re.compile(r"(?<![\w-])(?:color|background(?:-color|-image)?)\s*:")
DEMAND = re.compile(r"\.([\w-]+)|\[(\w+)(\*?)=[\"']([^\"']*)[\"']\]")


class Tag(NamedTuple):
    """A tag with the attributes that rules may ask for."""

    name: str
    classes: str = ""
    style: str = ""
    bgcolor: str = ""


class Compound(NamedTuple):
    """What a rule asks of one tag. `attributes`: name, whether a part of its value is enough, and the value."""

    tag: str
    classes: tuple[str, ...]
    attributes: tuple[tuple[str, bool, str], ...]


class Rule(NamedTuple):
    """`parts`: the tag it is for is the last; those before are around it."""

    parts: tuple[Compound, ...]
    style: str

    @property
    def weight(self) -> tuple[int, int]:
        demands = sum(len(part.classes) + len(part.attributes) for part in self.parts)
        return demands, sum(part.tag not in ("", "*") for part in self.parts)


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """The rules, the weightier ones last. `is_read`: none was left out that sets a colour."""

    rules: tuple[Rule, ...]
    is_read: bool


@lru_cache(256)
def read_sheet(css: str, is_dark: bool) -> Sheet:
    """The rules that hold everywhere and, if asked, those for dark mode."""
    rules, is_read = [], True
    for selectors, style in rules_in(COMMENT.sub("", css), is_dark):
        for selector in COMMA.split(selectors):
            if parts := parts_of(selector):
                rules.append(Rule(parts, style))
            else:
                is_read &= not COLOURING.search(style)
    return Sheet(tuple(sorted(rules, key=lambda rule: rule.weight)), is_read)


def rules_in(css: str, is_dark: bool) -> Iterator[tuple[str, str]]:
    yield from ((found[1], found[2]) for found in RULE.finditer(MEDIA.sub("", css)))
    for media in MEDIA.finditer(css) if is_dark else ():
        if "prefers-color-scheme" in media[1] and "dark" in media[1]:
            yield from ((found[1], found[2]) for found in RULE.finditer(media[2]))


def parts_of(selector: str) -> tuple[Compound, ...]:
    """Empty: it asks for something that is not read here."""
    found = [COMPOUND.fullmatch(part) for part in PART.findall(selector)]
    return tuple(compound_of(each[1] or "", each[2]) for each in found if each) if all(found) else ()


def compound_of(tag: str, demands: str) -> Compound:
    found = DEMAND.findall(demands)
    classes = tuple(name for name, *_ in found if name)
    return Compound(tag.lower(), classes, tuple((key.lower(), bool(star), value) for _, key, star, value in found if key))


def styled(sheet: Sheet, tag: Tag, around: Iterable[Tag]) -> str:
    """What a style sheet says of a tag. `around`: the tags it is in, from inside out; asked only where a rule wants to know."""
    return ";".join(rule.style for rule in rules_for(sheet, tag) if len(rule.parts) == 1 or is_within(rule.parts[:-1], around))


@lru_cache(16384)
def rules_for(sheet: Sheet, tag: Tag) -> tuple[Rule, ...]:
    return tuple(rule for rule in sheet.rules if fits(rule.parts[-1], tag))


def is_within(parts: tuple[Compound, ...], around: Iterable[Tag]) -> bool:
    wanted = list(parts)
    for tag in around:
        if wanted and fits(wanted[-1], tag):
            wanted.pop()
    return not wanted


def fits(wanted: Compound, tag: Tag) -> bool:
    if wanted.tag not in ("", "*", tag.name):
        return False
    if any(name not in tag.classes.split() for name in wanted.classes):
        return False
    values = {"style": tag.style, "class": tag.classes, "bgcolor": tag.bgcolor}
    return all(value in values[name] if is_part else value == values[name] for name, is_part, value in wanted.attributes)
