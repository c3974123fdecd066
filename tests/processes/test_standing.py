"""How the ledger stands, told by questions that cost the same over millions of rows; and how many mails went out lately."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from engine.clock import VirtualClock
from engine.database import Database, Tx
from engine.processes.standing import Waiting, standing
from engine.processes.tally import rates, write_down
from engine.schema import tallies
from engine.vocabulary import SendState, Stream
from tests.factories import add_send, add_touch, add_worker

pytestmark = pytest.mark.both_databases
NOTHING = Waiting(rows=0, oldest_at=None)


def test_what_is_due_is_told_lane_by_lane_with_what_lies_in_queues(database: Database, clock: VirtualClock) -> None:
    with database.write() as tx:
        hour = timedelta(hours=1)
        add_touch(tx, due_at=tx.now + hour)
        for late in range(3):
            add_send(tx, due_at=tx.now - late * hour)
        add_send(tx, state=SendState.CLAIMED, due_at=tx.now - 5 * hour)
        add_send(tx, state=SendState.CLAIMED, worker_id="worker-1", due_at=tx.now - 9 * hour)
        add_send(tx, stream=Stream.TRANSACTIONAL, due_at=tx.now - hour)
        add_send(tx, stream=Stream.INTERNAL, due_at=tx.now - 2 * hour)
        found = standing(tx).lanes

    now = clock.now()
    assert found["marketing"] == Waiting(rows=4, oldest_at=now - 5 * hour)
    assert found["transactional"] == Waiting(rows=2, oldest_at=now - 2 * hour)
    assert [found[lane] for lane in ("touch", "reaction", "post")] == [NOTHING] * 3
    assert found["transactional"].late_by(now) == 2 * hour


def test_doubt_and_what_was_set_aside_are_counted(database: Database) -> None:
    with database.write() as tx:
        days = timedelta(days=1)
        for ago in (0.5 * days, 3 * days):
            add_send(tx, state=SendState.UNKNOWN, ended_at=tx.now - ago)
        add_send(tx, state=SendState.ATTEMPTING)
        aside = add_touch(tx, claims=3)
        tx.run(sa.text("UPDATE touches SET due_at = NULL WHERE id = :id"), {"id": aside})
        add_worker(tx, lease_until=tx.now + days)
        add_worker(tx, id="dead", lease_until=tx.now - days)
        found = standing(tx)

    assert (found.attempting, found.unknown, found.unknown_lately, found.set_aside) == (1, 2, 1, {"touch": 1})
    assert [(one.kind, one.host, one.pid) for one in found.working] == [("worker", "test", 1)]


def test_no_question_reads_a_whole_table(database: Database) -> None:
    with database.read() as tx, asking(tx) as asked:
        standing(tx)
        plans = {statement: plan_of(tx, statement, values) for statement, values in list(asked)}

    assert len(plans) > 10
    assert [(statement, plan) for statement, plan in plans.items() if reads_all(plan)] == []


def test_mails_are_counted_by_minute_hour_and_day(database: Database, clock: VirtualClock) -> None:
    midnight = clock.now().replace(hour=0)
    accepted, refused = ("marketing", "main", "accepted"), ("marketing", "bulk", "refused")
    for minutes, mails in ((0, 5), (90, 7), (30, 11), (1, 13)):
        clock.move_to(clock.now() + timedelta(minutes=minutes))
        write_down(database, "worker-1", {accepted: mails, refused: 1})
        write_down(database, "worker-1", {accepted: 1})

    with database.read() as tx:
        found = rates(tx, midnight)

    assert (found.minute, found.hour, found.today) == ({"marketing": 12}, {"marketing": 34}, {"marketing": 40})
    assert found.today_by_relay == {"main": 40}


def test_old_minutes_are_forgotten(database: Database, clock: VirtualClock) -> None:
    write_down(database, "worker-1", {("marketing", "main", "accepted"): 1})
    clock.move_to(clock.now() + timedelta(days=3))
    write_down(database, "worker-1", {("marketing", "main", "accepted"): 1})

    with database.read() as tx:
        assert tx.run(sa.select(sa.func.count()).select_from(tallies)).scalar_one() == 1


Asked = tuple[str, Any]


@contextmanager
def asking(tx: Tx) -> Iterator[list[Asked]]:
    """The statements that are run meanwhile, with their parameters."""
    asked: list[Asked] = []

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, *_rest: Any) -> None:
        asked.append((statement, values))

    sa.event.listen(tx.connection, "before_cursor_execute", note)
    yield asked
    sa.event.remove(tx.connection, "before_cursor_execute", note)


def plan_of(tx: Tx, statement: str, values: Any) -> str:
    """How the database would go about it. PostgreSQL, which sees small tables, is asked what it would do to large ones."""
    if not tx.is_sqlite:
        tx.connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
    explain = "EXPLAIN QUERY PLAN " if tx.is_sqlite else "EXPLAIN "
    return "\n".join(str(row[-1]) for row in tx.connection.exec_driver_sql(explain + statement, values))


def reads_all(plan: str) -> bool:
    """`workers` is never long; neither is an index of what is in doubt or set aside, nor what follows from a bounded question."""
    short = r"workers|anon|sends USING INDEX ix_sends_(attempting|unknown|aside)"
    return re.search(rf"(Seq Scan on|^SCAN) (?!{short})", plan, re.MULTILINE) is not None
