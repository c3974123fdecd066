"""A backup is put back: nothing goes out before somebody has said so, and then nobody gets a mail a second time."""

import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

import sqlalchemy as sa

from engine.database import Database
from engine.pauses import pauses_seen
from engine.schema import metadata, sends
from engine.tokens import from_address
from tests.crash.oracle import NOTICE, read_journal
from tests.crash.passages import complaints_about_orphans
from tests.crash.trial import Trial
from tests.factories import TOKENS
from tests.services import handraiser

LESSONS, ORDERS = 16, 4
NEWCOMERS = 4  # who come after the backup, of whom the database then knows nothing
PATIENCE = 60
IN_HOLD_SECONDS = 1.0


def test_after_a_restore_nothing_goes_out_until_told_and_nothing_twice(on_trial: Trial, chance: Random, is_full: bool) -> None:
    on_trial.has_forgotten = True
    for _ in range(25 if is_full else 1):
        lose_and_restore(on_trial, at=chance.randint(1, LESSONS), elsewhere=chance.random() < 0.5)

    assert [key for key, copies in Counter(mails(on_trial)).items() if copies > 1] == []
    assert complaints_about_orphans(on_trial.database) == []
    on_trial.receiver.got.clear()


def lose_and_restore(trial: Trial, *, at: int, elsewhere: bool) -> None:
    """A backup is taken when so many mails are out, all of the rest goes out, the backup is put back, and an operator looks."""
    before = len(mails(trial))
    trial.add_work(lessons=LESSONS, orders=ORDERS, hands=2)
    trial.product.start_all()
    wait_until(lambda: len(mails(trial)) >= before + at)
    backup = rows_of(trial.database)
    trial.add_work(lessons=NEWCOMERS, orders=1, hands=0)
    wait_until(lambda: len(mails(trial)) >= before + LESSONS + ORDERS + NEWCOMERS + 1)
    assert {trial.product.drain(role) for role in trial.product.roles} == {0}
    put_back(trial.database, backup, elsewhere=elsewhere)
    out = len(mails(trial))

    trial.product.start_all()
    wait_until(lambda: is_held(trial.database))
    time.sleep(IN_HOLD_SECONDS)
    assert len(mails(trial)) == out, "something went out before anybody said so"
    told = resume(trial)
    trial.finish()
    end_all(trial)

    assert "not sent again" in told
    assert unknown(trial.database) > 0


def mails(trial: Trial) -> list[tuple[str, int]]:
    """(address, what was in it) of all that arrived from a cadence or for an order; notices to a rep repeat by their nature."""
    copies = [copy for copy in read_journal(trial.journal) if copy.token and not NOTICE.fullmatch(copy.token)]
    return [(copy.address, TOKENS.open(from_address(copy.token)).link_table_id) for copy in copies]


def resume(trial: Trial) -> str:
    done = handraiser.run("resume", "restored", workspace=trial.product.folder, environment=trial.product.environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def is_held(database: Database) -> bool:
    with database.read() as tx:
        return pauses_seen(tx).is_restored


def unknown(database: Database) -> int:
    with database.read() as tx:
        return len(tx.run(sa.select(sends.c.id).where(sends.c.reason == "restored")).all())


def end_all(trial: Trial) -> None:
    for role in trial.product.roles:
        trial.product.drain(role)


def wait_until(holds: Callable[[], bool]) -> None:
    """Time passes as it does: a mail that waits for its hour goes on waiting."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "not within a minute"
        time.sleep(0.02)


Rows = dict[str, list[dict[str, object]]]


def rows_of(database: Database) -> Rows:
    """A backup, taken while everything runs."""
    with database.read() as tx:
        return {table.name: [dict(row) for row in tx.run(sa.select(table)).mappings()] for table in metadata.sorted_tables}


def put_back(database: Database, rows: Rows, *, elsewhere: bool) -> None:
    """In its old place, or, with SQLite, as a file of its own."""
    with database.write() as tx:
        if tx.is_sqlite:
            tx.connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        for table in reversed(metadata.sorted_tables):
            tx.run(sa.delete(table))
        for table in metadata.sorted_tables:
            if rows[table.name]:
                tx.run(sa.insert(table), rows[table.name])
    if elsewhere and database.is_sqlite:
        move_to_a_file_of_its_own(database)


def move_to_a_file_of_its_own(database: Database) -> None:
    path = Path(str(database.engine.url.database))
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.engine.dispose()
    copy = path.with_suffix(".copy")
    copy.write_bytes(path.read_bytes())
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    os.replace(copy, path)
