"""The migrations make exactly the tables of `engine.schema`, on both databases."""

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from engine.database import Database
from engine.errors import DatabaseError
from engine.installed import migrations_folder
from engine.migrations import head, is_current, known, upgrade
from engine.schema import metadata

pytestmark = pytest.mark.both_databases


@pytest.mark.filterwarnings("ignore:.*expression-based index")  # SQLAlchemy cannot read those of SQLite back
def test_the_migrations_make_exactly_the_schema(database: Database) -> None:
    with database.read() as tx:
        context = MigrationContext.configure(tx.connection, opts={"compare_type": True})
        differences = compare_metadata(context, metadata)

    assert differences == [], "engine/schema.py has changed: run `make migration NAME=…`"


def test_partial_indexes_keep_their_conditions(database: Database) -> None:
    with database.read() as tx:
        made = {index: condition(tx.connection, table, index) for table, index in partial_indexes()}

    assert made
    assert [index for index, found in made.items() if "state" not in (found or "") and "NULL" not in (found or "")] == []


def test_upgrading_again_changes_nothing(database: Database) -> None:
    upgrade(database)

    assert is_current(database)


def test_a_database_of_a_newer_version_is_refused(database: Database) -> None:
    with database.write() as tx:
        tx.run(sa.text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(DatabaseError, match="newer version"):
        upgrade(database)

    assert head() != "9999"


def test_the_files_are_named_by_the_revisions_that_are_in_them() -> None:
    scripts = ScriptDirectory(str(migrations_folder()))

    assert {script.revision for script in scripts.walk_revisions()} == known()
    assert scripts.get_current_head() == head()


def partial_indexes() -> list[tuple[str, str]]:
    return [
        (table.name, str(index.name))
        for table in metadata.tables.values()
        for index in table.indexes
        if index.dialect_options["sqlite"]["where"] is not None
    ]


def condition(connection: sa.Connection, table: str, index: str) -> str | None:
    """What alembic's comparison leaves out: the WHERE of an index."""
    for found in sa.inspect(connection).get_indexes(table):
        if found["name"] == index:
            options = found.get("dialect_options", {})
            return str(options.get("sqlite_where", options.get("postgresql_where")))
    return None
