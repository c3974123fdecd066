"""The door to SQL: one `Database` a process, short transactions that know their own `now`.

After `engine.schema`, before everything that reads or writes rows. `read()` and `write()` both yield a `Tx`; `write()`
commits at the end and rolls back on any exception. On SQLite a write takes the lock at once (`BEGIN IMMEDIATE`), because
upgrading a read later fails without waiting (SQLITE_BUSY); writers of one process queue on a lock of ours, which is
fairer and faster than SQLite's polling. On PostgreSQL `now` is the database's, so that hosts with skewed clocks agree.
"""

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, cast

import sqlalchemy as sa
from sqlalchemy.pool import ConnectionPoolEntry

from engine.clock import Clock, HostClock
from engine.errors import DatabaseError
from engine.expressions.folding import DOUBLE, FOLD, double_in, fold
from engine.writes import Writes, cannot

BUSY_MILLISECONDS = 30_000
STATEMENTS_KEPT = 256  # by SQLite, ready to run; a batch's lists come in many lengths, each a statement of its own
PREPARE_AFTER = 2  # runs of a statement on a connection to PostgreSQL
READ, WRITE, READ_ON_POSTGRES = "BEGIN", "BEGIN IMMEDIATE", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
NOTICE = {  # a host that vanished is noticed within a minute, not within hours; seconds, and milliseconds for the last
    "connect_timeout": 10,
    "keepalives_idle": 20,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 40_000,
}
LONGEST_PAUSE_MILLISECONDS = 120_000  # within a transaction; a host that vanished would keep its locks for hours


class Foretold(Protocol):
    """A question without values that can be asked together with others: `read` takes the answer to `whole_sql`."""

    def whole_sql(self, dialect: sa.Dialect) -> str: ...
    def read(self, dialect: sa.Dialect, cursor: Any) -> list[Any]: ...


@dataclass(frozen=True, slots=True)
class Tx:
    """A transaction: its connection and the one instant that counts as now within it.

    `cursor` is the driver's own. There is one for all, since to make one costs psycopg as much as to ask something. `seen` keeps
    what is asked for again and again and cannot change within it (see `engine.versions.live_rules`). `foretold`: answers that
    came with its beginning, each for the first who asks.
    """

    connection: sa.Connection
    now: datetime
    cursor: Any
    seen: dict[str, object] = field(default_factory=dict)
    foretold: dict[Foretold, list[Any]] = field(default_factory=dict)

    @property
    def is_sqlite(self) -> bool:
        return self.connection.dialect.name == "sqlite"

    def run(
        self, statement: sa.Executable, parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None
    ) -> sa.CursorResult[Any]:
        """Execute one statement, or one for each of a list of parameters."""
        return self.connection.execute(statement, parameters)

    def ask(self, sql: str, values: Any) -> Any:
        """The driver's cursor, after it has run SQL that is ready for it; a list of values runs it once for each. An answer is
        to be read before the next question.

        SQLAlchemy's way to the same cursor costs ten times what SQLite takes to find a row. Errors are SQLAlchemy's all the same.
        """
        connection, cursor, are_many = self.connection, self.cursor, isinstance(values, list)
        for listener in connection.dispatch.before_cursor_execute:
            listener(connection, cursor, sql, values, None, are_many)
        try:
            (cursor.executemany if are_many else cursor.execute)(sql, values)
        except connection.dialect.loaded_dbapi.Error as error:
            raise as_sqlalchemys(connection, sql, error) from error
        return cursor


def as_sqlalchemys(connection: sa.Connection, sql: str, error: Any) -> BaseException:
    """The driver's error as SQLAlchemy words it, without the values. A connection that is dead is not used again."""
    is_dead = connection.dialect.is_disconnect(error, connection.connection, None)
    if is_dead:
        connection.invalidate(error)
    base = connection.dialect.loaded_dbapi.Error
    said: BaseException = sa.exc.DBAPIError.instance(
        sql, None, error, base, hide_parameters=True, connection_invalidated=is_dead, dialect=connection.dialect
    )
    return said


class Database:
    """Where the rows are. `clock` overrides the time source (the simulator's virtual time, tests)."""

    def __init__(self, engine: sa.Engine, clock: Clock | None) -> None:
        self.engine = engine
        self.is_sqlite = engine.dialect.name == "sqlite"
        self._clock: Clock | None = clock or (HostClock() if self.is_sqlite else None)
        self._writer = threading.RLock()
        self.writes = Writes(engine.url.database if self.is_sqlite else None)

    @classmethod
    def open(cls, url: str, *, clock: Clock | None = None, durable: bool = True, connections: int = 16) -> "Database":
        """Connect lazily. Raises DatabaseError when the driver is not installed.

        `durable=False` (SQLite's synchronous=OFF) is for the simulator's throw-away file only.
        """
        if url.startswith("sqlite"):
            return cls(sqlite_engine(url, durable=durable), clock)
        try:
            return cls(postgres_engine(url, connections), clock)
        except ModuleNotFoundError as error:
            raise DatabaseError("PostgreSQL needs its driver: pip install 'handraiser[postgres]'") from error

    @contextmanager
    def read(self) -> Iterator[Tx]:
        """One look: every question in it sees the same rows, whatever others commit meanwhile. It may not write.

        On PostgreSQL it ends in a commit: at a rollback the driver forgets every statement that it has prepared there.
        """
        with self.connected(READ if self.is_sqlite else READ_ON_POSTGRES) as tx:
            try:
                yield tx
            except BaseException:
                tx.connection.rollback()
                raise
            tx.connection.rollback() if self.is_sqlite else tx.connection.commit()

    @contextmanager
    def write(self, *sure: Foretold) -> Iterator[Tx]:
        """All or nothing. `sure`: what is going to be asked in any case. On PostgreSQL it goes out with the BEGIN: each round
        trip is a turn at the GIL, for which a thread of a busy worker waits longer than for the answer.
        """
        lock, begin = (self._writer, WRITE) if self.is_sqlite else (nullcontext(), "BEGIN")
        with lock, self.connected(begin, sure) as tx, noticing_replicas(tx.connection):
            try:
                yield tx
            except BaseException:
                tx.connection.rollback()
                raise
            tx.connection.commit()

    @contextmanager
    def connected(self, begin: str, sure: Sequence[Foretold] = ()) -> Iterator[Tx]:
        """A connection on which a transaction has begun."""
        try:
            with self.engine.connect() as connection:
                if self.is_sqlite:
                    connection.begin()
                    cursor = connection.connection.cursor()
                    Tx(connection, self.now(), cursor).ask(begin, ())
                    yield Tx(connection, self.now(), cursor)
                else:
                    cursor, instant, foretold = begun(connection, begin, sure)
                    yield Tx(connection, instant if self._clock is None else self._clock.now(), cursor, foretold=foretold)
        except sa.exc.DBAPIError as error:
            self.writes.note(error)
            if was_ended(error) or is_of_old_columns(error):
                raise as_away(error.statement, error.orig) from error
            raise

    def now(self) -> datetime:
        assert self._clock is not None, "PostgreSQL says itself what it counts as now"
        return self._clock.now()

    def close(self) -> None:
        self.engine.dispose()


@contextmanager
def noticing_replicas(connection: sa.Connection) -> Iterator[None]:
    """A server that may only be read, as one is that was replaced or is about to take over, cannot serve us for now. It is left:
    the next connection may lead to the one that can.
    """
    try:
        yield
    except sa.exc.InternalError as error:
        if not cannot(error.orig):
            raise
        raise given_up(connection, error.statement, error.orig) from error


def was_ended(error: sa.exc.DBAPIError) -> bool:
    """Whether the server ended the session and has a name for that which is not one of a database that is away: it does so where
    a process was stopped for long in the midst of a transaction.
    """
    return error.connection_invalidated and not isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError)


def is_of_old_columns(error: sa.exc.DBAPIError) -> bool:
    """Whether PostgreSQL had prepared the statement before a migration changed a column's type. The rollback makes the driver
    forget it, so another try goes well.
    """
    return getattr(getattr(error.orig, "diag", None), "source_function", None) == "RevalidateCachedQuery"


def given_up(connection: sa.Connection, sql: str | None, error: Any) -> sa.exc.OperationalError:
    """This connection is not used again, and the database counts as away."""
    connection.invalidate(error)
    return as_away(sql, error)


def as_away(sql: str | None, error: Any) -> sa.exc.OperationalError:
    return sa.exc.OperationalError(sql, None, error, hide_parameters=True)


Begun = tuple[Any, datetime, dict[Foretold, list[Any]]]


def begun(connection: sa.Connection, begin: str, sure: Sequence[Foretold]) -> Begun:
    """Begin a transaction on PostgreSQL: its cursor, its time of day and the answers to what is sure to be asked, in one round
    trip. A connection that has died in the pool is replaced.

    Raises what SQLAlchemy raises, also when the database is away.
    """
    driver = connection.dialect.loaded_dbapi
    try:
        try:
            found = begun_there(connection, begin, sure)
        except driver.OperationalError as error:
            connection.invalidate(error)
            found = begun_there(connection, begin, sure)
    except driver.OperationalError as again:
        raise given_up(connection, begin, again) from again
    except driver.Error as error:  # it may be a replica, on which the first lock fails
        raise (given_up if cannot(error) else as_sqlalchemys)(connection, begin, error) from error
    connection.begin()
    return found


def begun_there(connection: sa.Connection, begin: str, sure: Sequence[Foretold]) -> Begun:
    dialect, cursor = connection.dialect, cast("Any", connection.connection.cursor())
    asked = [begin, "SELECT clock_timestamp()", *(each.whole_sql(dialect) for each in sure)]
    cursor.execute("; ".join(asked), prepare=False)
    cursor.nextset()
    instant = cursor.fetchone()[0]
    foretold = {}
    for each in sure:
        cursor.nextset()
        foretold[each] = each.read(dialect, cursor)
    return cursor, instant, foretold


def postgres_engine(url: str, connections: int) -> sa.Engine:
    """The connection used last is used next, so that a few of them know all our statements by heart. We say BEGIN ourselves, as
    over SQLite; to tell the driver at each transaction that we do would take it a third of the transaction's time.
    """
    pool = {"pool_size": connections, "max_overflow": 4, "pool_use_lifo": True}
    arguments = {"prepare_threshold": PREPARE_AFTER, "client_encoding": "utf8", **NOTICE}
    engine = sa.create_engine(url, hide_parameters=True, connect_args=arguments, isolation_level="AUTOCOMMIT", **pool)

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: object, _entry: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()  # type: ignore[attr-defined]
        cursor.execute(f"SET idle_in_transaction_session_timeout = {LONGEST_PAUSE_MILLISECONDS}")
        cursor.close()
        connection.commit()  # type: ignore[attr-defined]  # else the pool's first rollback takes it back

    return engine


def sqlite_engine(url: str, *, durable: bool) -> sa.Engine:
    waiting = {"timeout": BUSY_MILLISECONDS / 1000, "check_same_thread": False, "cached_statements": STATEMENTS_KEPT}
    engine = sa.create_engine(url, hide_parameters=True, connect_args=waiting)  # errors are logged, and values are personal

    @sa.event.listens_for(engine, "do_connect")
    def make(_dialect: sa.Dialect, _entry: ConnectionPoolEntry, arguments: Sequence[str], _named: object) -> None:
        make_private(arguments[0])

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: object, _entry: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # type: ignore[attr-defined]  # we say BEGIN ourselves
        cursor = connection.cursor()  # type: ignore[attr-defined]
        for pragma in pragmas(durable=durable):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()
        connection.create_function(FOLD, 1, fold, deterministic=True)  # type: ignore[attr-defined]
        connection.create_function(DOUBLE, 2, double_in, deterministic=True)  # type: ignore[attr-defined]

    return engine


def make_private(path: str) -> None:
    """A new file is for its owner's eyes only, it holds addresses; SQLite gives its WAL the same rights. One that is there is not
    even opened: closing it would let go of the locks that SQLite holds on it for this process.
    """
    if path and not path.startswith((":memory:", "file:")):
        with suppress(OSError):  # SQLite says better what is wrong
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def pragmas(*, durable: bool) -> tuple[str, ...]:
    """synchronous=FULL: with NORMAL a power cut may take back commits, and a mail sent would be sent again."""
    synchronous = "FULL" if durable else "OFF"
    return (
        f"busy_timeout={BUSY_MILLISECONDS}",
        "journal_mode=WAL",
        f"synchronous={synchronous}",
        "foreign_keys=ON",
        "temp_store=MEMORY",
        "cache_size=-16000",
    )
