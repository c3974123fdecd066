"""A checked condition as one SQL expression over leads, for a hundred thousand of them at once.

`engine.conditions` hands over the columns after `engine.expressions.condition` has checked the text. The answer is that of
`engine.expressions.evaluate`, for every lead and to the letter; a property test holds the two together. An expression is true, or
it is false or NULL: only `not` tells these two apart, and `IS NOT TRUE` takes them together.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import assert_never

import sqlalchemy as sa

from engine.expressions.fields import FieldType
from engine.expressions.sql_events import happened
from engine.expressions.sql_values import (
    Columns,
    Moment,
    NotInSql,
    Question,
    Truth,
    Value,
    any_row,
    compared,
    fixed,
    place_of,
    stored_text,
    truth_value,
)
from engine.expressions.sql_words import Words, folded
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
    Operand,
    depth_of,
)

DEEPEST = 30  # SQLite's parser has room for some 35 levels; a condition alone has no more than these, but segments add up
TEXTS = (FieldType.TEXT, FieldType.CHOICE)
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
    if depth_of(tree) > DEEPEST:
        raise NotInSql(f"nested more than {DEEPEST} deep")
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


def is_missing(named: Named, asked: Question) -> Truth:
    if named.type is FieldType.LIST:
        return is_list(named, asked).is_not(sa.true())
    if named.type in TEXTS:
        return stored_text(named, asked).is_(sa.null())
    return compared(named, asked).is_(sa.null())


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


def is_list(named: Named, asked: Question) -> Value:
    return asked.words.is_list(*place_of(named, asked))


def right_values(literal: Literal) -> list[Value]:
    values = literal.value if isinstance(literal.value, tuple) else (literal.value,)
    return [fixed(Literal(value=value, type=literal.type)) for value in values]
