"""The door to SQL: what one look sees, and the file in which a small installation keeps everything."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError, ProgrammingError

from engine.database import Database, Tx
from engine.prepared import Prepared
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


ALL_LEADS = Prepared(sa.select(leads.c.key, leads.c.created_at).where(leads.c.email.is_not(None)).order_by(leads.c.id))


@pytest.mark.both_databases
def test_what_is_sure_to_be_asked_is_answered_as_if_it_were_asked_then(database: Database):
    with database.write() as tx:
        add_lead(tx)

    with database.write(ALL_LEADS) as tx:
        foretold = ALL_LEADS.rows(tx)
        add_lead(tx)
        asked = ALL_LEADS.rows(tx)

    assert len(foretold) == 1
    assert len(asked) == 2, "an answer that was brought along is for the first who asks"
    assert foretold == asked[:1]


def test_what_is_sure_to_be_asked_goes_out_with_the_beginning(postgres_database: Database) -> None:
    with postgres_database.write(ALL_LEADS) as tx:
        assert tx.foretold == {ALL_LEADS: []}
        asked = []
        sa.event.listen(tx.connection, "before_cursor_execute", lambda *given: asked.append(given[2]))

        ALL_LEADS.rows(tx)

    assert not asked
    assert not tx.foretold


def test_a_question_that_fails_at_the_beginning_fails_as_any_other(postgres_database: Database) -> None:
    of_no_table = Prepared(sa.select(sa.table("nowhere", sa.column("id")).c.id))

    with pytest.raises(ProgrammingError, match="nowhere"), postgres_database.write(of_no_table):
        pass

    with postgres_database.write(ALL_LEADS) as tx:
        assert ALL_LEADS.rows(tx) == []


def test_a_replica_counts_as_away_when_the_first_lock_fails_on_it(postgres_database: Database) -> None:
    locking = Prepared(sa.select(leads.c.id).with_for_update(read=True))
    with postgres_database.write() as tx:
        tx.run(sa.text("SET default_transaction_read_only = on"))  # of this connection, which is the next one's as well

    with pytest.raises(OperationalError, match="read-only"), postgres_database.write(locking):
        pass

    with postgres_database.write(locking) as tx:
        assert locking.rows(tx) == []
