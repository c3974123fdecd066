"""Reads an email's `email.yaml`: what it is, apart from its copy.

Before: the file in the workspace. After: `engine.render.library` compiles the email in these terms.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.compiler.diagnostics import Findings, Place
from engine.compiler.source import Mapping, Node, Scalar, read_source
from engine.render import problems as said
from engine.render.problems import Problems, Unusable

MAPPINGS = {"links": "names to addresses", "considered": "codes to reasons"}
KEYS = ("subject", "preheader", "stream", "owner", "brand", "from", "layout", "valid_for", "late", "to_try", *MAPPINGS)
REQUIRED = ("subject", "stream")


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailFile:
    """An email.yaml. `subject` and `preheader` may hold Jinja. `sender` is empty where it names none."""

    subject: said.Source
    preheader: said.Source
    stream: Literal["marketing", "transactional"]
    sender: said.Source
    layout: str
    names_layout: bool
    layout_place: said.Place
    links: dict[str, str]


def read_email_file(workspace: Path, file: str, problems: Problems) -> EmailFile:
    """The file's content. Raises Unusable when it cannot be used; why is then reported."""
    entries = read_entries(workspace, file, problems)
    stream = text_of(entries, "stream", file)
    if stream.text not in ("marketing", "transactional"):
        problems.add(stream.place, 'stream must be "marketing" or "transactional"')
        raise Unusable
    layout = text_of(entries, "layout", file, "default" if stream.text == "marketing" else "transactional")
    return EmailFile(
        subject=text_of(entries, "subject", file),
        preheader=text_of(entries, "preheader", file),
        stream="marketing" if stream.text == "marketing" else "transactional",
        sender=text_of(entries, "from", file),
        layout=layout.text,
        names_layout="layout" in entries,
        layout_place=layout.place,
        links=links_of(entries.get("links"), problems),
    )


def read_entries(workspace: Path, file: str, problems: Problems) -> dict[str, Node]:
    findings = Findings()
    node = read_source(workspace, file, findings)
    for found in findings.in_order():
        problems.add(said.Place(found.file, found.line, found.column), found.message)
    if not isinstance(node, Mapping):
        raise Unusable
    entries = {key.text: value for key, value in node.entries}
    report_keys(node, file, problems)
    if any(name not in entries for name in REQUIRED):
        raise Unusable
    return entries


def report_keys(node: Mapping, file: str, problems: Problems) -> None:
    """Report keys that do not exist, keys that are missing, and texts that are not texts."""
    for key, value in node.entries:
        if key.text not in KEYS:
            problems.unknown(told(key.place), "key", key.text, KEYS)
        elif (key.text in MAPPINGS) != isinstance(value, Mapping):
            wanted = f"a mapping of {MAPPINGS[key.text]}" if key.text in MAPPINGS else "a text"
            problems.add(told(value.place), f"{key.text} must be {wanted}")
    for name in REQUIRED:
        if name not in [key.text for key, _ in node.entries]:
            problems.add(said.Place(file), f'the key "{name}" is missing')


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
