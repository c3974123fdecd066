"""Bringing a database to the tables that this version works with, by Alembic's migrations.

Before: `engine.database` opens it. After: every process and command that reads or writes rows.
"""

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from engine.database import Database, Tx
from engine.errors import DatabaseError
from engine.expressions.folding import postgres_function
from engine.installed import migrations_folder

LOCK = 0x68616E64  # any number, the same for ever: PostgreSQL's advisory locks are named by numbers


def upgrade(database: Database) -> None:
    """Run the migrations that are missing, in one transaction; safe to repeat and from several processes at once.

    Raises DatabaseError when the database was made by a newer version.
    """
    if is_current(database):
        return
    with database.write() as tx:
        if not tx.is_sqlite:
            tx.run(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))
        refuse_unknown(revision(tx))
        command.upgrade(config(tx), "head")
        if not tx.is_sqlite:
            tx.run(sa.text(postgres_function().replace(":=", "\\:=")))


def is_current(database: Database) -> bool:
    """Whether every migration has run."""
    with database.read() as tx:
        return revision(tx) == head()


def head() -> str | None:
    """The newest revision this version knows."""
    return ScriptDirectory(str(migrations_folder())).get_current_head()


def revision(tx: Tx) -> str | None:
    """The revision a database stands at; None for an empty one."""
    return MigrationContext.configure(tx.connection).get_current_revision()


def refuse_unknown(found: str | None) -> None:
    known = {script.revision for script in ScriptDirectory(str(migrations_folder())).walk_revisions()}
    if found is not None and found not in known:
        raise DatabaseError(
            f"The database stands at revision {found}, which this version of Handraiser does not know: a newer version "
            "made it. Run that version, or restore the backup from before the upgrade."
        )


def config(tx: Tx) -> Config:
    """Alembic's configuration for a run on an open transaction (`alembic/env.py` picks the connection up)."""
    settings = Config()
    settings.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    settings.attributes["connection"] = tx.connection
    return settings
