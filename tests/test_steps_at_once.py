"""Workers that change the same leads at the same moment wait for each other, never in a circle, and raise one hand."""

import threading
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from engine.advance import advance_touches
from engine.claim import TOUCH, take_due
from engine.database import Database
from engine.schedule.enrol import enrol_leads
from engine.schema import handoffs, leads, touches
from tests.factories import add_lead, add_worker
from tests.schedule.plans import apply, cadence, chain, enter, raise_hand, set_values
from tests.test_advance import Accepting, runtime

LEADS = 30


@pytest.mark.both_databases
def test_steps_that_change_the_same_leads_at_once_all_come_to_an_end(database: Database, tmp_path: Path):
    with database.write() as tx:
        ways = [chain(set_values(f"mark-{name}", employees=80), enter("other"), raise_hand(f"visit-{name}")) for name in "abcd"]
        others = [cadence(*steps, name=name) for name, steps in zip("abcd", ways, strict=True)]
        apply(tx, *others, cadence(set_values("mark", employees=1), name="other"))
        people = [add_lead(tx) for _ in range(LEADS)]
        for name in "abcd":
            enrol_leads(tx, name, people)
        add_worker(tx, id="worker-1", lease_until=tx.now + timedelta(hours=1))

    failures = work_off(database, tmp_path)

    assert failures == []
    with database.read() as tx:
        assert len(tx.run(sa.select(handoffs)).all()) == LEADS
        assert {row.fields["employees"] for row in tx.run(sa.select(leads.c.fields))} <= {1, 80}
        assert tx.run(sa.select(touches).where(touches.c.state == "claimed")).all() == []


def work_off(database: Database, folder: Path) -> list[BaseException]:
    """Four threads that take a few touches at a time, until nothing is due."""
    failures: list[BaseException] = []
    worker = runtime(database, Accepting(), folder)

    def work() -> None:
        try:
            while True:
                with database.write() as tx:
                    claims = take_due(tx, TOUCH, limit=7, lease=timedelta(seconds=30))
                if not claims:
                    return
                advance_touches(worker, claims)
        except BaseException as failure:
            failures.append(failure)

    for _round in range(4):
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    return failures
