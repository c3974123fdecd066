"""Reads one file of the templates, and refuses what could be no template: too large, no text, or made to exhaust the compiler.

Before: a file in the workspace. After: `engine.render.fold` reads it as Jinja, and all that follows may trust its size.
"""

import re
from itertools import islice
from pathlib import Path

from engine.compiler.source import LEADS_OUT, is_below
from engine.render.held import HELD, MARK
from engine.render.problems import Place, Problems, Source, Unusable

LARGEST_FILE = 256 * 1024
# A mail of 102 KB, at which Gmail cuts off, has some 2,000 tags; what is more comes from a loop.
MOST = ((re.compile("<"), 5000, "tags"), (re.compile("="), 20_000, "attributes"), (re.compile(r"\{[{%]"), 2000, "tokens"))
UNREADABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f]")


def read_template(workspace: Path, file: str, problems: Problems, named_at: Place | None = None) -> Source:
    """The file's text. Raises Unusable when it cannot be used; why is then reported, at `named_at` if that file is missing."""
    try:
        text = as_text((workspace / file).read_bytes() if is_sound(workspace / file, workspace) else b"")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        problems.add(Place(file, line), "this file is not text in UTF-8; save it as that")
        raise Unusable from error
    except (OSError, ValueError) as error:
        reason = "this file is missing" if isinstance(error, FileNotFoundError) else f"this file cannot be read: {error}"
        problems.add(named_at or Place(file), f"{file}: {reason}" if named_at else reason)
        raise Unusable from error
    source = Source(text, Place(file))
    if wrong := what_is_wrong(text):
        offset, told = wrong
        problems.add(source.at(offset), told)
        raise Unusable
    return source


def filled(source: Source, problems: Problems) -> Source:
    """The same. Raises Unusable for one in which nothing is, which is then reported: an editor that failed leaves such files."""
    if not source.text.strip():
        problems.add(source.place, "this file is empty, so that the mail would say nothing")
        raise Unusable
    return source


def is_sound(path: Path, workspace: Path) -> bool:
    """Raises OSError for a file that is not there, ValueError for one that is too large, no file, or outside of the workspace."""
    if not is_below(path, workspace):
        raise ValueError(LEADS_OUT)
    if path.exists() and not path.is_file():
        raise ValueError("it is not a file")
    if path.stat().st_size > LARGEST_FILE:
        raise ValueError("it is larger than 256 KB")
    return True


def as_text(data: bytes) -> str:
    return data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")


def what_is_wrong(text: str) -> tuple[int, str] | None:
    """The offset of the first thing with which no template can be, and what it is."""
    if found := UNREADABLE.search(text):
        return found.start(), "there is a character here that no text has; remove it"
    if found := HELD.search(text) or MARK.search(text):
        return found.start(), f'"{found[0]}" is a word that the compiler keeps to itself; write another'
    for pattern, most, what in MOST:
        if beyond := next(islice(pattern.finditer(text), most, None), None):
            return beyond.start(), f"this file has more than {most:,} {what}; write what repeats as a loop or a block"
    return None
