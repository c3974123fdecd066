"""A checked condition as one SQL expression over leads, for a hundred thousand of them at once.

`engine.conditions` hands over the columns after `engine.expressions.condition` has checked the text. The answer is that of
`engine.expressions.evaluate`, for every lead and to the letter; a property test holds the two together. An expression is true, or
it is false or NULL: only `not` tells these two apart, and `IS NOT TRUE` takes them together.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import reduce
from itertools import groupby
from typing import Any, TypeAlias, assert_never
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from engine.expressions.evaluate import name_of, plain_literal
from engine.expressions.fields import FieldType
from engine.expressions.sql_words import Words, folded
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
from engine.spans import Span
from engine.vocabulary import Origin

Value: TypeAlias = sa.ColumnElement[Any]
Truth: TypeAlias = sa.ColumnElement[bool]


class NotInSql(Exception):
    """The condition looks at the event that is being scored, and the columns have none. Ask `Condition.holds` instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Where one lead's row has what a condition may look at.

    `own`: the built-in fields by name; `fields`: the declared ones, a JSON object. `events`: a table with `lead_id`, `type`,
    `origin`, `data` and `occurred_at`. `event_data`: the data of the one event that is scored. `since`: see `Facts.since`.
    """

    lead_id: Value
    own: Mapping[str, Value]
    fields: Value
    zone: Value
    score: Value
    consent: Value
    events: sa.FromClause
    event_data: Value | None = None
    since: Value | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When it is asked. `zones`: all that the leads' rows may name; whose row names none lives in `usual_zone`."""

    now: datetime
    usual_zone: ZoneInfo
    zones: Mapping[str, ZoneInfo]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """All that the parts of one condition share."""

    columns: Columns
    moment: Moment
    words: Words


TESTS: dict[Comparator, Callable[[Value, Value], Truth]] = {
    Comparator.EQUAL: lambda left, right: left == right,
    Comparator.UNEQUAL: lambda left, right: left != right,
    Comparator.LESS: lambda left, right: left < right,
    Comparator.AT_MOST: lambda left, right: left <= right,
    Comparator.MORE: lambda left, right: left > right,
    Comparator.AT_LEAST: lambda left, right: left >= right,
}


def holds_in_sql(tree: Node, columns: Columns, moment: Moment, words: Words) -> Truth:
    """True for the leads for whom the condition holds, and for no others. Raises NotInSql (see there)."""
    return truth(tree, Question(columns=columns, moment=moment, words=words))


def truth(node: Node, asked: Question) -> Truth:
    match node:
        case AllOf(parts=parts):
            return sa.and_(*(truth(part, asked) for part in parts))
        case AnyOf(parts=parts):
            return sa.or_(*(truth(part, asked) for part in parts))
        case Not(part=part):
            return truth(part, asked).is_not(sa.true())
        case Always(value=value):
            return sa.literal(1) == sa.literal(int(value))
        case IsYes(value=named):
            return compared(named, asked) == truth_value(True)
        case IsMissing(value=named):
            return is_missing(named, asked)
        case Comparison():
            return comparison(node, asked)
        case Happened():
            return happened(node, asked)
        case InSegment(part=part):
            return truth(part, replace(asked, columns=replace(asked.columns, since=None)))
    assert_never(node)


def truth_value(value: bool) -> Value:
    return sa.literal(value, sa.Boolean())


def is_missing(named: Named, asked: Question) -> Truth:
    if named.type is FieldType.LIST:
        return is_list(named, asked).is_not(sa.true())
    if named.type in TEXTS:
        return stored_text(named, asked).is_(sa.null())
    return compared(named, asked).is_(sa.null())


TEXTS = (FieldType.TEXT, FieldType.CHOICE)


def comparison(node: Comparison, asked: Question) -> Truth:
    """NULL where a side is missing."""
    left, right = node.left, node.right
    if node.comparator not in (Comparator.IN, Comparator.NOT_IN):
        return TESTS[node.comparator](compared(left, asked), compared(right, asked))
    is_in = node.comparator is Comparator.IN
    if isinstance(right, Literal):
        one_of = compared(left, asked).in_(right_values(right))
        return one_of if is_in else sa.not_(one_of)
    if right.type is FieldType.LIST:
        return listed(left, right, asked, is_in=is_in)
    within = asked.words.contains(compared(right, asked), compared(left, asked))
    return within if is_in else sa.not_(within)


def listed(left: Operand, right: Named, asked: Question, *, is_in: bool) -> Truth:
    """Whether the text on the left is an item of the list, where both are there."""
    wanted = compared(left, asked)
    items = asked.words.items(*place_of(right, asked))
    found = any_row(items, folded(asked.words.text_item(items)) == wanted)
    there = sa.and_(is_list(right, asked), wanted.is_not(sa.null()))
    return sa.and_(there, found if is_in else sa.not_(found))


def any_row(rows: sa.FromClause, *which: Truth) -> Truth:
    return sa.select(sa.literal(1)).select_from(rows).where(*which).correlate_except(rows).exists()


def is_list(named: Named, asked: Question) -> Value:
    return asked.words.is_list(*place_of(named, asked))


def compared(operand: Operand, asked: Question) -> Value:
    """A value in the form in which it is compared, or NULL: texts folded, numbers as doubles, days as text."""
    if isinstance(operand, Literal):
        return fixed(operand)
    match operand.type:
        case FieldType.TEXT | FieldType.CHOICE:
            return folded(stored_text(operand, asked))
        case FieldType.DATE if operand.source is Source.LEAD and operand.name in asked.columns.own:
            return asked.words.day_of(asked.columns.own[operand.name])
    if operand.source is Source.SCORE:
        return asked.columns.score
    if operand.source is Source.LEAD and operand.name in asked.columns.own:
        return asked.columns.own[operand.name]
    return in_object(*place_of(operand, asked), operand.type, asked.words)


def stored_text(named: Named, asked: Question) -> Value:
    if named.source is Source.CONSENT:
        return asked.columns.consent
    if named.source is Source.LEAD and named.name in asked.columns.own:
        return asked.columns.own[named.name]
    return asked.words.text(*place_of(named, asked))


def place_of(named: Named, asked: Question) -> tuple[Value, str]:
    """The JSON object that has the value, and its name there."""
    if named.source is Source.LEAD:
        return asked.columns.fields, named.name
    if asked.columns.event_data is None:
        raise NotInSql(f"`{named.name}` is of an event")
    return asked.columns.event_data, named.name


def in_object(container: Value, name: str, type_: FieldType, words: Words) -> Value:
    """A value of a JSON object in the form in which it is compared."""
    match type_:
        case FieldType.TEXT | FieldType.CHOICE:
            return folded(words.text(container, name))
        case FieldType.NUMBER:
            return words.number(container, name)
        case FieldType.YES_NO:
            return words.yes_no(container, name)
        case FieldType.DATE:
            return words.day(words.text(container, name))
        case FieldType.LIST | FieldType.LIST_OF:
            return sa.null()
    assert_never(type_)


def right_values(literal: Literal) -> list[Value]:
    values = literal.value if isinstance(literal.value, tuple) else (literal.value,)
    return [fixed(Literal(value=value, type=literal.type)) for value in values]


def fixed(literal: Literal) -> Value:
    value = plain_literal(literal)
    match value:
        case bool():
            return truth_value(value)
        case date():
            return sa.literal(value.isoformat(), sa.String())
        case float():
            return sa.literal(value, sa.Double())
    return sa.literal(value, sa.String())


def happened(node: Happened, asked: Question) -> Truth:
    """Whether there is an event of the lead that counts."""
    event, columns = asked.columns.events.alias(), asked.columns
    at_ = event.c.occurred_at
    which = [
        event.c.lead_id == columns.lead_id,
        event.c.origin == Origin.HUMAN.value,
        at_ <= instant(asked.moment.now, at_),
        sa.or_(*(fits(matches, node, event, asked.words) for matches in alike(node.matches))),
    ]
    if node.within is not None:
        which.append(at_ >= earliest(node.within, columns.zone, asked.moment, at_))
    if columns.since is not None:
        which.append(at_ > columns.since)
    return any_row(event, *which)


def instant(moment: datetime, like: Value) -> Value:
    return sa.literal(moment, like.type)


def earliest(within: Span, zone: Value, moment: Moment, like: Value) -> Value:
    """From when on an event counts: days and months are the calendar's where the lead is, so it depends on its zone."""
    usually = within.before(moment.now, moment.usual_zone)
    if not (within.months or within.days or within.business_days):
        return instant(usually, like)
    begins = {name: within.before(moment.now, its) for name, its in moment.zones.items()}
    other = sorted((began, name) for name, began in begins.items() if began != usually)
    cases = [
        (zone.in_([name for _began, name in names]), instant(began, like))
        for began, names in groupby(other, key=lambda one: one[0])
    ]
    return sa.case(*cases, else_=instant(usually, like)) if cases else instant(usually, like)


def alike(matches: tuple[EventMatch, ...]) -> list[list[EventMatch]]:
    """Types of event together of which the same data is asked."""
    found: dict[tuple[DataTest, ...], list[EventMatch]] = {}
    for match in matches:
        found.setdefault(match.data, []).append(match)
    return list(found.values())


def fits(matches: list[EventMatch], node: Happened, event: sa.FromClause, words: Words) -> Truth:
    tests: list[Truth] = [event.c.type.in_([match.type for match in matches])]
    if node.subject is not None:
        wanted = name_of(node.subject)
        tests.append(sa.or_(*(subject_in(event.c.data, place, words) == wanted for place in node.places)))
    return sa.and_(*tests, *(data_fits(test, event.c.data, words) for test in matches[0].data))


def subject_in(data: Value, place: str, words: Words) -> Value:
    """A page is the same with or without the slashes around it."""
    return folded(sa.func.rtrim(sa.func.ltrim(words.text(data, place), "/"), "/", type_=sa.String()))


def data_fits(test: DataTest, data: Value, words: Words) -> Truth:
    """All the values, in the data itself or in one record of its list."""
    if test.inside is None:
        return all_equal(test, data, words)
    records = words.items(data, test.inside)
    return any_row(records, words.is_record(records), all_equal(test, records.c.value, words))


def all_equal(test: DataTest, container: Value, words: Words) -> Truth:
    return reduce(
        sa.and_,
        (in_object(container, name, literal.type, words) == fixed(literal) for name, literal in test.fields),
        sa.true(),
    )
