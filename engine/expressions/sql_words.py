"""How SQLite and PostgreSQL say what a condition needs: a typed value of a JSON object, the items of a list, a text folded.

`engine.expressions.sql` asks for these. What is absent or of another type is NULL, and nothing in here fails for any stored
value: PostgreSQL stops a whole statement at one bad cast, and SQLite makes a 0 of it.
"""

from typing import Any, Protocol

import sqlalchemy as sa

from engine.expressions.folding import DOUBLE, FOLD

Value = sa.ColumnElement[Any]
Rows = sa.TableValuedAlias

BEYOND_DOUBLES = 2**1024 - 2**970  # from here on a whole number rounds to no double
# the days of the calendar from year 1 to 9999, as they are stored
DAYS = (
    "^(?!0000)(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    "|02-(?:0[1-9]|1[0-9]|2[0-8]))|(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)$"
)
DAY_SHAPE = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"


class Words(Protocol):
    """One database's words. `container` is a JSON object, `name` one of its keys."""

    def text(self, container: Value, name: str) -> Value: ...
    def number(self, container: Value, name: str) -> Value: ...
    def yes_no(self, container: Value, name: str) -> Value: ...
    def day(self, text: Value) -> Value:
        """The text where it is a day of the calendar: such texts are ordered as the days are."""

    def day_of(self, instant: Value) -> Value:
        """The day of an instant in UTC, as text."""

    def is_list(self, container: Value, name: str) -> Value: ...
    def items(self, container: Value, name: str) -> Rows:
        """One row for each item of a list; none where it is no list."""

    def text_item(self, items: Rows) -> Value:
        """The item where it is a text."""

    def is_record(self, items: Rows) -> Value: ...
    def contains(self, whole: Value, part: Value) -> Value: ...


def folded(text: Value) -> Value:
    """The text without regard to capitals."""
    return sa.Function(FOLD, text, type_=sa.String())


class SqliteWords:
    """Our own functions stand on every connection (`engine.database`)."""

    def text(self, container: Value, name: str) -> Value:
        return sa.case((self.kind(container, name) == "text", self.got(container, name, sa.String())))

    def number(self, container: Value, name: str) -> Value:
        """Whole numbers are exact; SQLite's own reading of decimals may be one off in the last place."""
        kind, got = self.kind(container, name), self.got(container, name, sa.Double())
        is_small = sa.and_(kind == "integer", sa.func.typeof(got) == "integer")
        read: Value = sa.Function(DOUBLE, container, sa.literal(name), type_=sa.Double())
        return sa.case((is_small, sa.cast(got, sa.REAL)), (kind.in_(("integer", "real")), read))

    def yes_no(self, container: Value, name: str) -> Value:
        kind = self.kind(container, name)
        return sa.case((kind == "true", sa.literal(1)), (kind == "false", sa.literal(0)))

    def day(self, text: Value) -> Value:
        moved_by_nothing = sa.func.date(text, "+0 days")  # that makes the 2nd of March of a 30th of February
        is_day = sa.and_(text.op("GLOB")(DAY_SHAPE), moved_by_nothing == text, text >= "0001-01-01")
        return sa.case((is_day, text))

    def day_of(self, instant: Value) -> Value:
        return sa.func.substr(sa.type_coerce(instant, sa.String()), 1, 10, type_=sa.String())

    def is_list(self, container: Value, name: str) -> Value:
        return self.kind(container, name) == "array"

    def items(self, container: Value, name: str) -> Rows:
        only_list = sa.case((self.is_list(container, name), self.got(container, name, sa.String())), else_="[]")
        return sa.func.json_each(only_list).table_valued(sa.column("value", sa.String()), sa.column("type", sa.String()))

    def text_item(self, items: Rows) -> Value:
        return sa.case((items.c.type == "text", items.c.value))

    def is_record(self, items: Rows) -> Value:
        return items.c.type == "object"

    def contains(self, whole: Value, part: Value) -> Value:
        return sa.func.instr(whole, part) > 0

    def kind(self, container: Value, name: str) -> Value:
        return sa.func.json_type(plain(container), f"$.{name}", type_=sa.String())

    def got(self, container: Value, name: str, type_: Any) -> Value:
        return sa.func.json_extract(plain(container), f"$.{name}", type_=type_)


class PostgresWords:
    """A CASE is the one place in which PostgreSQL promises not to look at a cast before its condition."""

    def text(self, container: Value, name: str) -> Value:
        return sa.case((self.kind(container, name) == "string", self.got(container, name)))

    def number(self, container: Value, name: str) -> Value:
        exact = sa.cast(self.got(container, name), sa.Numeric())
        fits = sa.func.abs(exact) < sa.cast(sa.literal(str(BEYOND_DOUBLES)), sa.Numeric())
        read: Value = sa.cast(self.got(container, name), sa.Double())
        return sa.case((self.kind(container, name) == "number", sa.case((fits, read))))

    def yes_no(self, container: Value, name: str) -> Value:
        read: Value = sa.cast(self.got(container, name), sa.Boolean())
        return sa.case((self.kind(container, name) == "boolean", read))

    def day(self, text: Value) -> Value:
        return sa.case((text.op("~")(DAYS), text))

    def day_of(self, instant: Value) -> Value:
        return sa.func.to_char(sa.func.timezone("UTC", instant), "YYYY-MM-DD", type_=sa.String())

    def is_list(self, container: Value, name: str) -> Value:
        return self.kind(container, name) == "array"

    def items(self, container: Value, name: str) -> Rows:
        nothing = sa.cast(sa.literal("[]"), container.type)
        only_list = sa.case((self.is_list(container, name), self.inner(container, name)), else_=nothing)
        return sa.func.jsonb_array_elements(only_list).table_valued(sa.column("value", container.type), name="item")

    def text_item(self, items: Rows) -> Value:
        of_item = items.c.value.op("#>>", return_type=sa.String())(sa.text("'{}'"))
        return sa.case((sa.func.jsonb_typeof(items.c.value) == "string", of_item))

    def is_record(self, items: Rows) -> Value:
        return sa.func.jsonb_typeof(items.c.value, type_=sa.String()) == "object"

    def contains(self, whole: Value, part: Value) -> Value:
        return sa.func.strpos(whole, part) > 0

    def kind(self, container: Value, name: str) -> Value:
        return sa.func.jsonb_typeof(self.inner(container, name), type_=sa.String())

    def inner(self, container: Value, name: str) -> Value:
        return container.op("->", return_type=container.type)(sa.literal(name, sa.String()))

    def got(self, container: Value, name: str) -> Value:
        return sa.collate(container.op("->>", return_type=sa.String())(sa.literal(name, sa.String())), "C")


def plain(container: Value) -> Value:
    """As what it is in SQLite: text."""
    return sa.type_coerce(container, sa.String())


SQLITE, POSTGRES = SqliteWords(), PostgresWords()
