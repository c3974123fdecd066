"""The database goes away in mid-commit: whether it was made is found out by compare-and-set, never by repeating it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from pathlib import Path
from threading import Timer
from time import sleep

import pytest
import sqlalchemy as sa

from engine.advance import advance_touches
from engine.claim import TOUCH, take_due
from engine.database import Database, Tx
from engine.deliver import send as delivering
from engine.persist import AWAY, is_nobodys_fault, persist
from engine.processes.dispatcher import tick
from engine.processes.lanes import Lane
from engine.processes.verbs import VERBS
from engine.runtime import Runtime
from engine.schedule.progress import load as load_open
from engine.schema import leads, touches
from engine.simulate.sink import Sink
from engine.versions import NEWEST
from engine.vocabulary import SendState, TouchState
from tests.deliver.given import STEPS, add_mail, add_workspace, deliver_begun, load_held, runtime_over, send_of
from tests.factories import add_enrolment, add_lead, add_touch
from tests.services.proxy import Line, proxied

COMMIT = b"COMMIT\0"  # as libpq spells the statement
LEASE = timedelta(seconds=30)
both_ways = pytest.mark.parametrize("was_made", [False, True])


@pytest.fixture
def line(postgres_url: str) -> Iterator[Line]:
    folder = sa.make_url(postgres_url).query["host"]
    with proxied(f"{folder}/.s.PGSQL.5432") as line:
        yield line


@pytest.fixture
def far(line: Line, postgres_url: str) -> Iterator[Database]:
    """The database at the other end of the line."""
    url = sa.make_url(postgres_url).set(host=line.host, port=line.port, query={})
    database = Database.open(url.render_as_string(hide_password=False))
    yield database
    database.close()


@both_ways
def test_a_mark_of_which_nobody_knows_is_taken_back(far: Database, line: Line, tmp_path: Path, was_made: bool) -> None:
    with far.write() as tx:
        claims = [add_mail(tx, add_workspace(tx), claims=1)]
    sink = Sink()

    with runtime_over(far, sink, tmp_path) as runtime:
        loaded = load_held(runtime, claims)
        with pytest.raises(AWAY), line_cut_at_commit(line, was_made):
            delivering.deliver_begun(runtime, [loaded])
        before = send_of(far, claims[0][0]), sink.kept
        carry_out_all(runtime)

    assert (before[0].state, before[0].attempts, before[0].claims, before[1]) == (SendState.READY, 0, 0, 0)
    assert (send_of(far, claims[0][0]).state, sink.kept) == (SendState.ACCEPTED, 1)


def test_what_became_of_a_mail_is_written_down_when_a_server_that_may_only_be_read_may_be_written_again(
    postgres_database: Database, tmp_path: Path
) -> None:
    """As while a replica takes over. Connections to the one that was are of no use any more."""
    database = postgres_database
    with database.write() as tx:
        claim = add_mail(tx, add_workspace(tx))

    def fail_over(*_mail: object) -> None:
        read_only(database, "on")
        Timer(0.3, read_only, (database, "off")).start()

    with runtime_over(database, Sink(on_message=fail_over), tmp_path) as runtime:
        deliver_begun(runtime, [claim])

    assert (send_of(database, claim[0]).state, send_of(database, claim[0]).attempts) == (SendState.ACCEPTED, 1)


def read_only(database: Database, setting: str) -> None:
    """For every connection that is opened from now on."""
    admin = sa.create_engine(database.engine.url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql("SET default_transaction_read_only = off")
        connection.exec_driver_sql(
            f'ALTER DATABASE "{database.engine.url.database}" SET default_transaction_read_only = {setting}'
        )
    admin.dispose()
    if setting == "on":
        database.engine.dispose()


@both_ways
def test_what_became_of_a_mail_is_written_down_once(far: Database, line: Line, tmp_path: Path, was_made: bool) -> None:
    with far.write() as tx:
        claim = add_mail(tx, add_workspace(tx))
    sink = Sink(on_message=lambda *_: line.cut(at=COMMIT, answer_is_lost=was_made))

    with runtime_over(far, sink, tmp_path) as runtime:
        deliver_begun(runtime, [claim])

    assert line.cut_so_far == 1
    assert (send_of(far, claim[0]).state, send_of(far, claim[0]).attempts, sink.kept) == (SendState.ACCEPTED, 1, 1)
    assert steps_of(far) == [(STEPS[0], TouchState.DONE), (STEPS[1], TouchState.WAITING)]


@both_ways
def test_decisions_of_which_nobody_knows_send_once(far: Database, line: Line, tmp_path: Path, was_made: bool) -> None:
    with far.write() as tx:
        version_id = add_workspace(tx)
        add_touch(tx, enrolment_id=add_enrolment(tx, lead_id=add_lead(tx), version_id=version_id), step_id=STEPS[0])
        claims = take_due(tx, TOUCH, limit=1, lease=LEASE)
    sink = Sink()

    with runtime_over(far, sink, tmp_path) as runtime:
        with pytest.raises(AWAY), line_cut_at_commit(line, was_made):
            advance_touches(runtime, claims)
        forget_jobs(far)
        carry_out_all(runtime)

    assert steps_of(far) == [(STEPS[0], TouchState.DONE), (STEPS[1], TouchState.WAITING)]
    assert sink.kept == 1


def test_an_outage_is_told_once_and_its_end_as_well(
    far: Database, line: Line, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with far.write() as tx:
        claim = add_mail(tx, add_workspace(tx))
    sink = Sink(on_message=lambda *_: line.cut(at=COMMIT, times=3))

    with caplog.at_level(logging.INFO, "engine.persist"), runtime_over(far, sink, tmp_path) as runtime:
        deliver_begun(runtime, [claim])

    assert [record.levelname for record in caplog.records if record.name == "engine.persist"] == ["ERROR", "INFO"]


@contextmanager
def line_cut_at_commit(line: Line, was_made: bool) -> Iterator[None]:
    line.cut(at=COMMIT, answer_is_lost=was_made)
    yield
    assert line.cut_so_far == 1


def forget_jobs(database: Database) -> None:
    """What the worker's job did with the touches is not this test's matter."""
    with database.write() as tx:
        open_again = {"state": TouchState.WAITING, "worker_id": None}
        tx.run(sa.update(touches).where(touches.c.state == TouchState.CLAIMED).values(open_again))


def carry_out_all(runtime: Runtime) -> None:
    """Dispatcher and worker at once, until nothing more is due."""
    jobs: list[tuple[Lane, list[tuple[int, int]]]] = []
    while tick(runtime.database, lambda lane, claims: jobs.append((lane, claims)), lease=LEASE):
        while jobs:
            lane, claims = jobs.pop()
            VERBS[lane.noun.name](runtime, claims)


@pytest.mark.parametrize("goes_on", ["with a question", "with a prepared one", "with its commit"])
def test_a_process_that_stood_still_for_long_writes_down_what_it_knows(postgres_database: Database, goes_on: str) -> None:
    """PostgreSQL ends the session of who holds locks and says nothing, and calls that neither an outage nor a lost connection."""
    tries = count(1)

    def write_down(tx: Tx) -> int:
        add_lead(tx)
        if (number := next(tries)) == 1:
            stand_still(tx)
        if goes_on == "with a question":
            tx.run(sa.text("SELECT 1"))
        elif goes_on == "with a prepared one":
            NEWEST.rows(tx)
        return number

    assert persist(postgres_database, write_down) == 2
    with postgres_database.read() as tx:
        assert tx.run(sa.select(sa.func.count()).select_from(leads)).scalar_one() == 1


def test_what_is_known_is_written_down_after_a_migration_that_changes_a_column(postgres_database: Database) -> None:
    """PostgreSQL refuses what it has prepared over the old one."""
    for _ in range(10):
        with postgres_database.write() as tx:
            load_open(tx, [1])
    elsewhere = sa.create_engine(postgres_database.engine.url, isolation_level="AUTOCOMMIT")
    with elsewhere.connect() as migration:
        migration.exec_driver_sql("ALTER TABLE touches ALTER COLUMN step_id TYPE varchar(200)")
    elsewhere.dispose()

    assert persist(postgres_database, lambda tx: load_open(tx, [1])) == []


def test_no_memory_is_no_fault_of_a_row() -> None:
    assert is_nobodys_fault(MemoryError())


def test_a_look_in_which_a_process_stood_still_is_nobodys_fault(postgres_database: Database) -> None:
    with pytest.raises(sa.exc.DBAPIError) as ended, postgres_database.read() as tx:
        stand_still(tx)
        tx.run(sa.text("SELECT 1"))

    assert is_nobodys_fault(ended.value)


def stand_still(tx: Tx) -> None:
    """For longer than the server bears."""
    tx.run(sa.text("SET LOCAL idle_in_transaction_session_timeout = 10"))
    sleep(0.3)


def steps_of(database: Database) -> list[tuple[str, str]]:
    with database.read() as tx:
        return [(row.step_id, row.state) for row in tx.run(sa.select(touches).order_by(touches.c.id))]


@pytest.mark.both_databases
def test_a_table_that_is_missing_is_no_database_that_is_away(database: Database) -> None:
    """It would be waited for without end."""
    with pytest.raises(sa.exc.DBAPIError) as wrong:
        persist(database, lambda tx: tx.run(sa.text("UPDATE mails SET state = 'sent'")))

    assert not is_nobodys_fault(wrong.value)
