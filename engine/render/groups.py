"""Finds which statements of a template belong together: an `if` with its `elif`, `else` and `endif`.

Before: `engine.render.pieces` has split the text. After: `engine.render.fold` decides for each group as a whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from engine.render.foreign import of_statement
from engine.render.pieces import Kind, Piece
from engine.render.problems import Problems, Source, Unusable

CLOSES = {"endif": ("if",), "endfor": ("for",)}
CONTINUES = {"elif": ("if",), "else": ("if", "for")}
DEEPEST = 8
ALONE = ("set", "raw", "endraw")


@dataclass(slots=True, eq=False)
class Group:
    """A statement with all that belongs to it. `made`: names it makes; `asked`: what its conditions ask for."""

    opener: Piece
    conditions: list[Piece] = field(default_factory=list)
    is_live: bool = False
    made: frozenset[str] = frozenset()
    asked: frozenset[str] = frozenset()


def match_groups(pieces: Sequence[Piece], source: Source, problems: Problems) -> dict[Piece, Group]:
    """The group of each statement. Raises Unusable when one opens or closes nothing; that is then reported."""
    groups: dict[Piece, Group] = {}
    still_open: list[Group] = []
    for piece in pieces:
        if piece.kind == Kind.STATEMENT and piece.keyword not in ALONE:
            match_statement(piece, groups, still_open, source, problems)
    for group in still_open:
        word = group.opener.keyword
        problems.add(source.at(group.opener.start), f"{{% {word} %}} is never closed by {{% end{word} %}}")
    if still_open:
        raise Unusable
    return groups


def match_statement(
    piece: Piece, groups: dict[Piece, Group], still_open: list[Group], source: Source, problems: Problems
) -> None:
    keyword = piece.keyword
    if keyword in ("if", "for"):
        still_open.append(Group(piece))
        if len(still_open) > DEEPEST:
            problems.add(source.at(piece.start), f"statements are nested deeper than {DEEPEST} levels")
            raise Unusable
    elif (openers := CLOSES.get(keyword) or CONTINUES.get(keyword)) is None:
        problems.add(source.at(piece.start), f"{{% {keyword} %}} is not used in emails: {of_statement(keyword)}")
        raise Unusable
    elif not still_open or still_open[-1].opener.keyword not in openers:
        problems.add(source.at(piece.start), f"{{% {keyword} %}} belongs to no {{% {openers[0]} %}}")
        raise Unusable
    group = groups[piece] = still_open[-1]
    if keyword in ("if", "for", "elif"):
        group.conditions.append(piece)
    if keyword in CLOSES:
        still_open.pop()
