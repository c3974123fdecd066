"""What a process says while something fails again and again."""

import logging
from collections.abc import Iterator
from io import StringIO

import pytest
import sqlalchemy as sa

from engine.database import Database
from engine.log import Trouble, lines_to
from engine.processes.witnesses import InRedis, unkept


def test_a_trouble_is_told_as_it_begins_turns_into_another_and_ends(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    trouble = Trouble(logging.getLogger("test"), "nothing works")

    trouble.over()
    for error in (OSError("first"), OSError("second"), ValueError("third"), ValueError("fourth"), OSError("fifth")):
        trouble.tell(error)
    trouble.over()
    trouble.over()

    told = [(record.levelname, record.getMessage(), record.exc_text or "") for record in caplog.records]
    assert [(level, words) for level, words, _text in told] == [
        ("ERROR", "nothing works"), ("ERROR", "nothing works"), ("INFO", "no longer so: nothing works")
    ]  # fmt: skip
    assert "first" in told[0][2] and "third" in told[1][2]


@pytest.fixture
def said() -> Iterator[StringIO]:
    """What a process says on standard error."""
    text, root = StringIO(), logging.getLogger()
    root.addHandler(handler := lines_to(text))
    yield text
    root.removeHandler(handler)
    unkept.over()


def test_a_redis_that_is_away_is_told_once_and_briefly(said: StringIO) -> None:
    for _again in range(2):
        with pytest.raises(OSError) as away:
            InRedis("redis://:s3cret@127.0.0.1:1/0", "ours").read()
        unkept.tell(away.value)
        logging.getLogger("dramatiq.worker.ConsumerThread(post)").critical("Consumer encountered a connection error: %s", "away")

    told = said.getvalue()
    assert told.count("\n") == 1 and len(told) < 400
    assert "Redis: ConnectionError" in told and "s3cret" not in told


def test_a_full_disk_is_told_once_and_without_the_way_there(said: StringIO, sqlite_database: Database) -> None:
    trouble = Trouble(logging.getLogger("engine.test"), "a round failed; the next one comes")

    for _again in range(2):
        with pytest.raises(sa.exc.OperationalError) as full, sqlite_database.write() as tx:
            tx.run(sa.text("PRAGMA max_page_count = 1"))
            tx.run(sa.text("CREATE TABLE large AS SELECT zeroblob(10000000) AS bytes"))
        trouble.tell(full.value)

    told = said.getvalue()
    assert told.count("\n") == 1 and "Traceback" not in told and "exception" not in told
    assert "a round failed; the next one comes: database or disk is full" in told


def test_a_table_that_is_missing_is_told_with_the_way_there(said: StringIO, sqlite_database: Database) -> None:
    with pytest.raises(sa.exc.OperationalError) as missing, sqlite_database.read() as tx:
        tx.run(sa.text("SELECT * FROM nowhere"))

    Trouble(logging.getLogger("engine.test"), "a round failed; the next one comes").tell(missing.value)

    assert "test_log.py" in said.getvalue() and "no such table: nowhere" in said.getvalue()
