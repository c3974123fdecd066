"""Keeps Jinja tokens, and the places of tags, out of the way while markup is worked on, and puts them back.

Before: `engine.render.fold` hands tokens in. After: `engine.render.library` takes them out of the finished HTML and text.
The stand-ins are plain ASCII words, because mrml prints attributes in Rust's debug form and would escape anything rarer.
"""

import re
from bisect import bisect_right
from dataclasses import dataclass

from engine.render.problems import Place

HELD = re.compile(r"zqj(\d+)jqz")
MARK = re.compile(r"zqm(\d+)mqz")
MOST_TAGS, MOST_TOKENS, MOST_TEMPLATES, MOST_PIECES = 20_000, 5_000, 400, 6_000  # in one mail


class TooMany(Exception):
    """More tags, tokens or blocks than any mail has: they multiply. The message says of what."""


class Held:
    """The tokens and places of one email under compilation."""

    def __init__(self, most_tokens: int = MOST_TOKENS) -> None:
        self._most_tokens = most_tokens
        self._tokens: list[str] = []
        self._places: list[Place] = []
        self._templates = self._pieces = 0

    def count_pieces(self, pieces: int) -> None:
        """One more template of so many pieces is put into the mail."""
        self._templates += 1
        self._pieces += pieces
        if self._templates > MOST_TEMPLATES or self._pieces > MOST_PIECES:
            raise TooMany(f"{MOST_TEMPLATES} blocks and files, or {MOST_PIECES:,} pieces of them")

    def hold(self, token: str) -> str:
        """A stand-in for a Jinja token."""
        if len(self._tokens) >= self._most_tokens:
            raise TooMany(f"{self._most_tokens:,} tokens")
        self._tokens.append(token)
        return f"zqj{len(self._tokens) - 1}jqz"

    def mark(self, place: Place) -> str:
        """A mark that says where the tag after it was written."""
        if len(self._places) >= MOST_TAGS:
            raise TooMany(f"{MOST_TAGS:,} tags")
        self._places.append(place)
        return f"zqm{len(self._places) - 1}mqz"

    @property
    def count(self) -> int:
        """How many tokens are held."""
        return len(self._tokens)

    def place(self, number: str) -> Place:
        """What a mark says."""
        return self._places[int(number)]

    def token(self, number: str) -> str:
        return self._tokens[int(number)]

    def is_statement(self, number: str) -> bool:
        return self.token(number).startswith("{%")

    def without_statements(self, text: str) -> str:
        """The text as if all its branches were taken, and its loops run through once."""
        return HELD.sub(lambda found: "" if self.is_statement(found[1]) else found[0], text)

    def restore(self, text: str) -> str:
        """The text with its tokens back in place."""
        return HELD.sub(lambda found: self._tokens[int(found.group(1))], text)

    def lift_marks(self, text: str) -> "Document":
        """The text without marks, and what they said."""
        offsets, places, removed = [0], [Place("")], 0
        for found in MARK.finditer(text):
            offsets.append(found.start() - removed)
            places.append(self._places[int(found.group(1))])
            removed += len(found.group())
        places[0] = places[1] if len(places) > 1 else places[0]
        return Document(MARK.sub("", text), tuple(offsets), tuple(places))


@dataclass(frozen=True, slots=True)
class Document:
    """A whole email in MJML, put together from several files, that knows where each of its tags was written."""

    text: str
    offsets: tuple[int, ...]
    places: tuple[Place, ...]

    def at(self, offset: int) -> Place:
        """Where the character at `offset` was written: exact to the tag."""
        index = bisect_right(self.offsets, offset) - 1
        start, place = self.offsets[index], self.places[index]
        between = self.text[start:offset]
        if "\n" in between:
            return Place(place.file, place.line + between.count("\n"), len(between) - between.rfind("\n"))
        return Place(place.file, place.line, place.column + len(between))
