"""Languages, as far as mails need to know them: which one somebody reads, and which way it is written.

Before: a lead's field `language`, in whatever spelling it came. After: `engine.compiler.copies` picks the copy in that language.
"""

import re
from collections.abc import Collection

USUAL = "en"
FIELD = "language"  # of leads.yaml
LANGUAGE = re.compile(r"[a-z]{2,3}")
# Written from right to left, by the scripts that CLDR names as their usual ones (Arabic, Hebrew, Thaana, Syriac, N'Ko).
RIGHT_TO_LEFT = frozenset({"ar", "arc", "ckb", "dv", "fa", "he", "iw", "ks", "nqo", "ps", "sd", "syr", "ug", "ur", "yi"})


def primary(tag: object) -> str | None:
    """The primary subtag, in small letters (RFC 5646 section 2.1): `de` of `de-AT`, `DE_ch` and `de`. None: there is none."""
    found = LANGUAGE.match(tag.strip().lower()) if isinstance(tag, str) else None
    rest = tag.strip()[found.end() :] if isinstance(tag, str) and found else ""
    return found[0] if found and (not rest or rest[0] in "-_") else None


def read_by(tag: object, there: Collection[str], usual: str) -> str:
    """The language among those that are `there` which somebody reads whose own is `tag`; else the usual one."""
    own = primary(tag)
    return own if own in there and own is not None else usual


def is_right_to_left(language: str) -> bool:
    return language in RIGHT_TO_LEFT
