"""Puts the files into a document that its `<mj-include>` tags name, and knows a body that is a whole document itself.

Before: `engine.render.fold` has settled what does not depend on the recipient; tags still have their marks. After: the linter
sees one document, and tells what is wrong with an included file in that file. Nothing outside of templates/ is read.
"""

import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engine.compiler.source import is_below
from engine.render.held import Held
from engine.render.problems import Endless, Place, Problems, Source, Unusable

# <mjml>, whatever notes, statements and declarations stand before it.
WHOLE = re.compile(
    r"(?:\s|<!--(?:(?!-->).)*-->|\{#(?:(?!#\}).)*#\}|\{%(?:(?!%\}).)*%\}|<[?!](?!--)[^>]*>)*+<mjml[\s>]",
    re.DOTALL | re.IGNORECASE,
)
PROLOG = re.compile(r"<[?!](?!--)[^>]*>")
INCLUDE = re.compile(
    r"<!--(?:(?!-->).)*-->|(?:zqm(?P<mark>\d+)mqz)?<mj-include\b(?P<attributes>[^>]*?)/?>(?:\s*(?:zqm\d+mqz)?</mj-include>)?",
    re.DOTALL,
)
ATTRIBUTE = re.compile(r"([\w-]+)\s*=\s*[\"']([^\"']*)[\"']")
DEEPEST = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Including:
    """What one compilation reads files with."""

    held: Held
    problems: Problems
    workspace: Path
    read: Callable[[str, Place], Source]
    fold: Callable[[Source], str]


def is_whole(text: str) -> bool:
    """Whether a body is a document of its own, which has no layout."""
    return bool(WHOLE.match(text))


def without_prolog(source: Source) -> Source:
    """The document without what declares it, every character where it was."""
    start = source.text.lower().index("<mjml")
    declared = PROLOG.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), source.text[:start])
    return Source(declared + source.text[start:], source.place)


def with_preview(document: str, preheader: str) -> str:
    """A whole document with the email's preheader, unless it has one of its own."""
    if not preheader or "<mj-preview" in document:
        return document
    preview = f"<mj-preview>{preheader}</mj-preview>"
    if "<mj-head>" in document:
        return document.replace("<mj-head>", f"<mj-head>{preview}", 1)
    return document.replace("<mj-body", f"<mj-head>{preview}</mj-head><mj-body", 1)


def with_includes(document: str, including: Including, depth: int = 0) -> str:
    """The document with the files in it. Raises Unusable for one that cannot be used; why is then reported."""

    def replaced(found: re.Match[str]) -> str:
        if found["attributes"] is None:  # a comment
            return found[0]
        place = including.held.place(found["mark"] or "0")
        return with_includes(include(found["attributes"], place, depth, including), including, depth + 1)

    return INCLUDE.sub(replaced, document)


def include(attributes: str, place: Place, depth: int, including: Including) -> str:
    """One file, as its `type` says."""
    written = dict(ATTRIBUTE.findall(attributes))
    source = including.read(beside(place, written.get("path", ""), including), place)
    if depth >= DEEPEST or is_whole(source.text):
        what = "files include each other without end" if depth >= DEEPEST else "this file is a whole <mjml>"
        including.problems.add(place, f"{what}; keep in it only what is to stand here")
        raise Endless
    match written.get("type", "mjml"):
        case "css":
            inline = ' inline="inline"' if written.get("css-inline") == "inline" else ""
            return f"<mj-style{inline}>{including.fold(source)}</mj-style>"
        case "html":
            return f"<mj-raw>{including.fold(source)}</mj-raw>"
    return including.fold(source)


def beside(place: Place, path: str, including: Including) -> str:
    """The file of templates/ that a path names, from the folder of the file that names it."""
    file = posixpath.normpath(posixpath.join(posixpath.dirname(place.file), path))
    if not path or not is_below(including.workspace / file, including.workspace / "templates"):
        including.problems.add(place, 'write path="…" with a file inside templates/, as seen from this file')
        raise Unusable
    return file
