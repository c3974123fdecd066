"""Statements made ready once and then run as they are, for what every batch of work asks.

Before: `engine.database` opened a transaction. After: the verbs have their rows. SQLAlchemy still writes the SQL and converts
values by their types; but it is not asked again at each run, which for a list of a thousand ids costs more than the database.
"""

import json
from collections import namedtuple
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain, repeat
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

from engine.database import Tx

MOST_ROWS = 128  # in one INSERT; a power of two

Convert = Callable[[Any], Any]


class Prepared:
    """A statement for many runs. Its values are given by name; a list where the statement says `expanding=True`.

    PostgreSQL takes a list as one array, and a list of pairs as two. For SQLite it is a parameter for each value, filled up to a
    power of two by repeating the last one, so that a few texts serve any length.
    """

    def __init__(self, statement: sa.SelectBase | sa.UpdateBase) -> None:
        self.statement = statement
        self._spellings: dict[str, Spelling] = {}
        self._of_many: UpdateOfArrays | None = None
        self._whole: str | None = None

    def rows(self, tx: Tx, **values: Any) -> list[Any]:
        """What it finds or returns, as named tuples."""
        if (foretold := tx.foretold.pop(self, None)) is not None:
            return foretold
        spelling = self.spelling(tx.connection.dialect)
        return spelling.answer.read(tx.ask(*spelling.filled(values)))

    def whole_sql(self, dialect: sa.Dialect) -> str:
        """See `engine.database.Foretold`."""
        if self._whole is None:
            self._whole = str(self.statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
        return self._whole

    def read(self, dialect: sa.Dialect, cursor: Any) -> list[Any]:
        """What a cursor found that ran `whole_sql`."""
        return self.spelling(dialect).answer.read(cursor)

    def run(self, tx: Tx, **values: Any) -> int:
        """How many rows it changed; for a statement that returns none."""
        spelling = self.spelling(tx.connection.dialect)
        assert not spelling.answer.columns, "SQLite counts them only when they have been read: take len(rows(…))"
        return changed_by(tx.ask(*spelling.filled(values)))

    def run_each(self, tx: Tx, rows: Sequence[Mapping[str, Any]]) -> int:
        """An UPDATE of a row for each of these, by its values, among which is no list; how many rows it changed in all."""
        if not rows:
            return 0
        spelling = self.spelling(tx.connection.dialect)
        if not has_arrays(tx.connection.dialect):
            return changed_by(tx.ask(*spelling.filled_each(rows)))
        if self._of_many is None:
            self._of_many = UpdateOfArrays(self.statement, spelling.binds, tx.connection.dialect)
        return changed_by(tx.ask(*self._of_many.filled(rows)))

    def spelling(self, dialect: sa.Dialect) -> "Spelling":
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

    def __init__(self, statement: sa.SelectBase | sa.UpdateBase, dialect: sa.Dialect) -> None:
        self.pairs: dict[str, list[str]] = {}  # of a list of pairs, what its two arrays are called
        compiled = (with_arrays(statement, self.pairs) if has_arrays(dialect) else statement).compile(dialect=dialect)
        assert isinstance(compiled, SQLCompiler)
        self.compiled = compiled
        self.binds = {name: bind for bind, name in compiled.bind_names.items() if not bind.literal_execute}
        self.lists = [name for name, bind in self.binds.items() if bind.required and bind.expanding]
        self.writers = {name: writer(bind.type, dialect) for name, bind in self.binds.items()}
        self.answer = Answer(statement.exported_columns, dialect)
        self.texts: dict[tuple[int, ...], Text] = {}

    def filled(self, values: Mapping[str, Any]) -> tuple[str, Any]:
        """The SQL and its parameters for one run."""
        if self.pairs:
            values = dict(self.parted(values))
        given = {name: filled_up(value) if name in self.lists else (value,) for name, value in values.items()}
        text = self.text(given)
        named = dict(text.constants)
        for name, cells in given.items():
            named.update(zip(text.names[name], self.written(name, cells), strict=True))
        return text.sql, named if text.order is None else tuple(map(named.__getitem__, text.order))

    def parted(self, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """The values, with the columns of a list of pairs in its place."""
        for name, value in values.items():
            if name in self.pairs:
                yield from zip(self.pairs[name], zip(*value, strict=True) if value else ((), ()), strict=True)
            else:
                yield name, value

    def filled_each(self, rows: Sequence[Mapping[str, Any]]) -> tuple[str, Any]:
        """The SQL and the parameters of each run, for a driver that goes by places."""
        text = self.text({})
        assert text.order is not None
        columns = [
            repeat(text.constants[name]) if name in text.constants else self.written(name, [row[name] for row in rows])
            for name in text.order
        ]
        return text.sql, list(zip(*columns, strict=False))  # constants repeat for ever

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
        flat = chain.from_iterable(cells) if name in self.lists and cells and isinstance(cells[0], tuple) else cells
        write = self.writers[name]
        return flat if write is None else map(write, flat)


def has_arrays(dialect: sa.Dialect) -> bool:
    """Whether a list may be one parameter. psycopg reads a text of more than 50 parameters anew at each run."""
    return dialect.name == "postgresql"


def with_arrays(statement: Any, pairs: dict[str, list[str]]) -> Any:
    """The same statement with `= ANY (array)` for every `IN` a list that is given at the run.

    A list of pairs becomes the rows of two arrays; what those are called is noted in `pairs`.
    """

    def replaced(element: Any, **_: Any) -> Any:
        is_list = isinstance(element, sa.BinaryExpression) and element.operator in (operators.in_op, operators.not_in_op)
        if not (is_list and isinstance(element.right, sa.BindParameter) and element.right.expanding and element.right.required):
            return None
        if isinstance(element.left, sa.Tuple):
            assert element.operator is operators.in_op
            types = {f"{element.right.key}_{place}": column.type for place, column in enumerate(element.left.clauses)}
            pairs[element.right.key] = list(types)
            return element.left.in_(sa.select(*unnested(types).c))
        array = sa.bindparam(element.right.key, type_=Array(element.left.type))
        return element.left == sa.any_(array) if element.operator is operators.in_op else element.left != sa.all_(array)

    return visitors.replacement_traverse(statement, {}, replaced)


def unnested(types: Mapping[str, TypeEngine[Any]]) -> sa.TableValuedAlias:
    """Rows made of an array for each column, each given at the run under the column's name."""
    arrays = [sa.bindparam(name, type_=Array(type_)) for name, type_ in types.items()]
    return sa.func.unnest(*arrays).table_valued(*(sa.column(name, type_) for name, type_ in types.items())).render_derived()


class Array(sa.TypeDecorator[Any]):
    """An array of such values, as a text of our own: the driver looks at the type of each member first, which takes ten times as
    long.
    """

    impl = postgresql.ARRAY
    cache_ok = True

    def __init__(self, item: TypeEngine[Any]) -> None:
        self.item = item
        # A cast to VARCHAR(32)[] would cut a longer text without a word; and a JSON value may be a list itself.
        super().__init__(sa.Text() if isinstance(item, sa.String) else item, dimensions=1)

    def bind_processor(self, dialect: sa.Dialect) -> Convert:
        spell = speller(self.item, dialect)
        return lambda cells: f"{{{','.join(['NULL' if cell is None else spell(cell) for cell in cells])}}}"


def speller(item: TypeEngine[Any], dialect: sa.Dialect) -> Callable[[Any], str]:
    """How a value that is there stands in an array's text."""
    if isinstance(item, sa.JSON) or isinstance(item.dialect_impl(dialect), sa.JSON):
        return lambda cell: quoted(json.dumps(cell))
    if isinstance(item, sa.Date):
        return date.isoformat
    if isinstance(item, sa.LargeBinary):
        return lambda cell: f'"\\\\x{cell.hex()}"'
    write = writer(item, dialect)
    if isinstance(item.dialect_impl(dialect), sa.DateTime) or isinstance(item, sa.TypeDecorator):
        assert write is not None
        return lambda cell: write(cell).isoformat()
    return (lambda cell: quoted(str(cell))) if isinstance(item, sa.String) else str


def quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def filled_up(values: Collection[Any]) -> list[Any]:
    """The values and as many times the last one as it takes to be a power of two."""
    some = list(values)
    wanted = 1 << (len(some) - 1).bit_length() if some else 0
    return some + some[-1:] * (wanted - len(some))


def writer(type_: TypeEngine[Any], dialect: sa.Dialect) -> Convert | None:
    """What makes the driver's values of Python's; None: they are the same."""
    return type_.dialect_impl(dialect).bind_processor(dialect)


def written_alone(bind: sa.BindParameter[Any], dialect: sa.Dialect) -> Any:
    """The value that a statement itself brings, as the driver takes it."""
    write = writer(bind.type, dialect)
    return bind.value if write is None else write(bind.value)


def changed_by(cursor: Any) -> int:
    """How many rows."""
    changed: int = cursor.rowcount
    return changed


class Answer:
    """What comes back from a statement with these columns."""

    def __init__(self, columns: Iterable[sa.ColumnElement[Any]], dialect: sa.Dialect) -> None:
        self.columns, self.dialect = tuple(columns), dialect
        self.row: Any = namedtuple("Row", [column.key for column in self.columns])  # type: ignore[misc]  # known when it runs
        self.readers: list[tuple[int, Convert]] | None = None

    def read(self, cursor: Any) -> list[Any]:
        """The rows of the driver's cursor as named tuples."""
        if self.readers is None:
            self.readers = list(self.readers_for([described[1] for described in cursor.description]))
        return list(map(self.row._make, converted(cursor.fetchall(), self.readers)))

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

    Of a row whose columns `unless` are there already only the columns `over` are written, over those of the old one. With no
    columns named a row is left out whatever stands in its way; None: it is an error of SQLAlchemy's then.
    """

    def __init__(
        self,
        table: sa.Table,
        columns: tuple[str, ...],
        *,
        unless: tuple[str, ...] | None,
        over: tuple[str, ...] = (),
        returning: tuple[str, ...] = (),
    ) -> None:
        self.table, self.columns, self.unless, self.over, self.returning = table, columns, unless, over, returning
        self._spellings: dict[str, InsertOfArrays | InsertOfCells] = {}

    def rows(self, tx: Tx, rows: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Insert them; the columns `returning` of those that were written, as named tuples."""
        spelling = self.spelling(tx)
        answers = (tx.ask(sql, cells) for sql, cells in spelling.filled(rows))
        return [row for cursor in answers for row in spelling.answer.read(cursor)]

    def run(self, tx: Tx, rows: Sequence[tuple[Any, ...]]) -> int:
        """Insert them; how many were written. For an INSERT that returns nothing."""
        assert not self.returning, "SQLite counts them only when they have been read: take len(rows(…))"
        return sum(changed_by(tx.ask(sql, cells)) for sql, cells in self.spelling(tx).filled(rows))

    def spelling(self, tx: Tx) -> "InsertOfArrays | InsertOfCells":
        dialect = tx.connection.dialect
        if dialect.name not in self._spellings:
            left_out = [column.name for column in self.table.c if column.default is not None and column.name not in self.columns]
            assert not left_out, f"a column with a default of SQLAlchemy's has to be given: {left_out}"
            self._spellings[dialect.name] = (InsertOfArrays if has_arrays(dialect) else InsertOfCells)(self, dialect)
        return self._spellings[dialect.name]

    def finished(self, adding: Any) -> Any:
        """An INSERT of SQLAlchemy's with what to do about rows that are there, and what to return."""
        if self.over:
            assert self.unless, "the columns by which a row is known"
            changed = {name: adding.excluded[name] for name in self.over}
            adding = adding.on_conflict_do_update(index_elements=self.unless, set_=changed)
        elif self.unless is not None:
            adding = adding.on_conflict_do_nothing(index_elements=self.unless or None)
        return adding.returning(*(self.table.c[name] for name in self.returning)) if self.returning else adding


class InsertOfArrays:
    """An INSERT as PostgreSQL takes it: an array for each column, so one short text serves any number of rows."""

    def __init__(self, insert: PreparedInsert, dialect: sa.Dialect) -> None:
        types = {name: insert.table.c[name].type for name in insert.columns}
        rows = unnested(types)
        adding = postgresql.insert(insert.table).from_select(insert.columns, sa.select(*rows.c), include_defaults=False)
        self.sql = str(insert.finished(adding).compile(dialect=dialect))
        self.writers = {name: Array(type_).bind_processor(dialect) for name, type_ in types.items()}
        self.answer = Answer([insert.table.c[name] for name in insert.returning], dialect)

    def filled(self, rows: Sequence[tuple[Any, ...]]) -> Iterator[tuple[str, Any]]:
        """The SQL and its parameters."""
        if rows:
            columns = zip(self.writers.items(), zip(*rows, strict=True), strict=True)
            yield self.sql, {name: write(cells) for (name, write), cells in columns}


class UpdateOfArrays:
    """An UPDATE of many rows, each by values of its own, as PostgreSQL takes it in one statement: an array for each value."""

    def __init__(self, statement: Any, binds: Mapping[str, sa.BindParameter[Any]], dialect: sa.Dialect) -> None:
        types = {name: bind.type for name, bind in binds.items() if bind.required}
        rows = unnested(types)

        def replaced(element: Any, **_: Any) -> Any:
            return rows.c[element.key] if isinstance(element, sa.BindParameter) and element.key in types else None

        compiled = visitors.replacement_traverse(statement, {}, replaced).compile(dialect=dialect)
        self.sql = str(compiled)
        self.writers = {name: Array(type_).bind_processor(dialect) for name, type_ in types.items()}
        given = {name: bind for bind, name in compiled.bind_names.items() if name not in types}
        self.constants = {name: written_alone(bind, dialect) for name, bind in given.items()}

    def filled(self, rows: Sequence[Mapping[str, Any]]) -> tuple[str, Any]:
        arrays = {name: write([row[name] for row in rows]) for name, write in self.writers.items()}
        return self.sql, arrays | self.constants


class InsertOfCells:
    """An INSERT as SQLite takes it: a parameter for each cell, of as many rows at once as the greatest power of two there are."""

    def __init__(self, insert: PreparedInsert, dialect: sa.Dialect) -> None:
        self.insert, self.dialect = insert, dialect
        self.columns = [column.name for column in insert.table.c if column.name in insert.columns]  # as SQLAlchemy has them
        self.writers = [writer(insert.table.c[name].type, dialect) for name in self.columns]
        self.answer = Answer([insert.table.c[name] for name in insert.returning], dialect)
        self.texts: dict[int, str] = {}

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
        return self.texts[size], cells

    def spell(self, size: int) -> str:
        cells = [
            {name: sa.bindparam(f"{name}_{row}", type_=self.insert.table.c[name].type) for name in self.columns}
            for row in range(size)
        ]
        compiled = self.insert.finished(sqlite.insert(self.insert.table).values(cells)).compile(dialect=self.dialect)
        assert compiled.positiontup == [f"{name}_{row}" for row in range(size) for name in self.columns]
        return str(compiled)
