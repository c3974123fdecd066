"""The values of a condition as SQL: of the lead's row, of its fields, of an event's data, and those that are written in it.

Before: `engine.conditions` hands over the columns. After: `engine.expressions.sql` compares what comes from here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeAlias, assert_never
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from engine.expressions.evaluate import plain_literal
from engine.expressions.fields import FieldType
from engine.expressions.sql_words import Words, folded
from engine.expressions.tree import Literal, Named, Operand, Source

Value: TypeAlias = sa.ColumnElement[Any]
Truth: TypeAlias = sa.ColumnElement[bool]


class NotInSql(Exception):
    """Ask `Condition.holds` instead: it is nested too deeply, or looks at an event being scored where the columns have none."""


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


def truth_value(value: bool) -> Value:
    return sa.literal(value, sa.Boolean())


def any_row(rows: sa.FromClause, *which: Truth) -> Truth:
    return sa.select(sa.literal(1)).select_from(rows).where(*which).correlate_except(rows).exists()
