"""Texts without regard to capitals, the same to the letter in Python, in SQLite and in PostgreSQL.

Before: `engine.expressions.evaluate` compares `str.casefold`. After: `engine.database` lends SQLite that very function, and
`engine.migrations` teaches PostgreSQL, whose own `lower` depends on the server's locale, with the statement made here.
"""

import itertools
import json
from collections.abc import Sequence
from typing import NamedTuple

FOLD = "handraiser_fold"  # (text) → text
DOUBLE = "handraiser_double"  # (JSON object, name) → the double of that number; SQLite's own reading of decimals may be one off
SURROGATES = range(0xD800, 0xE000)
SCRIPTS = (0x80, 0x250, 0x400, 0x530, 0x110000)  # Latin, Greek, Cyrillic, all others


class Folds(NamedTuple):
    """The characters beyond ASCII that folding changes, with what each becomes: one character, or several."""

    single: dict[str, str]
    several: dict[str, str]


def fold(text: object) -> str | None:
    """What is compared for a text; None for anything else."""
    return text.casefold() if isinstance(text, str) else None


def double_in(container: object, name: object) -> float | None:
    """The number of that name in a JSON object, as Python reads it; None where it is too large for a double."""
    found = json.loads(str(container)).get(name)
    try:
        return None if isinstance(found, bool) or not isinstance(found, int | float) else float(found)
    except OverflowError:
        return None


def folds() -> Folds:
    """As Python's own tables have it: folding looks at each character alone."""
    changed = {chr(code): chr(code).casefold() for code in range(0x80, 0x110000) if code not in SURROGATES}
    changed = {character: folded for character, folded in changed.items() if folded != character}
    return Folds(
        single={character: folded for character, folded in changed.items() if len(folded) == 1},
        several={character: folded for character, folded in changed.items() if len(folded) > 1},
    )


def postgres_function() -> str:
    """The statement that makes `FOLD`. Plain ASCII is by far the most and costs next to nothing; then each script for itself."""
    single, several = folds()
    sharp = several.pop("ß")  # by far the most frequent
    expand = [f"said := replace(said, '{character}', '{folded}');" for character, folded in several.items()]
    steps = [f"said := replace(said, 'ß', '{sharp}');", only_where("".join(several), expand)]
    for first, behind in itertools.pairwise(SCRIPTS):
        there = {character: folded for character, folded in single.items() if first <= ord(character) < behind}
        steps.append(only_where("".join(there), [f"said := translate(said, '{''.join(there)}', '{''.join(there.values())}');"]))
    return f"""
CREATE OR REPLACE FUNCTION {FOLD}(said text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $fold$
BEGIN
  said := lower(said COLLATE "C");
  IF octet_length(said) = length(said) THEN
    RETURN said;
  END IF;
  {" ".join(steps)}
  RETURN said;
END
$fold$"""


def only_where(characters: str, statements: Sequence[str]) -> str:
    """`translate` looks through all its characters for each of the text's, so it is asked only where one is there."""
    return f"IF said ~ '[{characters}]' THEN {' '.join(statements)} END IF;"
