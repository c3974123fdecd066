"""Splits a template into text and Jinja tokens, each knowing where it stands.

Before: a text from the workspace. After: `engine.render.fold` settles some tokens now and holds the others.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

OPENING = re.compile(r"\{[{%#]")
CLOSING = {"{{": "}}", "{%": "%}", "{#": "#}"}
WORD = re.compile(r"[A-Za-z_]\w*")
QUOTED_OR_ANY = re.compile(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|.", re.DOTALL)


class Kind(StrEnum):
    """What a piece of a template is."""

    TEXT = "text"
    VALUE = "value"  # {{ … }}
    STATEMENT = "statement"  # {% … %}
    COMMENT = "comment"  # {# … #}


KINDS = {"{{": Kind.VALUE, "{%": Kind.STATEMENT, "{#": Kind.COMMENT}


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a template from `start`; `text` includes the braces."""

    kind: Kind
    text: str
    start: int

    @property
    def inner(self) -> str:
        """A token's content without braces and whitespace control."""
        return self.text[2:-2].strip("-+ \t\n")

    @property
    def keyword(self) -> str:
        """A statement's first word."""
        return self.inner.split(None, 1)[0] if self.inner else ""


class UnclosedToken(Exception):
    """A token that is opened and never closed."""

    def __init__(self, start: int, opening: str) -> None:
        super().__init__(f"{opening} is never closed by {CLOSING[opening]}")
        self.start = start


def split_template(text: str) -> list[Piece]:
    """All pieces in order; together they are the text again. Raises UnclosedToken."""
    pieces: list[Piece] = []
    position = 0
    while found := OPENING.search(text, position):
        if found.start() > position:
            pieces.append(Piece(Kind.TEXT, text[position : found.start()], position))
        position = end_of_token(text, found.start())
        pieces.append(Piece(KINDS[found.group()], text[found.start() : position], found.start()))
    if position < len(text):
        pieces.append(Piece(Kind.TEXT, text[position:], position))
    return pieces


def end_of_token(text: str, start: int) -> int:
    """The offset after the token that opens at `start`. Braces inside a quoted string do not end it."""
    opening = text[start : start + 2]
    closing = CLOSING[opening]
    if opening == "{#":
        position = text.find(closing, start + 2)
    else:
        position = start + 2
        while position < len(text) and not text.startswith(closing, position):
            found = QUOTED_OR_ANY.match(text, position)
            position = found.end() if found else len(text)
    if position < 0 or position >= len(text):
        raise UnclosedToken(start, opening)
    return position + len(closing)


def line_count_of(piece: Piece) -> str:
    """A comment with as many line ends as the piece has."""
    return "{#" + "\n" * piece.text.count("\n") + "#}"


@lru_cache(256)
def words_in_tokens(template: str) -> frozenset[str]:
    """Every word that a token of the template has; none is missing where it cannot be split."""
    try:
        pieces = split_template(template)
    except UnclosedToken:
        return frozenset(WORD.findall(template))
    return frozenset(word for piece in pieces if piece.kind is not Kind.TEXT for word in WORD.findall(piece.text))
