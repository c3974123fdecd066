"""YAML as text with places: every scalar stays the text that was typed, and knows its file, line and column.

Before: a file of the workspace. After: `engine.compiler.reading` gives the nodes their meaning. YAML's surprises (`no`,
`12:30`, `1.10`, aliases, tags, duplicate keys) are refused or switched off here, so that no later stage meets them. The
tree is built from the parser's events without recursion: no input can exhaust the stack.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from engine.compiler.diagnostics import Findings, Place, quote

LEADS_OUT = "this is a link to a file outside of the workspace; put the file itself here"
LARGEST_BYTES = 256 * 1024
DEEPEST = 20
MOST_NODES = 20_000  # a cadence of a thousand steps has half as many

KEY_ALONE = re.compile(r" +[\w-]+")

# What libyaml says → what a person can do about it.
HINTS = {
    "mapping values are not allowed": "text with a colon and a space in it must be in quotes",
    "could not find expected ':'": "a key needs a colon and a space after it; text over several lines needs quotes",
    "found character that cannot start any token": "text that begins with @ ` or % must be in quotes",
    "did not find expected key": "check that this line is indented like the lines it belongs to",
    "did not find expected '-' indicator": "check that this line is indented like the lines it belongs to",
    "found unexpected end of stream": "a quote or bracket is opened and never closed",
    "found unknown escape character": "in double quotes a backslash is special; use single quotes",
    "did not find expected ',' or": "a bracket is opened and never closed, or a comma is missing",
}


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text as typed. `place` is its first sign, a quote included; `is_one_line`: it was written on a single line."""

    text: str
    place: Place
    is_quoted: bool = False
    is_one_line: bool = True

    def place_at(self, offset: int) -> Place:
        """Where a sign of the text is; of a text over several lines, where the text begins."""
        if not self.is_one_line:
            return self.place
        return self.place._replace(column=self.place.column + offset + self.is_quoted)


@dataclass(frozen=True, slots=True)
class Listing:
    """A list."""

    items: "tuple[Node, ...]"
    place: Place


@dataclass(frozen=True, slots=True)
class Mapping:
    """Keys with their values, in the order written."""

    entries: "tuple[tuple[Scalar, Node], ...]"
    place: Place


Node = Scalar | Listing | Mapping


class Refused(Exception):
    """This file cannot be read on: the finding that says why."""

    def __init__(self, code: str, place: Place, message: str) -> None:
        super().__init__(message)
        self.code, self.place, self.message = code, place, message


def read_source(folder: Path, file: str, findings: Findings) -> Node | None:
    """The nodes of one file of the workspace; None: it cannot be read, and the findings say why."""
    if not is_below(folder / file, folder):
        findings.add("E001", Place(file), LEADS_OUT)
        return None
    return read_alone(folder / file, file, findings)


def is_below(path: Path, folder: Path) -> bool:
    """Whether what a path leads to, through all links, is in the folder."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def read_alone(path: Path, file: str, findings: Findings) -> Node | None:
    """The same of a file that somebody names, wherever it is. `file`: how it is called in what is said of it."""
    try:
        data = read_bytes(path, file)
    except Refused as refused:
        findings.add(refused.code, refused.place, refused.message)
        return None
    return parse_source(data, file, findings)


def parse_source(data: bytes, file: str, findings: Findings) -> Node | None:
    """The nodes of a file's bytes; None: not usable, and the findings say why. An empty file is an empty mapping."""
    try:
        text = as_text(data, file)
        refuse_tabs(text, file)
        return build_tree(text, file, findings)
    except Refused as refused:
        findings.add(refused.code, refused.place, refused.message)
        return None


def read_bytes(path: Path, file: str) -> bytes:
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise Refused("E001", Place(file), "this is a pipe or a device, not a file")
        with path.open("rb") as opened:
            data = opened.read(LARGEST_BYTES + 1)
    except FileNotFoundError as error:
        raise Refused("E001", Place(file), "this file is missing") from error
    except OSError as error:
        raise Refused("E001", Place(file), f"this file cannot be read: {error.strerror}") from error
    return data


def as_text(data: bytes, file: str) -> str:
    if len(data) > LARGEST_BYTES:
        raise Refused("E003", Place(file), f"this file is larger than {LARGEST_BYTES // 1024} KB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = place_at(data[: error.start].decode("utf-8"), file)
        raise Refused("E002", place, f"this is not UTF-8 text: byte 0x{data[error.start]:02x}") from error
    return text


def refuse_tabs(text: str, file: str) -> None:
    if (index := text.find("\t")) >= 0:
        raise Refused("E005", place_at(text[:index], file), "a tab; YAML is indented with spaces")


def place_at(before: str, file: str) -> Place:
    """Where a file is after the text `before`."""
    return Place(file, before.count("\n") + 1, len(before) - before.rfind("\n"))


def build_tree(text: str, file: str, findings: Findings) -> Node:
    """The one document of the text. Raises Refused."""
    try:
        return Builder(file, findings).build(yaml.parse(text, Loader=yaml.CSafeLoader))
    except yaml.reader.ReaderError as error:
        place = place_at(text[: max(error.position, 0)], file)
        raise Refused("E002", place, "this is not text: a control character") from error
    except yaml.MarkedYAMLError as error:
        place = mark_place(error.problem_mark, file)
        line = next(iter(text.splitlines()[place.line - 1 :]), "")
        raise Refused("E004", place, explain(error.problem or "", line[: place.column - 1])) from error
    except yaml.YAMLError as error:
        raise Refused("E004", Place(file), "this is not YAML") from error


def mark_place(mark: yaml.error.Mark | yaml._yaml.Mark | None, file: str) -> Place:
    return Place(file, mark.line + 1, mark.column + 1) if mark else Place(file)


def explain(problem: str, before: str) -> str:
    """What the parser says, in words. `before`: what stands before the place in its line."""
    if problem.startswith("mapping values") and KEY_ALONE.fullmatch(before):
        return "this is not YAML: this line is indented too far: keys that belong together begin below each other"
    hint = next((hint for start, hint in HINTS.items() if problem.startswith(start)), None)
    return f"this is not YAML: {hint or problem}"


class Builder:
    """Puts the tree together from the parser's events, on a stack of its own."""

    def __init__(self, file: str, findings: Findings) -> None:
        self.file = file
        self.findings = findings
        self.open: list[tuple[bool, Place, list[Node]]] = []  # is it a mapping, where it began, its children so far
        self.root: Node | None = None
        self.nodes = 0

    def build(self, events: Iterator[yaml.Event]) -> Node:
        """The root of the document. Raises Refused for what we do not read."""
        for event in events:
            match event:
                case yaml.ScalarEvent():
                    self.put(self.scalar(event))
                case yaml.CollectionStartEvent():
                    self.begin(event)
                case yaml.CollectionEndEvent():
                    self.end()
                case yaml.AliasEvent():
                    raise Refused("E006", self.place_of(event), f"an alias (*{event.anchor}) is not read here")
                case yaml.DocumentStartEvent():
                    self.begin_document(event)
        return self.root if self.root is not None else Mapping((), Place(self.file))

    def begin_document(self, event: yaml.DocumentStartEvent) -> None:
        if event.version or event.tags:
            raise Refused("E006", self.place_of(event), "a directive (%) is not read here")
        if self.root is not None:
            raise Refused("E004", self.place_of(event), "a second document (---); make it a file of its own")

    def begin(self, event: yaml.CollectionStartEvent) -> None:
        self.refuse_decoration(event)
        if len(self.open) >= DEEPEST:
            raise Refused("E008", self.place_of(event), f"nested deeper than {DEEPEST} levels")
        self.open.append((isinstance(event, yaml.MappingStartEvent), self.place_of(event), []))

    def scalar(self, event: yaml.ScalarEvent) -> Scalar:
        self.refuse_decoration(event)
        start, end = event.start_mark, event.end_mark
        is_one_line = bool(start and end and start.line == end.line)
        return Scalar(event.value, self.place_of(event), event.style in ("'", '"'), is_one_line)

    def end(self) -> None:
        is_mapping, place, children = self.open.pop()
        self.put(self.mapping(children, place) if is_mapping else Listing(tuple(children), place))

    def put(self, node: Node) -> None:
        self.nodes += 1
        if self.nodes > MOST_NODES:
            raise Refused("E003", Place(self.file), f"this file holds more than {MOST_NODES:,} keys and values")
        if self.open:
            self.open[-1][2].append(node)
        else:
            self.root = node

    def mapping(self, children: list[Node], place: Place) -> Mapping:
        """Keys and values alternate among the children. A key given twice is reported, and its first value kept."""
        entries: dict[str, tuple[Scalar, Node]] = {}
        for key, value in zip(children[::2], children[1::2], strict=True):
            if not isinstance(key, Scalar):
                raise Refused("E013", key.place, "a key must be a text")
            if key.text in entries:
                first = entries[key.text][0].place.line
                self.findings.add("E007", key.place, f"the key {quote(key.text)} is given twice, first on line {first}")
                continue
            entries[key.text] = (key, value)
        return Mapping(tuple(entries.values()), place)

    def refuse_decoration(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> None:
        if event.anchor is not None:
            raise Refused("E006", self.place_of(event), f"an anchor (&{event.anchor}) is not read here")
        if event.tag is not None:
            raise Refused("E006", self.place_of(event), f"a tag ({event.tag}) is not read here")

    def place_of(self, event: yaml.Event) -> Place:
        return mark_place(event.start_mark, self.file)
