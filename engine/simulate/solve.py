"""Finds a lead, and things that happen to it, for which a condition holds or does not: simple ones, for first tests. Pure.

Before: `engine.simulate.propose` wants a lead that goes one way at a fork. After: it runs that lead and sees which way it went,
so a wish that is not met here is told and not believed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from engine.expressions.fields import Field, FieldType
from engine.expressions.tree import (
    AllOf,
    Always,
    AnyOf,
    Comparator,
    Comparison,
    Happened,
    InSegment,
    IsMissing,
    IsYes,
    Literal,
    Named,
    Node,
    Not,
    Source,
)
from engine.expressions.values import Json

OTHER_TEXT = "something else"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wished:
    """An event that is to happen. `subject`: the email, link, page or form that it is about, as the condition names it."""

    type: str
    subject: str | None
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What makes a condition come out as wished."""

    fields: Mapping[str, Json] = field(default_factory=dict)
    events: tuple[Wished, ...] = ()


NOTHING = Needs()


def solve(node: Node, wish: bool, fields: Mapping[str, Field]) -> Needs | None:
    """What a lead of whom nothing is known needs; None: that is more than can be found simply."""
    match node:
        case Always(value=value):
            return NOTHING if value == wish else None
        case Not(part=part):
            return solve(part, not wish, fields)
        case InSegment(part=part):
            return solve(part, wish, fields)
        case AllOf(parts=parts) | AnyOf(parts=parts):
            found = [solve(part, wish, fields) for part in parts]
            return all_together(found) if isinstance(node, AllOf) == wish else first_of(found)
        case IsYes(value=named):
            return of_field(named, True) if wish else NOTHING
        case IsMissing():
            return NOTHING if wish else None
        case Happened():
            return Needs(events=(wished(node),)) if wish else NOTHING
        case Comparison():
            return compared(node, fields) if wish else NOTHING


def all_together(found: list[Needs | None]) -> Needs | None:
    together = NOTHING
    for each in found:
        if each is None or any(together.fields.get(name, value) != value for name, value in each.fields.items()):
            return None
        together = Needs(fields={**together.fields, **each.fields}, events=(*together.events, *each.events))
    return together


def first_of(found: list[Needs | None]) -> Needs | None:
    """The one that asks for least."""
    return min((each for each in found if each is not None), key=lambda each: (len(each.events), len(each.fields)), default=None)


def wished(node: Happened) -> Wished:
    return Wished(type=node.matches[0].type, subject=node.subject, places=node.places)


def of_field(named: Named, value: Json) -> Needs | None:
    return Needs(fields={named.name: value}) if named.source is Source.LEAD else None


def compared(node: Comparison, fields: Mapping[str, Field]) -> Needs | None:
    left, right = node.left, node.right
    if isinstance(left, Literal) and isinstance(right, Named) and node.comparator is Comparator.IN:
        return of_field(right, [str(left.value)]) if right.type is FieldType.LIST else of_field(right, str(left.value))
    if not isinstance(left, Named) or not isinstance(right, Literal):
        return None
    value = fitting(node.comparator, left, right, fields)
    return None if value is None else of_field(left, value)


def fitting(comparator: Comparator, left: Named, right: Literal, fields: Mapping[str, Field]) -> Json | None:
    """A value of the left for which the comparison holds."""
    value = right.value
    if isinstance(value, tuple):
        return plain(value[0]) if comparator is Comparator.IN else another(left, {plain(each) for each in value}, fields)
    step = STEPS.get(comparator)
    if step is not None and isinstance(value, int | float) and not isinstance(value, bool):
        return value + step
    if step is not None and isinstance(value, date):
        return str(value + timedelta(days=step))
    return plain(value) if comparator is Comparator.EQUAL else another(left, {plain(value)}, fields)


STEPS = {Comparator.EQUAL: 0, Comparator.UNEQUAL: 1, Comparator.LESS: -1, Comparator.AT_MOST: 0, Comparator.MORE: 1,
         Comparator.AT_LEAST: 0}  # fmt: skip


def another(left: Named, taken: set[Json], fields: Mapping[str, Field]) -> Json | None:
    declared = fields.get(left.name)
    if declared is None or left.type not in (FieldType.CHOICE, FieldType.TEXT):
        return None
    return next((choice for choice in (declared.choices or (OTHER_TEXT,)) if choice not in taken), None)


def plain(value: object) -> "str | float | bool":
    return value if isinstance(value, bool | int | float | str) else str(value)
