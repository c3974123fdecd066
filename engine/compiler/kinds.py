"""What one text of the workspace may stand for: a span, a clock time, a number, a zone, a name, an address.

Before: the scalars of `engine.compiler.source`. After: `engine.compiler.reading` reports what a kind refuses, under the
kind's code. A parser raises ValueError with a whole sentence.
"""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date, time
from functools import cache
from typing import Generic, Literal, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from email_validator import EmailNotValidError, validate_email

from engine.compiler.diagnostics import quote
from engine.compiler.plan import Timing
from engine.compiler.shapes_of_windows import WEEKDAYS
from engine.expressions.values import parse_day
from engine.languages import LANGUAGE
from engine.spans import Span, parse_span
from engine.vocabulary import Late

LONGEST_NAME = 80

_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_NUMBER = re.compile(r"-?\d{1,12}(\.\d{1,6})?", re.ASCII)
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)", re.ASCII)
_POINT = re.compile(r"(day|week|month|year)\s+(\d{1,5})", re.ASCII)
_COLOUR = re.compile(r"#([0-9a-f]{3}){1,2}|[a-z]+|(rgb|hsl)a?\([^()]*\)", re.ASCII | re.IGNORECASE)

V = TypeVar("V")


class Unusable(ValueError):
    """A value that its kind refuses; `known` are the values there are, when they can be counted."""

    def __init__(self, message: str, known: Collection[str] = ()) -> None:
        super().__init__(message)
        self.known = known


@dataclass(frozen=True, slots=True)
class Kind(Generic[V]):
    """How to read a text as a value, and the code under which a refusal is reported."""

    code: str
    parse: Callable[[str], V]
    longest: int = 250

    def read(self, text: str) -> V:
        """Raises ValueError, or Unusable with what is known, when the text is no such value."""
        if len(text) > self.longest:
            raise Unusable(f"{quote(text)} is too long")
        return self.parse(text)


def parse_text(text: str) -> str:
    if not text.strip():
        raise Unusable("nothing is written here")
    return text.strip()


def parse_name(text: str) -> str:
    if not _NAME.fullmatch(text) or len(text) > LONGEST_NAME:
        raise Unusable(f"{quote(text)} cannot be a name: begin with a small letter, go on with a-z, 0-9, - and _")
    return text


def parse_clock(text: str) -> time:
    found = _CLOCK.fullmatch(text.strip())
    if not found:
        raise Unusable(f"{quote(text)} is not a time of day; write it like 09:00 or 14:30")
    return time(int(found[1]), int(found[2]))


def parse_at(text: str) -> Timing:
    """`day 3`, `week 2`, `month 3`, `year 1`, with `, 14:30` behind it or not."""
    point, clock = split_clock(text)
    found = _POINT.fullmatch(point.strip().lower())
    if not found:
        raise Unusable(f"{quote(text)} is not a point in time; write `day 3`, `week 2`, `month 3` or `day 3, 14:30`")
    return Timing(base="at", span=parse_span(f"{found[2]} {found[1]}s"), clock=clock)


def parse_after(text: str) -> Timing:
    """A span such as `3 business days`, with `, 14:30` behind it or not."""
    length, clock = split_clock(text)
    span = parse_span(length)
    if clock and not span.is_whole_days:
        raise Unusable(f"{quote(text)}: a time of day fits only whole days, not hours or minutes")
    return Timing(base="after", span=span, clock=clock)


def split_clock(text: str) -> tuple[str, time | None]:
    before, comma, clock = text.rpartition(",")
    return (before, parse_clock(clock)) if comma and ":" in clock else (text, None)


def parse_positive_span(text: str) -> Span:
    span = parse_span(text)
    if not span:
        raise Unusable(f"{quote(text)} is no time at all")
    return span


def parse_zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ValueError, OSError) as error:  # ZoneInfoNotFoundError is a KeyError only for well-formed keys
        raise unknown_zone(text) from error
    except KeyError as error:
        raise unknown_zone(text) from error
    return text


def unknown_zone(text: str) -> Unusable:
    return Unusable(f"unknown time zone {quote(text)}", zone_names())


@cache
def zone_names() -> frozenset[str]:
    return frozenset(available_timezones())


def parse_address(text: str) -> str:
    try:
        return validate_email(text, check_deliverability=False, test_environment=True).normalized
    except EmailNotValidError as error:
        raise Unusable(f"{quote(text)} is not an email address: {error}") from error


def parse_link(text: str) -> str:
    try:
        parts = urlsplit(text)
    except ValueError as error:
        raise Unusable(f"{quote(text)} is not a link") from error
    if parts.scheme not in ("https", "http") or not parts.netloc or " " in text:
        raise Unusable(f"{quote(text)} is not a link; it must begin with https://")
    return text


def parse_yes_no(text: str) -> bool:
    if text.lower() not in ("yes", "no", "true", "false"):
        raise Unusable(f"{quote(text)} is neither yes nor no")
    return text.lower() in ("yes", "true")


def parse_language(text: str) -> str:
    if not LANGUAGE.fullmatch(text):
        raise Unusable(f"{quote(text)} is not a language; write its two or three letters: en, de, fr")
    return text


def parse_colour(text: str) -> str:
    if not text:
        raise Unusable("nothing is written here; put a colour into quotes, for YAML passes over what follows a bare #")
    if not _COLOUR.fullmatch(text):
        raise Unusable(f'{quote(text)} is not a colour; write it like "#0B6B5F"')
    return text


def number_kind(at_least: float | None = None) -> Kind[float]:
    """Numbers, not below a bound."""

    def parse(text: str) -> float:
        if not _NUMBER.fullmatch(text):
            raise Unusable(f"{quote(text)} is not a number")
        if at_least is not None and float(text) < at_least:
            raise Unusable(f"{text} is too small; the least is {at_least:g}")
        return float(text)

    return Kind("E016", parse)


def whole_kind(at_least: int, at_most: int = 999_999_999) -> Kind[int]:
    """Whole numbers within bounds."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"-?\d{1,9}", text, re.ASCII):
            raise Unusable(f"{quote(text)} is not a whole number")
        if int(text) < at_least:
            raise Unusable(f"{text} is too small; the least is {at_least}")
        if int(text) > at_most:
            raise Unusable(f"{text} is too large; the most is {at_most}")
        return int(text)

    return Kind("E016", parse)


def choice_kind(choices: Collection[str]) -> Kind[str]:
    """One of some words."""

    def parse(text: str) -> str:
        if text not in choices:
            raise Unusable(f"{quote(text)} is not one of: {', '.join(choices)}", choices)
        return text

    return Kind("E014", parse)


def parse_reentry(text: str) -> Span | None:
    """`no`, `yes` (at once) or the time that must have passed since the passage before."""
    if text.lower() in ("yes", "no", "true", "false"):
        return Span() if parse_yes_no(text) else None
    try:
        return parse_positive_span(text)
    except ValueError as error:
        raise Unusable(f"{quote(text)} is neither yes nor no nor a span such as `6 months`") from error


def parse_date(text: str) -> date:
    try:
        return parse_day(text)
    except ValueError as error:
        raise Unusable(f"{quote(text)} is not a date; write it like 2026-03-31") from error


def parse_on_change(text: str) -> Literal["pin", "migrate"]:
    return "migrate" if choice_kind(("pin", "migrate")).parse(text) == "migrate" else "pin"


def parse_unknown_consent(text: str) -> Literal["nurture", "hold"]:
    return "nurture" if choice_kind(("nurture", "hold")).parse(text) == "nurture" else "hold"


LANGUAGE_CODE = Kind("E080", parse_language)
COLOUR = Kind("E067", parse_colour)
TEXT = Kind("E011", parse_text, longest=50_000)
NAME = Kind("E017", parse_name)
CLOCK = Kind("E015", parse_clock)
AT = Kind("E015", parse_at)
AFTER = Kind("E015", parse_after)
SPAN = Kind("E015", parse_span)
POSITIVE_SPAN = Kind("E015", parse_positive_span)
ZONE = Kind("E029", parse_zone)
ADDRESS = Kind("E036", parse_address)
LINK = Kind("E036", parse_link, longest=2_000)
YES_NO = Kind("E014", parse_yes_no)
WEEKDAY = choice_kind(WEEKDAYS)
NUMBER = number_kind()
NUMBER_FROM_ZERO = number_kind(0)
WHOLE = whole_kind(-1_000_000)
COUNT = whole_kind(1)
PRIORITY = whole_kind(-100, 100)
LATE = Kind("E014", lambda text: Late(choice_kind(tuple(Late)).parse(text)))
LATE_ALONE = Kind("E014", lambda text: Late(choice_kind((Late.SEND, Late.SKIP)).parse(text)))  # with nothing behind it to shift
REENTRY = Kind("E015", parse_reentry)
ACTION = choice_kind(("call", "other"))
OBSERVE = choice_kind(("observe", "ignore"))
FIRST = choice_kind(("priority", "deadline"))
LOSER = choice_kind(("delay", "drop"))
DATE = Kind("E059", parse_date)
ON_CHANGE = Kind("E014", parse_on_change)
UNKNOWN_CONSENT = Kind("E014", parse_unknown_consent)
