"""Reads an email's `email.yaml`, and those of its languages: what it is, apart from its body.

Before: the files in the workspace. After: `engine.render.editions` puts its versions together.
"""

import re
from collections.abc import Collection
from collections.abc import Mapping as AnyMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from engine.compiler.copies import PLAIN
from engine.compiler.diagnostics import Findings, Place
from engine.compiler.kinds import parse_name
from engine.compiler.source import Mapping, Node, Scalar, read_source
from engine.render import problems as said
from engine.render.problems import Problems, Unusable

MAPPINGS = {"links": "names to addresses", "considered": "codes to reasons", "variants": "names to what differs"}
LINES = ("subject", "preheader", "links")  # what a variant may say in email.yaml
OF_A_LANGUAGE = (*LINES, "variants")
SHARE = re.compile(r"\d{1,6}", re.ASCII)
KEYS = ("subject", "preheader", "stream", "owner", "brand", "from", "layout", "valid_for", "late", "to_try", *MAPPINGS)
REQUIRED = ("subject", "stream")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """What an email.yaml says to its reader, or one of the variants in it. `subject` and `preheader` may hold Jinja.

    None: nothing of its own.
    """

    subject: said.Source | None = None
    preheader: said.Source | None = None
    links: AnyMapping[str, str] = field(default_factory=dict)
    variants: "AnyMapping[str, Lines]" = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """An arm beside the plain files, as email.yaml names it."""

    place: said.Place
    share: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailFile:
    """An email.yaml. `sender` is empty where it names none. `shares`: of every arm, the plain one first; empty: no variants."""

    lines: Lines
    stream: Literal["marketing", "transactional"]
    sender: said.Source
    layout: str
    names_layout: bool
    layout_place: said.Place
    variants: AnyMapping[str, Variant] = field(default_factory=dict)
    shares: AnyMapping[str, int] = field(default_factory=dict)

    @property
    def subject(self) -> said.Source:
        assert self.lines.subject is not None, "email.yaml and every language have one"
        return self.lines.subject

    @property
    def preheader(self) -> said.Source:
        return self.lines.preheader or said.Source("", self.subject.place)


def read_email_file(workspace: Path, file: str, problems: Problems) -> EmailFile:
    """The file's content. Raises Unusable when it cannot be used; why is then reported."""
    entries = read_entries(workspace, file, problems)
    stream = text_of(entries, "stream", file)
    if stream.text not in ("marketing", "transactional"):
        problems.add(stream.place, 'stream must be "marketing" or "transactional"')
        raise Unusable
    layout = text_of(entries, "layout", file, "default" if stream.text == "marketing" else "transactional")
    variants, shares = read_variants(entries.get("variants"), problems)
    return EmailFile(
        lines=lines_of(entries, variants, problems),
        stream="marketing" if stream.text == "marketing" else "transactional",
        sender=text_of(entries, "from", file),
        layout=layout.text,
        names_layout="layout" in entries,
        layout_place=layout.place,
        variants=variants,
        shares=shares,
    )


def read_language_file(workspace: Path, file: str, variants: Collection[str], problems: Problems) -> Lines | None:
    """What the email.yaml of a language says; None: it cannot be used, which is reported. `variants`: the email's."""
    try:
        entries = read_entries(workspace, file, problems, known=OF_A_LANGUAGE, required=("subject",))
    except Unusable:
        return None
    own = entries.get("variants")
    for key, node in own.entries if isinstance(own, Mapping) else ():
        if key.text not in variants:
            problems.unknown(told(key.place), "variant", key.text, variants)
        elif isinstance(node, Mapping):
            check_lines(node, LINES, problems)
        elif not is_nothing(node):
            problems.add(
                told(node.place), "a variant in a language has lines of its own: `{subject: …}`; its share is the email's"
            )
    return lines_of(entries, variants, problems)


def lines_of(entries: dict[str, Node], variants: Collection[str], problems: Problems) -> Lines:
    own = entries.get("variants")
    found = {key.text: node for key, node in own.entries} if isinstance(own, Mapping) else {}
    return Lines(
        subject=line_of(entries, "subject"),
        preheader=line_of(entries, "preheader"),
        links=links_of(entries.get("links"), problems),
        variants={name: lines_of_variant(found.get(name), problems) for name in variants},
    )


def line_of(entries: dict[str, Node], name: str) -> said.Source | None:
    node = entries.get(name)
    return said.Source(node.text, told(node.place)) if isinstance(node, Scalar) and node.text else None


def lines_of_variant(node: Node | None, problems: Problems) -> Lines:
    """Nothing of its own where email.yaml has but its share, or nothing."""
    if not isinstance(node, Mapping):
        return Lines()
    return lines_of({key.text: value for key, value in node.entries}, (), problems)


def read_variants(node: Node | None, problems: Problems) -> tuple[dict[str, Variant], dict[str, int]]:
    """The variants by name, and the shares of all arms."""
    if not isinstance(node, Mapping):
        return {}, {}
    if not any(key.text != PLAIN for key, _ in node.entries):
        problems.add(told(node.place), "a test needs a variant beside the plain files: `variants: {another: {subject: …}}`")
    found = {key.text: Variant(place=told(key.place), share=share_of(value, problems)) for key, value in node.entries}
    for key, value in node.entries:
        check_variant(key, value, problems)
    plain = found.pop(PLAIN, None)
    shares = {PLAIN: plain.share if plain else 1, **{name: variant.share for name, variant in found.items()}}
    return found, shares if found else {}


def check_variant(key: Scalar, node: Node, problems: Problems) -> None:
    """Report what cannot be the name of an arm, and what cannot stand in one."""
    try:
        parse_name(key.text)
    except ValueError as error:
        problems.add(told(key.place), str(error))
    for own, _ in node.entries if isinstance(node, Mapping) and key.text == PLAIN else ():
        if own.text in LINES:
            problems.add(told(own.place), f"`plain` is the email's own files: write its {own.text} at the top of this file")
    if isinstance(node, Mapping):
        check_lines(node, (*LINES, "share"), problems)


def check_lines(node: Mapping, known: Collection[str], problems: Problems) -> None:
    """Report what cannot be a line of a variant."""
    for own, _ in node.entries:
        if own.text not in known:
            problems.unknown(told(own.place), "key", own.text, known)
    report_shapes(node, LINES, problems)


def share_of(node: Node, problems: Problems) -> int:
    """How many of all shares draw this arm: 1 unless it says otherwise."""
    own = dict((key.text, value) for key, value in node.entries).get("share") if isinstance(node, Mapping) else node
    if own is None or is_nothing(own):
        return 1
    if isinstance(own, Scalar) and SHARE.fullmatch(own.text):
        return int(own.text)
    problems.add(told(own.place), "a share is a whole number: 1 and 1, or 45 and 45 and 10; 0 and nobody draws it any more")
    return 1


def read_entries(
    workspace: Path, file: str, problems: Problems, *, known: Collection[str] = KEYS, required: Collection[str] = REQUIRED
) -> dict[str, Node]:
    findings = Findings()
    node = read_source(workspace, file, findings)
    for found in findings.in_order():
        problems.add(said.Place(found.file, found.line, found.column), found.message)
    if not isinstance(node, Mapping):
        if node is not None:
            problems.add(told(node.place), "an email.yaml is keys and values, such as `subject: …`")
        raise Unusable
    entries = {key.text: value for key, value in node.entries}
    for key in entries.keys() - set(known):
        place = next(each.place for each, _ in node.entries if each.text == key)
        problems.unknown(told(place), "key", key, known)
    report_shapes(node, known, problems)
    missing = [name for name in required if is_nothing(entries.get(name))]
    for name in missing:
        problems.add(said.Place(file), f'the key "{name}" is missing')
    if missing or not all(isinstance(entries[name], Scalar) for name in required):
        raise Unusable
    return entries


def is_nothing(node: Node | None) -> bool:
    return node is None or (isinstance(node, Scalar) and not node.text)


def report_shapes(node: Mapping, known: Collection[str], problems: Problems) -> None:
    """Report texts that are not texts, and mappings that are not mappings."""
    for key, value in node.entries:
        if key.text in known and not isinstance(value, Mapping if key.text in MAPPINGS else Scalar):
            wanted = f"a mapping of {MAPPINGS[key.text]}" if key.text in MAPPINGS else "a text"
            problems.add(told(value.place), f"{key.text} must be {wanted}")


def told(place: Place) -> said.Place:
    return said.Place(place.file, place.line, place.column)


def text_of(entries: dict[str, Node], name: str, file: str, otherwise: str = "") -> said.Source:
    match entries.get(name):
        case Scalar(text=text, place=place):
            return said.Source(text, told(place))
    return said.Source(otherwise, said.Place(file))


def links_of(node: Node | None, problems: Problems) -> dict[str, str]:
    if not isinstance(node, Mapping):
        return {}
    for _, value in node.entries:
        if not isinstance(value, Scalar):
            problems.add(told(value.place), "a link must be an address")
    return {key.text: value.text for key, value in node.entries if isinstance(value, Scalar)}
