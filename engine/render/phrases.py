"""What layouts and blocks say in each language: `templates/phrases.yaml`, and the parts of a brand that differ by language.

Before: the files in the workspace. After: `engine.render.library` gives a version the phrases of its language, as
`{{ phrases.unsubscribe }}`.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from markupsafe import Markup

from engine.compiler import source
from engine.compiler.diagnostics import Findings
from engine.errors import RenderError
from engine.languages import LANGUAGE
from engine.render.problems import Place, Problems, Source

FILE = "templates/phrases.yaml"
LANGUAGES = "languages"  # in a brand: what it says otherwise, by language
Written = Mapping[str, Mapping[str, Source]]  # phrase → language → text


class Phrases(Mapping[str, str]):
    """The phrases of one language. One that is not there is an error where it is printed, never a blank."""

    def __init__(self, there: Mapping[str, str], language: str) -> None:
        self.there, self.language = there, language

    def __getitem__(self, phrase: str) -> str:
        if phrase not in self.there:
            raise RenderError(f'{FILE} has no phrase "{phrase}" in "{self.language}"')
        return self.there[phrase]

    def __contains__(self, phrase: object) -> bool:
        return True  # so that a template asks for it, and hears which is missing

    def __iter__(self) -> Iterator[str]:
        return iter(self.there)

    def __len__(self) -> int:
        return len(self.there)

    def __repr__(self) -> str:
        """As a template would write it, for tokens that mix a phrase with the recipient's values."""
        return repr(
            {phrase: Markup(text).unescape() if isinstance(text, Markup) else text for phrase, text in self.there.items()}
        )


def phrases_in(written: Written, language: str, fold: Callable[[Source], Markup]) -> Phrases:
    """`fold`: for those that name the brand."""
    own = {phrase: texts[language] for phrase, texts in written.items() if language in texts}
    return Phrases({phrase: fold(text) if "{{" in text.text else text.text for phrase, text in own.items()}, language)


def read_phrases(workspace: Path, problems: Problems) -> Written:
    """All phrases; none where there is no such file. What is wrong with it is reported."""
    if not os.path.lexists(workspace / FILE):
        return {}
    findings = Findings()
    node = source.read_source(workspace, FILE, findings)
    for found in findings.in_order():
        problems.add(Place(found.file, found.line, found.column), found.message)
    entries = entries_of(
        node, "phrases.yaml is `phrases:` and below it a line for each: `total: {en: Total, de: Summe}`", problems
    )
    for key, _ in entries:
        if key.text != "phrases":
            problems.unknown(at(key), "key", key.text, ["phrases"])
    below = entries_of(dict((key.text, value) for key, value in entries).get("phrases"), "write a line for each phrase", problems)
    return {key.text: texts_of(value, problems) for key, value in below}


def texts_of(node: source.Node, problems: Problems) -> dict[str, Source]:
    found = {}
    for key, value in entries_of(node, "a phrase has a text for each language: `{en: Total, de: Summe}`", problems):
        if not LANGUAGE.fullmatch(key.text):
            problems.add(at(key), f'"{key.text}" is not a language; write its two or three letters: en, de, fr')
        elif isinstance(value, source.Scalar):
            found[key.text] = Source(value.text, at(value))
        else:
            problems.add(at(value), "a phrase is a text")
    return found


def entries_of(node: source.Node | None, told: str, problems: Problems) -> tuple[tuple[source.Scalar, source.Node], ...]:
    if isinstance(node, source.Mapping):
        return node.entries
    if node is not None:
        problems.add(at(node), told)
    return ()


def at(node: source.Node) -> Place:
    return Place(node.place.file, node.place.line, node.place.column)


def look_in(look: Mapping[str, Any], language: str) -> Mapping[str, Any]:
    """The brand as it speaks that language: what it says otherwise there, and all the rest as it is. The same one every time."""
    return overlaid(Same(look), language) if LANGUAGES in look else look


class Same:
    """A mapping that is equal to itself alone, and as quickly found."""

    def __init__(self, there: Mapping[str, Any]) -> None:
        self.there = there

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other.there is self.there

    def __hash__(self) -> int:
        return id(self.there)


@lru_cache(maxsize=256)
def overlaid(look: Same, language: str) -> Mapping[str, Any]:
    own = look.there[LANGUAGES]
    said = own.get(language) if isinstance(own, Mapping) else None
    return laid_over(look.there, said) if isinstance(said, Mapping) else look.there


def laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    return {**below, **{key: merged(below.get(key), value) for key, value in above.items()}}


def merged(below: object, above: object) -> object:
    return laid_over(below, above) if isinstance(below, Mapping) and isinstance(above, Mapping) else above
