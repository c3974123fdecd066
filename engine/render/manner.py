"""How a language writes money, dates and fractions.

Before: `engine.render.manners` knows that of each language, and `engine.render.library` writes it into the artifacts of those
other than English, since those who fill a mail open no files. After: `engine.render.sandbox` prints values so.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """`money` has `¤` and `#` for sign and amount; `day` has y, m and d in braces for the parts of a date, M for the
    name of its month.
    """

    decimal: str
    group: str
    money: str
    day: str
    months: tuple[str, ...]

    def amount(self, amount: float, sign: str) -> str:
        digits = f"{abs(amount):,.2f}".translate({ord(","): self.group, ord("."): self.decimal})
        told = self.money.replace("#", digits).replace("¤", sign) if sign else digits
        return f"-{told}" if amount < 0 else told

    def fraction(self, number: float) -> str:
        return str(number).replace(".", self.decimal)

    def date(self, day: date) -> str:
        return self.day.format(y=day.year, m=day.month, M=self.months[day.month - 1], d=day.day)


# Of the mail that is being written; None: as in English. Each thread, and each child that renders, has its own.
_manner: ContextVar[Manner | None] = ContextVar("manner", default=None)


@contextmanager
def in_manner(manner: Manner | None) -> Iterator[None]:
    """Inside, values are printed so."""
    before = _manner.set(manner)
    try:
        yield
    finally:
        _manner.reset(before)


def manner_now() -> Manner | None:
    return _manner.get()


def from_plain(plain: Mapping[str, Any] | None) -> Manner | None:
    return None if plain is None else Manner(**{**plain, "months": tuple(plain["months"])})
