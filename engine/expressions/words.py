"""A condition's leaves in words, with what the lead has: `employees is at least 50 (it is 12)`.

`engine.expressions.condition` pairs them with their truth, for `explain` and for the reasons that sales reads.
"""

from datetime import UTC, date, datetime, tzinfo

from engine.expressions.evaluate import comparable, value_of
from engine.expressions.facts import Facts
from engine.expressions.fields import FieldType
from engine.expressions.tree import (
    Always,
    Comparator,
    Comparison,
    Happened,
    InSegment,
    IsMissing,
    IsYes,
    Leaf,
    Literal,
    Named,
    Operand,
    Source,
)

COMPARATOR_WORDS = {
    Comparator.EQUAL: "is",
    Comparator.UNEQUAL: "is not",
    Comparator.LESS: "is less than",
    Comparator.AT_MOST: "is at most",
    Comparator.MORE: "is more than",
    Comparator.AT_LEAST: "is at least",
}
DATE_WORDS = {
    Comparator.LESS: "is before",
    Comparator.AT_MOST: "is on or before",
    Comparator.MORE: "is after",
    Comparator.AT_LEAST: "is on or after",
}
FUNCTION_WORDS = {
    "opened": "opened",
    "clicked": "clicked",
    "replied": "replied",
    "purchased": "purchased",
    "visited": "visited",
    "submitted": "submitted the form",
}


def leaf_in_words(leaf: Leaf, facts: Facts) -> str:
    """What the leaf asks, and in brackets what is so."""
    match leaf:
        case Always(value=value):
            return "always" if value else "never"
        case IsYes(value=named):
            return f"{_name(named)} is yes{_so(named, facts)}"
        case IsMissing(value=named):
            return f"{_name(named)} is missing{_so(named, facts)}"
        case InSegment(name=name):
            return f"is in the segment '{name}'"
        case Happened():
            return _happened(leaf)
        case Comparison(left=left, right=right):
            so = "".join(_so(side, facts) for side in (left, right) if isinstance(side, Named))
            return f"{_compared(leaf)}{so}"


def _compared(leaf: Comparison) -> str:
    left, right = _operand(leaf.left), _operand(leaf.right)
    if leaf.comparator in (Comparator.IN, Comparator.NOT_IN):
        no = "not " if leaf.comparator is Comparator.NOT_IN else ""
        if isinstance(leaf.right, Literal):
            return f"{left} is {no}one of {right}"
        return f"{left} is {no}in {right}"
    words = COMPARATOR_WORDS | (DATE_WORDS if leaf.left.type is FieldType.DATE else {})
    return f"{left} {words[leaf.comparator]} {right}"


def _operand(operand: Operand) -> str:
    if isinstance(operand, Named):
        return _name(operand)
    values = operand.value if isinstance(operand.value, tuple) else (operand.value,)
    return ", ".join(_shown(value, UTC) for value in values)


def _name(named: Named) -> str:
    return f"the event's {named.name}" if named.source in (Source.EVENT, Source.DATA) else named.name


def _so(named: Named, facts: Facts) -> str:
    value = value_of(named, facts)
    if comparable(value, named.type, facts.zone) is None:
        return f" ({_name(named)} is missing)"
    return f" (it is {_shown(value, facts.zone)})"


def _shown(value: object, zone: tzinfo) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.15g}"
        case datetime():
            return (value.astimezone(zone) if value.tzinfo else value).date().isoformat()
        case date():
            return value.isoformat()
        case list() | tuple():
            return ", ".join(_shown(item, zone) for item in value) or "empty"
        case str():
            return f"'{value}'"
    return str(value)


def _happened(leaf: Happened) -> str:
    types = " or ".join(match.type for match in leaf.matches)
    words = [FUNCTION_WORDS.get(leaf.function, f"the event {types} happened")]
    if leaf.subject is not None:
        words.append(f"'{leaf.subject}'")
    if data := _data(leaf):
        words.append(f"with {data}")
    if leaf.within is not None:
        words.append(f"within {leaf.within}")
    return " ".join(words)


def _data(leaf: Happened) -> str:
    tests = leaf.matches[0].data
    return " and ".join(f"{name} {_operand(literal)}" for test in tests for name, literal in test.fields)
