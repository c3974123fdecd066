"""Answering a checked condition for one lead: the tree, turned once into nested functions.

`engine.expressions.condition` keeps the outermost one. Nothing in here raises for any lead: what is absent, or not of
its field's type, is missing, and a comparison with what is missing is false.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, tzinfo
from typing import Any, TypeAlias, assert_never

from engine.expressions.facts import EventFact, Facts
from engine.expressions.fields import FieldType
from engine.expressions.tree import (
    AllOf,
    Always,
    AnyOf,
    Comparator,
    Comparison,
    DataTest,
    EventMatch,
    Happened,
    InSegment,
    IsMissing,
    IsYes,
    Literal,
    Named,
    Node,
    Not,
    Operand,
    Source,
)
from engine.expressions.values import parse_day
from engine.vocabulary import Origin

Answer: TypeAlias = Callable[[Facts], bool]
Fits: TypeAlias = Callable[[EventFact], bool]
Comparable: TypeAlias = Any  # two values of one type, which the check has made sure of

TESTS: dict[Comparator, Callable[[Comparable, Comparable], bool]] = {
    Comparator.EQUAL: lambda left, right: bool(left == right),
    Comparator.UNEQUAL: lambda left, right: bool(left != right),
    Comparator.LESS: lambda left, right: bool(left < right),
    Comparator.AT_MOST: lambda left, right: bool(left <= right),
    Comparator.MORE: lambda left, right: bool(left > right),
    Comparator.AT_LEAST: lambda left, right: bool(left >= right),
    Comparator.IN: lambda left, right: left in right,
    Comparator.NOT_IN: lambda left, right: left not in right,
}


def answer_of(node: Node) -> Answer:
    """The function that answers `node`."""
    match node:
        case AllOf(parts=parts):
            return _all_of([answer_of(part) for part in parts])
        case AnyOf(parts=parts):
            return _any_of([answer_of(part) for part in parts])
        case Not(part=part):
            return _not(answer_of(part))
        case Always(value=value):
            return lambda facts: value
        case IsYes(value=named):
            return _is_yes(named)
        case IsMissing(value=named):
            return _is_missing(named)
        case Comparison():
            return _comparison(node)
        case Happened():
            return _happened(node)
        case InSegment(part=part):
            return _in_segment(answer_of(part))
    assert_never(node)


def value_of(named: Named, facts: Facts) -> object:
    """The value as it is stored, or None when it is missing."""
    match named.source:
        case Source.LEAD:
            return facts.lead.get(named.name)
        case Source.SCORE:
            return facts.score
        case Source.CONSENT:
            return facts.consent
        case Source.EVENT:
            value: object = getattr(facts.event, named.name, None)
            return value
        case Source.DATA:
            return facts.event.data.get(named.name) if facts.event else None
    assert_never(named.source)


def comparable(value: object, type_: FieldType, zone: tzinfo) -> Comparable | None:
    """A stored value in the form in which it is compared: texts casefolded, numbers as doubles, dates as days."""
    match type_:
        case FieldType.TEXT | FieldType.CHOICE:
            return value.casefold() if isinstance(value, str) else None
        case FieldType.NUMBER:
            return _double(value)
        case FieldType.YES_NO:
            return value if isinstance(value, bool) else None
        case FieldType.DATE:
            return _day(value, zone)
        case FieldType.LIST:
            return _folded(value)
        case FieldType.LIST_OF:
            return None
    assert_never(type_)


def _double(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def _day(value: object, zone: tzinfo) -> date | None:
    """Dates are stored as `2026-03-31` and in no other way; an instant is the day on which it was in the lead's zone."""
    if isinstance(value, datetime):
        return value.astimezone(zone).date() if value.tzinfo else value.date()
    if isinstance(value, date):
        return value
    try:
        return parse_day(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _folded(value: object) -> frozenset[str] | None:
    if not isinstance(value, list | tuple):
        return None
    return frozenset(item.casefold() for item in value if isinstance(item, str))


def _all_of(answers: list[Answer]) -> Answer:
    def holds(facts: Facts) -> bool:
        return all(answer(facts) for answer in answers)

    return holds


def _any_of(answers: list[Answer]) -> Answer:
    def holds(facts: Facts) -> bool:
        return any(answer(facts) for answer in answers)

    return holds


def _not(answer: Answer) -> Answer:
    return lambda facts: not answer(facts)


def _is_yes(named: Named) -> Answer:
    return lambda facts: value_of(named, facts) is True


def _is_missing(named: Named) -> Answer:
    return lambda facts: comparable(value_of(named, facts), named.type, facts.zone) is None


def _comparison(node: Comparison) -> Answer:
    read_left, read_right, test = _reader(node.left), _reader(node.right), TESTS[node.comparator]

    def holds(facts: Facts) -> bool:
        left, right = read_left(facts), read_right(facts)
        return left is not None and right is not None and test(left, right)

    return holds


def _reader(operand: Operand) -> Callable[[Facts], Comparable | None]:
    if isinstance(operand, Named):
        return lambda facts: comparable(value_of(operand, facts), operand.type, facts.zone)
    value = plain_literal(operand)
    return lambda facts: value


def plain_literal(literal: Literal) -> Comparable:
    """The value of a literal in the form in which it is compared; a set of them for `in [...]`."""
    values = literal.value if isinstance(literal.value, tuple) else (literal.value,)
    folded = [value.casefold() if isinstance(value, str) else value for value in values]
    return frozenset(folded) if isinstance(literal.value, tuple) else folded[0]


def _happened(node: Happened) -> Answer:
    fits = {match.type: _fits(match, node) for match in node.matches}
    within = node.within

    def holds(facts: Facts) -> bool:
        earliest = within.before(facts.now, facts.zone) if within else None
        for event in facts.events:
            test = fits.get(event.type)
            if test and event.origin == Origin.HUMAN and _is_in_time(event.at, earliest, facts) and test(event):
                return True
        return False

    return holds


def _is_in_time(at: datetime, earliest: datetime | None, facts: Facts) -> bool:
    return at <= facts.now and (earliest is None or at >= earliest) and (facts.since is None or at > facts.since)


def _fits(match: EventMatch, node: Happened) -> Fits:
    places, wanted = node.places, None if node.subject is None else name_of(node.subject)
    tests = [_data_test(test) for test in match.data]

    def fits(event: EventFact) -> bool:
        if wanted is not None and not any(name_of(getattr(event, place)) == wanted for place in places):
            return False
        return all(test(event) for test in tests)

    return fits


def name_of(value: object) -> str | None:
    """A page is the same with or without the slashes around it; capitals never matter."""
    return value.strip("/").casefold() if isinstance(value, str) else None


def _data_test(test: DataTest) -> Fits:
    wanted = [(name, plain_literal(literal), literal.type) for name, literal in test.fields]

    def fits(event: EventFact) -> bool:
        return any(
            all(comparable(record.get(name), type_, UTC) == value for name, value, type_ in wanted)
            for record in _records(event, test.inside)
        )

    return fits


def _records(event: EventFact, inside: str | None) -> list[Mapping[str, object]]:
    if inside is None:
        return [event.data]
    records = event.data.get(inside)
    return [each for each in records if isinstance(each, Mapping)] if isinstance(records, list | tuple) else []


def _in_segment(answer: Answer) -> Answer:
    return lambda facts: answer(facts if facts.since is None else replace(facts, since=None))
