"""Statements made ready once and then run as they are, for what every batch of work asks.

Before: `engine.database` opened a transaction. After: the verbs have their rows. SQLAlchemy still writes the SQL and converts
values by their types; but it is not asked again at each run, which for a list of a thousand ids costs more than the database.
"""

from collections import namedtuple
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

from engine.database import Tx

MOST_ROWS = 128  # in one INSERT; a power of two

Convert = Callable[[Any], Any]


class Prepared:
    """A statement for many runs. Its values are given by name; a list where the statement says `expanding=True`.

    A list is filled up to a power of two by repeating its last value, so that a few texts serve any length.
    """

    def __init__(self, statement: sa.Select[Any] | sa.UpdateBase) -> None:
        self.statement = statement
        self._spellings: dict[str, Spelling] = {}

    def rows(self, tx: Tx, **values: Any) -> list[Any]:
        """What it finds or returns, as named tuples."""
        spelling = self.spelling(tx)
        return spelling.answer.read(tx.connection.exec_driver_sql(*spelling.filled(values)))

    def run(self, tx: Tx, **values: Any) -> int:
        """How many rows it changed; for a statement that returns none."""
        spelling = self.spelling(tx)
        assert not spelling.answer.columns, "SQLite counts them only when they have been read: take len(rows(…))"
        return tx.connection.exec_driver_sql(*spelling.filled(values)).rowcount

    def run_each(self, tx: Tx, rows: Sequence[Mapping[str, Any]]) -> int:
        """Once with the values of each of these, among which is no list; how many rows it changed in all."""
        return tx.connection.exec_driver_sql(*self.spelling(tx).filled_each(rows)).rowcount if rows else 0

    def spelling(self, tx: Tx) -> "Spelling":
        dialect = tx.connection.dialect
        if dialect.name not in self._spellings:
            self._spellings[dialect.name] = Spelling(self.statement, dialect)
        return self._spellings[dialect.name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """SQL for lists of certain lengths. `names`: what the driver calls the values of each parameter; `order`: theirs, for a
    driver that goes by places; `constants`: the values that the statement itself brings.
    """

    sql: str
    names: Mapping[str, Sequence[str]]
    order: Sequence[str] | None
    constants: Mapping[str, Any]


class Spelling:
    """A statement as one kind of database takes it."""

    def __init__(self, statement: sa.Select[Any] | sa.UpdateBase, dialect: sa.Dialect) -> None:
        compiled = statement.compile(dialect=dialect)
        assert isinstance(compiled, SQLCompiler)
        self.compiled = compiled
        self.binds = {name: bind for bind, name in compiled.bind_names.items() if not bind.literal_execute}
        self.lists = [name for name, bind in self.binds.items() if bind.required and bind.expanding]
        self.writers = {name: writer(bind.type, dialect) for name, bind in self.binds.items()}
        self.answer = Answer(statement.exported_columns, dialect)
        self.texts: dict[tuple[int, ...], Text] = {}

    def filled(self, values: Mapping[str, Any]) -> tuple[str, Any]:
        """The SQL and its parameters for one run."""
        given = {name: filled_up(value) if name in self.lists else (value,) for name, value in values.items()}
        text = self.text(given)
        named = dict(text.constants)
        for name, cells in given.items():
            named.update(zip(text.names[name], self.written(name, cells), strict=True))
        return text.sql, named if text.order is None else tuple(map(named.__getitem__, text.order))

    def filled_each(self, rows: Sequence[Mapping[str, Any]]) -> tuple[str, Any]:
        """The SQL and the parameters of each run."""
        text = self.text({})
        order = text.order or list(self.binds)
        columns = [
            repeat(text.constants[name]) if name in text.constants else self.written(name, [row[name] for row in rows])
            for name in order
        ]
        runs = list(zip(*columns, strict=False))  # constants repeat for ever
        return text.sql, runs if text.order else [dict(zip(order, run, strict=True)) for run in runs]

    def text(self, given: Mapping[str, Sequence[Any]]) -> Text:
        lengths = tuple([len(given[name]) for name in self.lists])
        if lengths not in self.texts:
            self.texts[lengths] = self.spell(given)
        return self.texts[lengths]

    def spell(self, given: Mapping[str, Sequence[Any]]) -> Text:
        example = {name: given[name] if name in self.lists else None for name, bind in self.binds.items() if bind.required}
        spelt = self.compiled.construct_expanded_state(example)
        names = {name: spelt.parameter_expansion.get(name, [name]) for name in self.binds}
        constants: dict[str, Any] = {}
        for name, bind in self.binds.items():
            if not bind.required:
                cells = [spelt.parameters[driver_name] for driver_name in names[name]]
                constants.update(zip(names[name], self.written(name, cells), strict=True))
        return Text(sql=spelt.statement, names=names, order=spelt.positiontup, constants=constants)

    def written(self, name: str, cells: Sequence[Any]) -> Iterable[Any]:
        """The values as the driver takes them; those of a list of tuples one by one."""
        flat = chain.from_iterable(cells) if cells and isinstance(cells[0], tuple) else cells
        write = self.writers[name]
        return flat if write is None else map(write, flat)


def filled_up(values: Collection[Any]) -> list[Any]:
    """The values and as many times the last one as it takes to be a power of two."""
    some = list(values)
    wanted = 1 << (len(some) - 1).bit_length() if some else 0
    return some + some[-1:] * (wanted - len(some))


def writer(type_: TypeEngine[Any], dialect: sa.Dialect) -> Convert | None:
    """What makes the driver's values of Python's; None: they are the same."""
    return type_.dialect_impl(dialect).bind_processor(dialect)


class Answer:
    """What comes back from a statement with these columns."""

    def __init__(self, columns: Iterable[sa.ColumnElement[Any]], dialect: sa.Dialect) -> None:
        self.columns, self.dialect = tuple(columns), dialect
        self.row: Any = namedtuple("Row", [column.key for column in self.columns])  # type: ignore[misc]  # known when it runs
        self.readers: list[tuple[int, Convert]] | None = None

    def read(self, result: sa.CursorResult[Any]) -> list[Any]:
        """Its rows as named tuples."""
        cursor = result.cursor
        assert cursor is not None, "the statement returns rows"
        if self.readers is None:
            self.readers = list(self.readers_for([described[1] for described in cursor.description]))
        found = cursor.fetchall()
        result.close()
        return list(map(self.row._make, converted(found, self.readers)))

    def readers_for(self, driver_types: Sequence[Any]) -> Iterator[tuple[int, Convert]]:
        """(place of a column, what makes Python's values of the driver's), for those columns that need it."""
        for place, (column, driver_type) in enumerate(zip(self.columns, driver_types, strict=True)):
            read = column.type.dialect_impl(self.dialect).result_processor(self.dialect, driver_type)
            if read is not None:
                yield place, read


def converted(rows: Sequence[Sequence[Any]], readers: Sequence[tuple[int, Convert]]) -> Iterable[Sequence[Any]]:
    """Column by column, which is cheaper than cell by cell."""
    if not (rows and readers):
        return rows
    columns: list[Iterable[Any]] = list(zip(*rows, strict=True))
    for place, read in readers:
        columns[place] = map(read, columns[place])
    return zip(*columns, strict=True)


class PreparedInsert:
    """An INSERT of any number of rows, each a tuple of these columns.

    A row whose columns `unless` are there already is left out, or, with `over`, written over the old one but for those. With no
    columns named a row is left out whatever stands in its way.
    """

    def __init__(
        self,
        table: sa.Table,
        columns: tuple[str, ...],
        *,
        unless: tuple[str, ...],
        over: bool = False,
        returning: tuple[str, ...] = (),
    ) -> None:
        self.table, self.columns, self.unless, self.over, self.returning = table, columns, unless, over, returning
        self._spellings: dict[str, InsertSpelling] = {}

    def rows(self, tx: Tx, rows: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Insert them; the columns `returning` of those that were written, as named tuples."""
        spelling = self.spelling(tx)
        results = (tx.connection.exec_driver_sql(sql, cells) for sql, cells in spelling.filled(rows))
        return [row for result in results for row in spelling.answer.read(result)]

    def run(self, tx: Tx, rows: Sequence[tuple[Any, ...]]) -> int:
        """Insert them; how many were written. For an INSERT that returns nothing."""
        assert not self.returning, "SQLite counts them only when they have been read: take len(rows(…))"
        return sum(tx.connection.exec_driver_sql(sql, cells).rowcount for sql, cells in self.spelling(tx).filled(rows))

    def spelling(self, tx: Tx) -> "InsertSpelling":
        dialect = tx.connection.dialect
        if dialect.name not in self._spellings:
            self._spellings[dialect.name] = InsertSpelling(self, dialect)
        return self._spellings[dialect.name]

    def statement(self, dialect: sa.Dialect, size: int) -> Any:
        """SQLAlchemy's, with a parameter for each cell of so many rows."""
        cells = [
            {name: sa.bindparam(f"{name}_{row}", type_=self.table.c[name].type) for name in self.columns} for row in range(size)
        ]
        adding = (sqlite.insert if dialect.name == "sqlite" else postgresql.insert)(self.table).values(cells)
        if self.over:
            changed = {name: adding.excluded[name] for name in self.columns if name not in self.unless}
            adding = adding.on_conflict_do_update(index_elements=self.unless, set_=changed)
        else:
            adding = adding.on_conflict_do_nothing(index_elements=self.unless or None)
        return adding.returning(*(self.table.c[name] for name in self.returning)) if self.returning else adding


class InsertSpelling:
    """An INSERT as one kind of database takes it: as many rows at once as the greatest power of two that there are."""

    def __init__(self, insert: PreparedInsert, dialect: sa.Dialect) -> None:
        self.insert, self.dialect = insert, dialect
        self.columns = [column.name for column in insert.table.c if column.name in insert.columns]  # as SQLAlchemy has them
        self.writers = [writer(insert.table.c[name].type, dialect) for name in self.columns]
        self.answer = Answer([insert.table.c[name] for name in insert.returning], dialect)
        self.texts: dict[int, tuple[str, Sequence[str] | None]] = {}

    def filled(self, rows: Sequence[tuple[Any, ...]]) -> Iterator[tuple[str, Any]]:
        """The SQL and the parameters of each statement that it takes."""
        rest = list(zip(*self.written(rows), strict=True)) if rows else []
        while rest:
            size = min(MOST_ROWS, 1 << (len(rest).bit_length() - 1))
            some, rest = rest[:size], rest[size:]
            yield self.with_cells(size, tuple(chain.from_iterable(some)))

    def written(self, rows: Sequence[tuple[Any, ...]]) -> Iterator[Iterable[Any]]:
        """The columns as the driver takes them."""
        cells = dict(zip(self.insert.columns, zip(*rows, strict=True), strict=True))
        for name, write in zip(self.columns, self.writers, strict=True):
            yield cells[name] if write is None else map(write, cells[name])

    def with_cells(self, size: int, cells: tuple[Any, ...]) -> tuple[str, Any]:
        if size not in self.texts:
            self.texts[size] = self.spell(size)
        sql, names = self.texts[size]
        return sql, cells if names is None else dict(zip(names, cells, strict=True))

    def spell(self, size: int) -> tuple[str, Sequence[str] | None]:
        """The SQL, and the names of its cells for a driver that does not go by places."""
        compiled = self.insert.statement(self.dialect, size).compile(dialect=self.dialect)
        names = [f"{name}_{row}" for row in range(size) for name in self.columns]
        assert set(compiled.params) == set(names), "a column with a default of SQLAlchemy's has to be given"
        assert compiled.positiontup in (None, names), "the cells follow the columns of the table"
        return str(compiled), None if compiled.positiontup else names
