"""The door to SQL: what one look sees, and the file in which a small installation keeps everything."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from engine.database import Database, Tx
from engine.schema import leads
from tests.factories import add_lead


def test_a_new_database_is_for_its_owners_eyes_only(tmp_path: Path) -> None:
    database = Database.open(f"sqlite:///{tmp_path / 'new.db'}")
    with database.write() as tx:
        tx.run(sa.text("CREATE TABLE anything (id INTEGER)"))

    modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}

    database.close()
    assert modes == {"new.db": 0o600, "new.db-wal": 0o600, "new.db-shm": 0o600}


def test_the_rights_of_a_database_that_is_there_are_left_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "shared.db"
    path.touch()
    path.chmod(0o660)
    database = Database.open(f"sqlite:///{path}")

    with database.read() as tx:
        assert tx.is_sqlite

    database.close()
    assert path.stat().st_mode & 0o777 == 0o660


def test_a_database_where_no_folder_is_is_an_error_of_sqlite(tmp_path: Path) -> None:
    database = Database.open(f"sqlite:///{tmp_path / 'nowhere' / 'new.db'}")

    with pytest.raises(OperationalError, match="unable to open"), database.read():
        pass


@pytest.mark.both_databases
def test_every_question_of_one_look_sees_the_same_rows(database: Database):
    with database.write() as tx:
        add_lead(tx)

    with database.read() as look:
        before = people(look)
        with database.write() as tx:
            add_lead(tx)
        after = people(look)

    assert (before, after) == (1, 1)
    with database.read() as look:
        assert people(look) == 2


def people(tx: Tx) -> int:
    found: int = tx.run(sa.select(sa.func.count()).select_from(leads)).scalar_one()
    return found


def test_a_connection_that_died_in_the_pool_is_replaced(postgres_database: Database) -> None:
    with postgres_database.write() as tx:
        ours = pid(tx)
    killer = sa.create_engine(postgres_database.engine.url)
    with killer.begin() as connection:
        connection.execute(sa.text("SELECT pg_terminate_backend(:pid)"), {"pid": ours})
    killer.dispose()

    with postgres_database.write() as tx:
        assert pid(tx) != ours


def test_a_look_may_not_write(postgres_database: Database) -> None:
    with pytest.raises(sa.exc.InternalError, match="read-only"), postgres_database.read() as look:
        add_lead(look)


def test_a_look_leaves_prepared_what_was_prepared(postgres_database: Database) -> None:
    """The driver would have the server forget it all at a rollback."""
    for _ in range(4):
        with postgres_database.read() as look:
            people(look)

    with postgres_database.read() as look:
        kept = look.run(sa.text("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%FROM leads%'")).scalar_one()
    assert kept == 1


def pid(tx: Tx) -> int:
    found: int = tx.run(sa.text("SELECT pg_backend_pid()")).scalar_one()
    return found


@pytest.mark.both_databases
def test_a_transaction_asks_all_by_one_cursor(database: Database) -> None:
    with database.read() as tx:
        assert tx.ask("SELECT 1", ()).fetchall() == [(1,)]
        asked = tx.ask("SELECT 2", ())

        assert asked is tx.ask("SELECT 3", ())
        assert asked.fetchall() == [(3,)]
