"""Whether what is written reaches the database, as its last writes found out: a full disk can still be read.

Before: a transaction of `engine.database` failed. After: `engine.processes.health` tells operators, and
`engine.processes.presence` tries again each second until a write gets through.
"""

import shutil
import sqlite3
from pathlib import Path
from time import monotonic

import sqlalchemy as sa

HOLDS = 5.0  # seconds: where little room is left a small write may get through between larger ones that do not
NO_ROOM = 1024 * 1024  # bytes: SQLite wants that for its first pages and the index of its log
PRIMARY = 0xFF  # SQLite's extended codes have the plain one in their last byte
DAMAGED = sqlite3.SQLITE_CORRUPT
CANNOT = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, DAMAGED)
CANNOT_ON_POSTGRES = ("53100", "58030", "25006")  # disk full, I/O error, a server that may only be read (a replica)


class Writes:
    """`why_not`: the database's words for the last write that failed; None: they get through, as far as anybody knows.

    `file`: where the database is, if it is a file of this machine.
    """

    def __init__(self, file: str | None = None) -> None:
        self.why_not: str | None = None
        self._file = file
        self._failed_at = float("-inf")

    def note(self, error: sa.exc.DBAPIError) -> None:
        """The error has a note where it is clear what to do."""
        if not cannot(error.orig):
            return
        self.why_not, self._failed_at = str(error.orig).partition("\n")[0], monotonic()
        if self._file is not None and (free := room_for(self._file)) is not None and free < NO_ROOM:
            error.add_note(f"The disk that holds {self._file} is full ({free // 1024:,} KB are free): make room there")
        elif getattr(error.orig, "sqlite_errorcode", 0) & PRIMARY == DAMAGED:
            error.add_note(f"{self._file} is damaged: stop all processes, see to the disk, and put the last backup in its place")

    def got_through(self) -> None:
        """Something was written just now."""
        if monotonic() - self._failed_at > HOLDS:
            self.why_not = None


def room_for(file: str) -> int | None:
    """In bytes; None: its folder is not there."""
    try:
        return shutil.disk_usage(Path(file).parent).free
    except OSError:
        return None


def cannot(error: BaseException | None) -> bool:
    """Whether the database can write nothing at all for now, so that no row is at fault."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is not None:
        return code & PRIMARY in CANNOT
    return getattr(error, "sqlstate", None) in CANNOT_ON_POSTGRES
