"""What can be wrong with an email as its author wrote it, and where that is in the author's own file.

Nothing of `engine.render` comes before this module; every stage of a compilation reports to one `Problems`, so that an author
hears of everything at once.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache

from engine.compiler.diagnostics import all_of, printable

LONGEST_NAME = 80  # that is worth a guess
ROOTS = 10  # names, such as those that every token may begin with, that are all told


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Problem:
    """One thing to put right. `file` is relative to the workspace; line and column count from 1."""

    file: str
    line: int
    column: int
    message: str
    code: str = "E030"  # of `engine.compiler.diagnostics`; those that begin with W leave the email usable


@dataclass(frozen=True, slots=True)
class Place:
    """Where a piece of a compiled email was written."""

    file: str
    line: int = 1
    column: int = 1


@dataclass(frozen=True, slots=True)
class Source:
    """A text of the workspace. `place` is where it begins: a file's own text begins at its first character."""

    text: str
    place: Place

    def at(self, offset: int) -> Place:
        """The place of the character at `offset`."""
        starts = line_starts(self.text)
        lines = bisect_right(starts, offset) - 1
        column = offset - starts[lines] + 1 if lines else self.place.column + offset
        return Place(self.place.file, self.place.line + lines, column)


@lru_cache(64)  # a template is asked about once for each of its tags
def line_starts(text: str) -> list[int]:
    return [0, *(found.end() for found in re.finditer("\n", text))]


class Problems:
    """Collects the problems of one compilation; the same one found twice is told once."""

    def __init__(self) -> None:
        self._found: set[Problem] = set()

    def add(self, place: Place, message: str, *, code: str = "E030") -> None:
        file, told = printable(place.file), message.encode("utf-8", "replace").decode()  # names of files need not be text
        self._found.add(Problem(file=file, line=place.line, column=place.column, message=told, code=code))

    def warn(self, code: str, place: Place, message: str) -> None:
        """Tell of something with which the email can be sent all the same."""
        self.add(place, message, code=code)

    def unknown(self, place: Place, what: str, name: str, known: Iterable[str]) -> None:
        """Report a name that is not among the known ones, with the one that was probably meant, or all where they are few."""
        self.add(place, f'unknown {what} "{name}"{meant(name, frozenset(known))}')

    def take(self, others: "Problems") -> None:
        """Add what another compilation found."""
        self._found |= others._found

    def in_order(self) -> list[Problem]:
        return sorted(self._found)

    def __bool__(self) -> bool:
        """Whether anything keeps the email from being used."""
        return any(found.code.startswith("E") for found in self._found)


@lru_cache(256)  # who misspells a name does so more than once
def meant(name: str, known: frozenset[str]) -> str:
    names = sorted(known)
    close = get_close_matches(name, names, n=1) if len(name) <= LONGEST_NAME else []
    return f' (did you mean "{close[0]}"?)' if close else all_of(names, ROOTS)


class Unusable(Exception):
    """This email cannot be compiled further; what is wrong has been reported."""


class Endless(Exception):
    """This email would be put together for ever; where has been reported, and nothing else is worth a look."""
