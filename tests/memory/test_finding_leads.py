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

        plan = tx.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked[-1]}", ("ada", "ada@mail.example", 1, 0)).all()

    assert found is not None and found.id == lead
    ways = [row.detail for row in plan if "leads" in row.detail]
    assert len(ways) == 3 and all(way.startswith("SEARCH leads USING") for way in ways)


def test_who_has_the_key_is_meant_before_who_has_the_address(sqlite_database: Database) -> None:
    with sqlite_database.write() as tx:
        by_address = [add_lead(tx, email="ada@mail.example", key=key) for key in ("17", "18")]
        before = find_lead(tx, " Ada@mail.example ")
        by_key = add_lead(tx, email="other@mail.example", key="ada@mail.example")
        after = find_lead(tx, "ada@mail.example")

    assert before is not None and before.id == by_address[0]
    assert after is not None and after.id == by_key
