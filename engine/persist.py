"""Committing what cannot be found out again: it insists, however long the database is away.

Before: something has happened outside, or rows are ours that nobody else will open while we live. After: the rows say so. `work`
may run again after a commit whose answer was lost, so it must move rows by compare-and-set only.
"""

import logging
import sqlite3
from collections.abc import Callable
from itertools import chain, repeat
from threading import Event
from typing import TypeVar

from sqlalchemy.exc import InterfaceError, OperationalError, TimeoutError

from engine.database import Database, Foretold, Tx
from engine.errors import SHORT_OF
from engine.log import Trouble

AWAY = (OperationalError, InterfaceError, TimeoutError)  # the database cannot, but see `is_away`
WAITS = (0.1, 0.5, 1.0, 2.0)  # seconds between tries; the last one again and again

Done = TypeVar("Done")

log = logging.getLogger(__name__)
away = Trouble(log, "the database is away; what became of mails and jobs is kept in memory and written down when it is back")


def persist(database: Database, work: Callable[[Tx], Done], *sure: Foretold) -> Done:
    """What `work` returned, when it is committed. Raises what `work` raises, except that the database is away. `sure`: see
    `Database.write`.
    """
    waits = chain(WAITS, repeat(WAITS[-1]))
    while True:
        try:
            with database.write(*sure) as tx:
                done = work(tx)
            away.over()
            return done
        except AWAY as error:
            if not is_away(error):
                raise
            away.tell(error)
            Event().wait(next(waits))


def is_nobodys_fault(error: Exception) -> bool:
    """Whether the database or the machine cannot, so that no row can be blamed for it."""
    return is_away(error) or isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in SHORT_OF)


def is_away(error: Exception) -> bool:
    """Whether the database cannot now and may later. SQLite has one name for that and for a table or a column that is missing."""
    said = getattr(getattr(error, "orig", None), "sqlite_errorcode", None)
    return isinstance(error, AWAY) and said != sqlite3.SQLITE_ERROR
