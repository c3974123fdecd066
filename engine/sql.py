"""The places where SQLite and PostgreSQL are spelt differently: upserts, how many values fit a statement, and rows in bulk."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from engine.database import Tx

Item = TypeVar("Item")
MOST_VALUES = 1_000


def insert(tx: Tx, table: sa.Table) -> Any:
    """An INSERT of this database's dialect, which alone knows `on_conflict_do_…`."""
    return sqlite.insert(table) if tx.is_sqlite else postgresql.insert(table)


def insert_new(
    tx: Tx, table: sa.Table, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]], *, unless: tuple[str, ...]
) -> int:
    """Insert rows given as tuples, except where the columns `unless` are there already; returns how many were inserted.

    The statement is compiled once: SQLAlchemy's own bulk insert costs more for each row than the database does.
    """
    ready = bulk_insert(table, columns, unless, tx.connection.dialect)
    cells = [tuple([write(value) for write, value in zip(ready.writers, row, strict=True)]) for row in rows]
    parameters: Any = cells if ready.is_positional else [dict(zip(columns, row, strict=True)) for row in cells]
    return tx.connection.exec_driver_sql(ready.text, parameters).rowcount


@dataclass(frozen=True, slots=True)
class BulkInsert:
    """`writers` turn a value of each column into what the driver takes."""

    text: str
    is_positional: bool
    writers: tuple[Callable[[Any], Any], ...]


@lru_cache(maxsize=64)
def bulk_insert(table: sa.Table, columns: tuple[str, ...], unless: tuple[str, ...], dialect: sa.Dialect) -> BulkInsert:
    kind: Any = sqlite if dialect.name == "sqlite" else postgresql
    adding = kind.insert(table).values({name: sa.bindparam(name) for name in columns})
    compiled = adding.on_conflict_do_nothing(index_elements=unless).compile(dialect=dialect)
    types = [table.c[name].type.dialect_impl(dialect) for name in columns]
    writers = tuple(type_.bind_processor(dialect) or as_it_is for type_ in types)
    if compiled.positiontup is not None:
        assert tuple(compiled.positiontup) == columns, "values follow the order of the columns"
    return BulkInsert(str(compiled), compiled.positiontup is not None, writers)


def as_it_is(value: Any) -> Any:
    return value


def rows_at_once(items: Collection[Item]) -> Iterator[list[Item]]:
    """The items in lists short enough for one statement's values."""
    rest = iter(items)
    while some := list(islice(rest, MOST_VALUES)):
        yield some
