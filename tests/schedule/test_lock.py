"""Passages are locked without a look at those of others."""

import sqlalchemy as sa

from engine.database import Database
from engine.schedule.lock import LOCKED


def test_of_all_passages_only_those_that_are_locked_are_read(postgres_database: Database) -> None:
    with postgres_database.write() as tx:
        sql, values = LOCKED.spelling(tx.connection.dialect).filled({"lead_ids": [1, 2], "touch_ids": [3]})
        tx.run(sa.text("SET LOCAL enable_seqscan = off"))  # as it would be for many

        plan = [str(row[0]) for row in tx.connection.exec_driver_sql(f"EXPLAIN {sql}", values)]

    assert not [line for line in plan if "Seq Scan on" in line]
