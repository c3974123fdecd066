"""Bringing a database to the tables that this version works with, by Alembic's migrations.

Before: `engine.database` opens it. After: every process and command that reads or writes rows.
"""

from importlib import import_module

import sqlalchemy as sa

from engine.database import Database, Tx
from engine.errors import DatabaseError
from engine.expressions.folding import postgres_function
from engine.installed import migrations_folder

VERSION = sa.table("alembic_version", sa.column("version_num"))
LOCK = 0x68616E64  # any number, the same for ever: PostgreSQL's advisory locks are named by numbers


def upgrade(database: Database) -> None:
    """Run the migrations that are missing, in one transaction; safe to repeat and from several processes at once.

    Raises DatabaseError when the database was made by a newer version, or cannot hold every letter.
    """
    if is_current(database):
        return
    with database.write() as tx:
        if not tx.is_sqlite:
            tx.run(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))
            refuse_encoding(tx)
        refuse_unknown(revision(tx))
        migrate(tx)
        if not tx.is_sqlite:
            tx.run(sa.text(postgres_function().replace(":=", "\\:=")))


def is_current(database: Database) -> bool:
    """Whether every migration has run."""
    with database.read() as tx:
        return revision(tx) == head()


def head() -> str:
    """The newest revision this version knows."""
    return max(known())


def known() -> set[str]:
    """Every revision this version has a migration for: their files begin with the revision, which is a number."""
    return {file.name.partition("_")[0] for file in (migrations_folder() / "versions").glob("[0-9]*.py")}


def revision(tx: Tx) -> str | None:
    """The revision a database stands at; None for an empty one."""
    if not sa.inspect(tx.connection).has_table(VERSION.name):
        return None
    found: str | None = tx.run(sa.select(VERSION.c.version_num)).scalar()
    return found


def refuse_unknown(found: str | None) -> None:
    if found is not None and found not in known():
        raise DatabaseError(
            f"The database stands at revision {found}, which this version of Handraiser does not know: a newer version "
            "made it. Run that version, or restore the backup from before the upgrade."
        )


def refuse_encoding(tx: Tx) -> None:
    encoding = tx.run(sa.text("SHOW server_encoding")).scalar_one()
    if encoding != "UTF8":
        raise DatabaseError(
            f"the database is encoded in {encoding}, which does not hold every letter of a name. Make one that does: "
            "createdb --encoding=UTF8 --template=template0 NAME"
        )


def migrate(tx: Tx) -> None:
    """Run what is missing on an open transaction (`alembic/env.py` picks the connection up).

    Alembic is loaded here: nearly every start finds nothing to do, and its import took a seventh of a short command's time.
    """
    settings = import_module("alembic.config").Config()
    settings.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    settings.attributes["connection"] = tx.connection
    import_module("alembic.command").upgrade(settings, "head")
