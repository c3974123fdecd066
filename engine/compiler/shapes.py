"""The words in which the shape of a workspace's files is described, once for all who need it.

Before: nothing. After: `shapes_of_cadences` and `shapes_of_tables` describe each file; the readers take from there which keys
there are, and `engine.compiler.json_schema` makes what editors complete and check by.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, TypeAlias


class Value(StrEnum):
    """One text, by what may stand in it."""

    TEXT = "text"
    TEMPLATE = "template"  # text with {{ lead.… }}
    CONDITION = "condition"
    NAME = "name"
    FIELD_NAME = "field name"
    NUMBER = "number"
    PERCENT = "percent"
    COUNT = "count"  # a whole number from 1
    WHOLE = "whole"
    SHARE = "share"  # a whole number from 0; 1 where nothing is written
    PRIORITY = "priority"  # -100 to 100
    YES_NO = "yes or no"
    SPAN = "span"
    AT = "at"
    AFTER = "after"
    CLOCK = "clock"
    DATE = "date"
    MOMENT = "moment"  # of a test: a day counted from its start, or a date
    MOMENT_OR_NO = "moment or no"
    REENTRY = "re-entry"
    ZONE = "zone"
    COUNTRY = "country"
    LANGUAGE = "language"
    ADDRESS = "address"
    DOMAIN = "domain"
    LINK = "link"
    FILE = "file"
    CODE = "code"  # of a warning
    ANY = "any"  # whatever the marketer's own fields say


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some words."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ListOf:
    item: "Shape"
    least: int = 0


@dataclass(frozen=True, slots=True)
class MapOf:
    """Keys of the marketer's own, all with one shape."""

    key: Value
    value: "Shape"


@dataclass(frozen=True, slots=True)
class OneOf:
    shapes: "tuple[Shape, ...]"


@dataclass(frozen=True, slots=True)
class Ref:
    """A shape that holds itself, by its name: the steps inside a step."""

    name: str


class Key(NamedTuple):
    """A key of a mapping: what may stand there, and what it is, in a line that editors show."""

    shape: "Shape"
    about: str
    is_needed: bool = False


class Record(dict[str, Key]):
    """A mapping whose keys are known."""


Shape: TypeAlias = Value | Choice | ListOf | MapOf | OneOf | Ref | Record


def needed(shape: Shape, about: str) -> Key:
    return Key(shape, about, True)


def choice(words: Collection[str]) -> Choice:
    return Choice(tuple(words))
