"""Prepared statements: the same rows as SQLAlchemy's own way of running them, on both databases."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from engine.database import Database
from engine.prepared import MOST_ROWS, Prepared, PreparedInsert
from engine.schema import leads, scores, suppressions, touches
from engine.vocabulary import TouchState
from tests.factories import add_lead, add_touch

pytestmark = pytest.mark.both_databases

THEIRS = Prepared(
    sa.select(touches.c.id, touches.c.due_at, touches.c.planned_on)
    .where(touches.c.id.in_(sa.bindparam("ids", expanding=True)), touches.c.state == TouchState.WAITING)
    .order_by(touches.c.id)
)
HELD = Prepared(
    sa.update(touches)
    .where(sa.tuple_(touches.c.id, touches.c.epoch).in_(sa.bindparam("pairs", expanding=True)))
    .values(state=TouchState.DONE, due_at=sa.bindparam("until"), ended_at=sa.func.coalesce(touches.c.due_at, None))
    .returning(touches.c.id, touches.c.due_at, touches.c.ended_at)
)
PUT_OFF = Prepared(
    sa.update(touches).where(touches.c.id == sa.bindparam("row_id")).values(due_at=sa.bindparam("until"), reason="later")
)
STOPS = PreparedInsert(
    suppressions,
    ("address_key", "scope", "reason", "source", "created_at"),
    unless=("address_key", "scope"),
    returning=("address_key", "created_at"),
)
SCORES = PreparedInsert(
    scores,
    ("lead_id", "points", "reasons", "as_of", "above", "crossings"),
    unless=("lead_id",),
    over=("points", "reasons", "as_of", "above", "crossings"),
)


@pytest.mark.parametrize("length", [0, 1, 2, 3, 5, 8])
def test_a_list_of_any_length_finds_its_rows_with_their_types(database: Database, length: int) -> None:
    with database.write() as tx:
        added = [add_touch(tx, due_at=tx.now + timedelta(hours=n)) for n in range(8)]

        found = THEIRS.rows(tx, ids=added[:length])

        assert found == tx.run(sa.select(touches.c.id, touches.c.due_at, touches.c.planned_on).order_by("id")).all()[:length]
        assert [row.due_at for row in found] == [tx.now + timedelta(hours=n) for n in range(length)]


def test_pairs_change_only_the_rows_that_match_both(database: Database) -> None:
    until = datetime(2026, 3, 1, 12, tzinfo=UTC)
    with database.write() as tx:
        ours, claimed_since, others = (add_touch(tx, due_at=tx.now) for _ in range(3))

        changed = HELD.rows(tx, pairs=[(ours, 0), (claimed_since, 7)], until=until)

        states = dict(tx.run(sa.select(touches.c.id, touches.c.state)).all())
        assert [(row.id, row.due_at, row.ended_at) for row in changed] == [(ours, until, tx.now)]
        assert states == {ours: "done", claimed_since: "waiting", others: "waiting"}


def test_a_statement_runs_once_for_each_row_and_says_nothing_where_there_is_none(database: Database) -> None:
    with database.write() as tx:
        first, second = add_touch(tx, due_at=tx.now), add_touch(tx, due_at=tx.now)
        PUT_OFF.run_each(tx, [])

        PUT_OFF.run_each(tx, [{"row_id": first, "until": None}, {"row_id": second, "until": tx.now + timedelta(days=1)}])

        rows = tx.run(sa.select(touches.c.due_at, touches.c.reason).order_by(touches.c.id)).all()
        assert rows == [(None, "later"), (tx.now + timedelta(days=1), "later")]


def test_a_change_tells_how_many_rows_it_changed(database: Database) -> None:
    with database.write() as tx:
        touch = add_touch(tx, due_at=tx.now)

        assert PUT_OFF.run(tx, row_id=touch, until=None) == 1
        assert PUT_OFF.run(tx, row_id=touch + 1, until=None) == 0


@pytest.mark.parametrize("count", [0, 1, 3, MOST_ROWS, 2 * MOST_ROWS + 5])
def test_any_number_of_rows_is_inserted_each_once(database: Database, count: int) -> None:
    with database.write() as tx:
        rows = [(f"key-{n}", "everything", "bounced", "test", tx.now) for n in range(count)]

        first = STOPS.rows(tx, rows)
        again = STOPS.rows(tx, [*rows, ("another", "everything", "bounced", "test", tx.now)])

        assert sorted(first) == sorted((key, at) for key, _scope, _reason, _source, at in rows)
        assert again == [("another", tx.now)]
        assert tx.run(sa.select(sa.func.count()).select_from(suppressions)).scalar_one() == count + 1


def test_a_text_too_long_for_its_column_is_no_other_text(database: Database) -> None:
    """PostgreSQL cuts a text that is cast to a shorter type, and says nothing."""
    stopped = Prepared(
        sa.select(suppressions.c.address_key).where(suppressions.c.address_key.in_(sa.bindparam("keys", expanding=True)))
    )
    with database.write() as tx:
        STOPS.rows(tx, [("k" * 18, "everything", "bounced", "test", tx.now)])

        assert stopped.rows(tx, keys=["k" * 19]) == []


def test_members_of_an_enumeration_and_texts_may_stand_in_one_list(database: Database) -> None:
    in_states = Prepared(sa.select(touches.c.id).where(touches.c.state.not_in(sa.bindparam("states", expanding=True))))
    with database.write() as tx:
        touch = add_touch(tx, due_at=tx.now)

        assert in_states.rows(tx, states=[TouchState.WAITING, "done"]) == []
        assert in_states.rows(tx, states=[TouchState.DONE, "left"]) == [(touch,)]


def test_rows_are_written_over_where_that_is_wanted(database: Database) -> None:
    with database.write() as tx:
        lead = add_lead(tx)
        SCORES.run(tx, [(lead, 5.0, [{"because": "old"}], tx.now, False, 0)])

        SCORES.run(tx, [(lead, 9.5, [{"because": "new"}], tx.now, True, 1)])

        row = tx.run(sa.select(scores.c.points, scores.c.reasons, scores.c.above, scores.c.crossings)).one()
        assert tuple(row) == (9.5, [{"because": "new"}], True, 1)


def test_numbers_truths_and_json_come_back_as_they_were(database: Database) -> None:
    wanted = Prepared(sa.select(leads.c.fields, leads.c.do_not_call, scores.c.points).join(scores))
    with database.write() as tx:
        lead = add_lead(tx)
        SCORES.run(tx, [(lead, 2.5, [], tx.now, False, 0)])

        [row] = wanted.rows(tx)

        assert row == tx.run(sa.select(leads.c.fields, leads.c.do_not_call, scores.c.points).join(scores)).one()
        assert (row.do_not_call, row.points) == (False, 2.5)


def test_whole_numbers_and_fractions_may_stand_in_one_column(database: Database) -> None:
    with database.write() as tx:
        some, none = add_lead(tx), add_lead(tx)

        SCORES.run(tx, [(some, 2.5, [], tx.now, False, 0), (none, 0, [], tx.now, False, 0)])

        assert dict(tx.run(sa.select(scores.c.lead_id, scores.c.points)).all()) == {some: 2.5, none: 0}


def test_a_column_with_a_default_has_to_be_given(database: Database) -> None:
    forgetful = PreparedInsert(
        touches, ("enrolment_id", "step_id", "planned_on", "created_at"), unless=("enrolment_id", "step_id")
    )

    with database.write() as tx, pytest.raises(AssertionError, match="default"):
        forgetful.run(tx, [(1, "step", tx.now.date(), tx.now)])


@pytest.mark.parametrize("text", ["", "NULL", "null", " ", 'a "b"', "a\\b", "{a,b}", "a,b", "ü 李", "a\nb", "'"])
def test_a_text_comes_back_as_it_was_written(database: Database, text: str) -> None:
    with database.write() as tx:
        STOPS.rows(tx, [(text, "everything", "bounced", text, tx.now), (f"{text}.", "everything", "bounced", "test", tx.now)])

        assert tx.run(sa.select(suppressions.c.address_key, suppressions.c.source).limit(1)).one() == (text, text)


def test_what_is_json_comes_back_as_it_was_written(database: Database) -> None:
    reasons = [{"because": 'they said "yes", \\o/', "points": 2.5, "at": None, "tags": ["a,b", "{c}"]}]
    with database.write() as tx:
        lead = add_lead(tx)
        SCORES.run(tx, [(lead, 2.5, reasons, tx.now, True, 3)])

        row = tx.run(sa.select(scores.c.reasons, scores.c.points, scores.c.above)).one()
        assert row == (reasons, 2.5, True)


def test_it_is_told_how_many_of_many_rows_were_changed(database: Database) -> None:
    with database.write() as tx:
        first, second = add_touch(tx, due_at=tx.now), add_touch(tx, due_at=tx.now)

        changed = PUT_OFF.run_each(tx, [{"row_id": row_id, "until": None} for row_id in (first, second, second + 1)])

        assert changed == 2


def test_a_row_that_may_not_be_is_refused_as_sqlalchemy_says_it_and_without_its_values(database: Database) -> None:
    twice = PreparedInsert(leads, ("key", "fields", "do_not_call", "created_at", "updated_at"), unless=("id",))
    with pytest.raises(sa.exc.IntegrityError) as refused, database.write() as tx:
        twice.run(tx, [("ada@mail.example", {}, False, tx.now, tx.now)])
        twice.run(tx, [("ada@mail.example", {}, False, tx.now, tx.now)])

    assert "INSERT INTO leads" in str(refused.value.statement)
    assert refused.value.params is None and refused.value.hide_parameters
    with database.read() as tx:
        assert tx.run(sa.select(sa.func.count()).select_from(leads)).scalar_one() == 0


def test_a_connection_that_died_is_an_operational_error_and_is_not_used_again(postgres_database: Database) -> None:
    database = postgres_database
    with pytest.raises(sa.exc.OperationalError) as away, database.read() as tx:
        ours = tx.run(sa.select(sa.func.pg_backend_pid())).scalar_one()
        with database.engine.connect() as other:
            other.execute(sa.text("SELECT pg_terminate_backend(:pid)"), {"pid": ours})
        THEIRS.rows(tx, ids=[1])

    assert away.value.connection_invalidated
    with database.read() as tx:
        assert THEIRS.rows(tx, ids=[1]) == []
