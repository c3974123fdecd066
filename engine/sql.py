"""The places where SQLite and PostgreSQL are spelt differently: upserts, and how many values fit a statement."""

from collections.abc import Collection, Iterator
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


def plan_anew(tx: Tx) -> None:
    """Have PostgreSQL plan each statement of this transaction by how large the tables are now.

    It keeps the plan of a statement that comes often, and one made while a table was empty reads the whole table each time, until
    somebody counts its rows: the first hundred thousand passages took four times as long for it.
    """
    if not tx.is_sqlite:
        tx.run(sa.text("SET LOCAL plan_cache_mode = force_custom_plan"))


def rows_at_once(items: Collection[Item]) -> Iterator[list[Item]]:
    """The items in lists short enough for one statement's values."""
    rest = iter(items)
    while some := list(islice(rest, MOST_VALUES)):
        yield some
