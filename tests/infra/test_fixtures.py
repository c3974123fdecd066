"""The fixtures that every other test stands on."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from redis import Redis

from engine.clock import VirtualClock
from engine.database import Database
from engine.schema import sends, touches
from tests.factories import add_send, add_touch


@pytest.mark.both_databases
def test_each_test_gets_a_database_of_its_own_on_the_tests_clock(database: Database, clock: VirtualClock) -> None:
    with database.write() as tx:
        add_touch(tx)
        add_send(tx)

    clock.move_to(clock.now() + timedelta(days=1))

    with database.read() as tx:
        assert tx.now == clock.now()
        assert tx.run(sa.select(sa.func.count()).select_from(touches)).scalar_one() == 1
        assert tx.run(sa.select(sends.c.due_at)).scalar_one() == clock.now() - timedelta(days=1)


def test_redis_is_real_and_empty(redis_url: str) -> None:
    assert Redis.from_url(redis_url).dbsize() == 0


def test_postgres_ends_the_transaction_of_a_host_that_vanished(postgres_database: Database) -> None:
    with postgres_database.write() as tx:
        tx.run(sa.text("SELECT 1"))
    with postgres_database.read() as tx:
        patience = tx.run(sa.text("SHOW idle_in_transaction_session_timeout")).scalar_one()

    assert patience == "2min"
