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
