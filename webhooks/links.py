"""Where the links in our mails lead: every link table, in memory, so that a click needs no SQL.

Before: `engine.schedule.apply` stores artifacts. After: `webhooks.tracking` answers a click from here, and `webhooks.record`
names the link that was followed. Tables are immutable, so they are never read twice; a copy on disk serves a start without a
database.
"""

import json
import logging
from dataclasses import asdict
from pathlib import Path
from threading import Lock

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from engine.database import Database
from engine.render.artifact import Artifact, Link
from engine.schema import artifacts

log = logging.getLogger(__name__)
Table = tuple[Link, ...]
MOST_AT_ONCE = 500


class LinkTables:
    """The link tables of every artifact, by id. Threads may ask at once."""

    def __init__(self, database: Database, copy: Path | None = None) -> None:
        """Starts with what the database has, else with what `copy` has."""
        self._database, self._copy = database, copy
        self._reading = Lock()
        self._tables: dict[int, Table] = read_copy(copy) if copy else {}
        self.refresh()

    def find(self, link_table_id: int) -> Table | None:
        """The links of that table; None when there is none. Asks the database only for one it has never seen.

        Raises SQLAlchemyError when it would have to ask and the database does not answer.
        """
        if link_table_id not in self._tables:
            self._load(artifacts.c.link_table_id == link_table_id)
        return self._tables.get(link_table_id)

    def refresh(self) -> bool:
        """Read the tables that are new in the database; False when it does not answer."""
        try:
            with self._database.read() as tx:
                known = set(tx.run(sa.select(artifacts.c.link_table_id)).scalars())
            missing = sorted(known - self._tables.keys())
            for start in range(0, len(missing), MOST_AT_ONCE):
                self._load(artifacts.c.link_table_id.in_(missing[start : start + MOST_AT_ONCE]))
        except SQLAlchemyError as error:
            log.warning("link tables could not be read: %s", type(error).__name__)
            return False
        return True

    def _load(self, which: sa.ColumnElement[bool]) -> None:
        with self._reading, self._database.read() as tx:
            rows = tx.run(sa.select(artifacts.c.link_table_id, artifacts.c.body).where(which)).all()
            self._tables |= {row.link_table_id: Artifact.from_json(row.body).links for row in rows}
            if rows and self._copy is not None:
                write_copy(self._copy, self._tables)


def read_copy(path: Path) -> dict[int, Table]:
    """The tables that were there when this was last written; none when there is no such file, or not a whole one."""
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        return {int(table_id): tuple(Link(**link) for link in links) for table_id, links in plain.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def write_copy(path: Path, tables: dict[int, Table]) -> None:
    """Replace the copy in one step. A disk that fails costs the copy and nothing else."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = path.with_suffix(".new")
        new.write_text(json.dumps({table_id: [asdict(link) for link in links] for table_id, links in tables.items()}))
        new.replace(path)
    except OSError as error:
        log.warning("the copy of the link tables could not be written: %s", error.strerror)
