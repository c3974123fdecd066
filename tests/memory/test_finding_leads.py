"""Who orders is found among any number of leads, inside the transaction that takes the order."""

import sqlalchemy as sa

from engine.database import Database
from engine.leads import find_lead
from tests.factories import add_lead


def test_an_address_is_looked_up_and_not_searched_for(sqlite_database: Database) -> None:
    asked: list[str] = []
    sa.event.listen(sqlite_database.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    with sqlite_database.write() as tx:
        lead = add_lead(tx, email="Ada@Mail.Example", key="17")
        found = find_lead(tx, "ada@mail.example")

        plan = tx.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked[-1]}", ("ada@mail.example", 1, 0)).all()

    assert found is not None and found.id == lead
    assert plan[0].detail.startswith("SEARCH leads USING INDEX ix_leads_email")
