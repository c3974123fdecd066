"""A checked condition as a tree of small values: the one form that every evaluation walks.

`engine.expressions.check` builds it from text. `evaluate` turns it into closures over one lead's facts and `words` into
sentences; every name is resolved, every literal has its type, every span is parsed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import TypeAlias

from engine.expressions.fields import FieldType
from engine.spans import Span

Plain: TypeAlias = str | float | bool | date


class Source(StrEnum):
    """Where a named value comes from."""

    LEAD = "lead"  # a field of the lead
    SCORE = "score"
    CONSENT = "consent"
    EVENT = "event"  # link, email, page or form of the event that is being scored
    DATA = "data"  # a data field of that event


class Comparator(StrEnum):
    """How two values are compared. With a missing value on either side each of them is false."""

    EQUAL = "=="
    UNEQUAL = "!="
    LESS = "<"
    AT_MOST = "<="
    MORE = ">"
    AT_LEAST = ">="
    IN = "in"  # the left is one of the literals, an item of the list, or a part of the text on the right
    NOT_IN = "not in"


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A value that depends on the lead or the event."""

    source: Source
    name: str
    type: FieldType


@dataclass(frozen=True, slots=True, kw_only=True)
class Literal:
    """A value written in the condition, already of the type it is compared as; a tuple for `in [...]`."""

    value: Plain | tuple[Plain, ...]
    type: FieldType


Operand: TypeAlias = Named | Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class AllOf:
    parts: tuple["Node", ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyOf:
    parts: tuple["Node", ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Not:
    part: "Node"


@dataclass(frozen=True, slots=True, kw_only=True)
class Always:
    """`true` or `false`."""

    value: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class IsYes:
    """A yes-no field on its own. Missing is not yes."""

    value: Named


@dataclass(frozen=True, slots=True, kw_only=True)
class IsMissing:
    """`company is missing`."""

    value: Named


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """At least one side is named. When one is a literal it is the right one, but for `in`."""

    left: Operand
    comparator: Comparator
    right: Operand


@dataclass(frozen=True, slots=True, kw_only=True)
class DataTest:
    """`fields` all have these values in the event's data itself, or in one and the same record of its list `inside`."""

    inside: str | None
    fields: tuple[tuple[str, Literal], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventMatch:
    """One type of event that counts, and what its data must be."""

    type: str
    data: tuple[DataTest, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """A human event that fits one of `matches` lies between `within` before now (both ends count) and now.

    `subject`, when given, must be the event's value in one of the `places`. In a wait, only events after its beginning.
    """

    function: str
    matches: tuple[EventMatch, ...]
    places: tuple[str, ...] = ()  # of email, link, page, form
    subject: str | None = None
    within: Span | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InSegment:
    """The segment's own condition holds. It describes the lead as it is: the beginning of a wait does not limit it."""

    name: str
    part: "Node"


Leaf: TypeAlias = Always | IsYes | IsMissing | Comparison | Happened | InSegment
Node: TypeAlias = AllOf | AnyOf | Not | Leaf


def leaves(node: Node) -> Iterator[Leaf]:
    """The tree's leaves in the order they were written; a segment is one leaf."""
    match node:
        case AllOf(parts=parts) | AnyOf(parts=parts):
            for part in parts:
                yield from leaves(part)
        case Not(part=part):
            yield from leaves(part)
        case _:
            yield node


def deep_leaves(node: Node) -> Iterator[Leaf]:
    """The leaves with those inside segments in place of the segments."""
    for leaf in leaves(node):
        if isinstance(leaf, InSegment):
            yield from deep_leaves(leaf.part)
        else:
            yield leaf


def depth_of(node: Node) -> int:
    """How deeply it is nested, segments included; 1 for a leaf."""
    match node:
        case AllOf(parts=parts) | AnyOf(parts=parts):
            return 1 + max(map(depth_of, parts))
        case Not(part=part) | InSegment(part=part):
            return 1 + depth_of(part)
    return 1
