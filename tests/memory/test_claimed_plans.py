"""Claimed rows that are given by their ids are found by these, not among all that are claimed."""

import pytest
import sqlalchemy as sa

from engine.advance import BEGIN_SENDING
from engine.claim import SEND, beginning
from engine.database import Database
from engine.deliver.gate import MARK
from engine.prepared import Prepared
from engine.take import TAKEN

IDS = {"ids": [1, 2], "pairs": [(1, 1), (2, 1)]}
OF_MARK = {"worker": "w1", "now": None, "day": None, "through": "main"}


@pytest.mark.parametrize(
    ("statement", "values"),
    [
        (TAKEN, IDS),
        (BEGIN_SENDING, {"ids": [1, 2]}),
        (MARK, IDS | OF_MARK),
        (beginning(SEND), IDS | {"worker": "w1", "until": None}),
    ],
    ids=["taking touches", "beginning to send", "the mark", "beginning sends"],
)
def test_of_all_claimed_rows_only_those_that_are_given_are_read(
    statement: Prepared, values: dict[str, object], postgres_database: Database
) -> None:
    with postgres_database.write() as tx:
        sql, filled = statement.spelling(tx.connection.dialect).filled(values)
        tx.run(sa.text("SET LOCAL enable_seqscan = off"))  # as it would be for many

        plan = "\n".join(str(row[0]) for row in tx.connection.exec_driver_sql(f"EXPLAIN {sql}", filled))

    assert "_held" not in plan
