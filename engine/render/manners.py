"""The manner of each language, after the Unicode CLDR as Babel has it.

Before: a version in another language than English. After: its manner goes into its artifact, for those who fill it open no files.
"""

import re
from functools import lru_cache

from babel import Locale, UnknownLocaleError

from engine.render.manner import Manner

DATE_PARTS = re.compile(r"'([^']*)'|(y+|M+|d+)")
NUMBER = re.compile(r"[#0][#0,.]*")


@lru_cache(maxsize=64)
def manner_of(language: str) -> Manner | None:
    """None: as English does, or the CLDR has nothing of it."""
    if language == "en":
        return None
    try:
        locale = Locale.parse(language)
    except UnknownLocaleError:
        return None
    symbols = locale.number_symbols["latn"]
    return Manner(
        decimal=symbols["decimal"],
        group=symbols["group"],
        money=NUMBER.sub("#", locale.currency_formats["standard"].pattern.partition(";")[0], count=1),
        day=DATE_PARTS.sub(in_braces, locale.date_formats["long"].pattern),
        months=tuple(locale.months["format"]["wide"][month] for month in range(1, 13)),
    )


def in_braces(found: re.Match[str]) -> str:
    """A part of CLDR's date patterns: words in quotes stay, and a month of less than three letters is its number."""
    part = found[2]
    if not part:
        return found[1]
    return "{m}" if part in ("M", "MM") else f"{{{part[0]}}}"
