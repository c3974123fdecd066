"""What upkeep does beside the jobs: each chore whatever became of the others, and what it forgets of relays and domains."""

import time
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from engine.database import Database
from engine.processes import upkeep
from engine.processes.upkeep import forget_troubles, keeping_up
from engine.schedule.zone_rules import RULES
from engine.schema import bodies, domain_states, installation, route_states
from engine.simulate.sink import Sink
from tests.deliver.given import runtime_over
from tests.factories import add_send


@pytest.mark.both_databases
def test_a_domain_is_forgotten_a_day_after_its_last_trouble(database: Database) -> None:
    with database.write() as tx:
        old, lately = tx.now - timedelta(days=2), tx.now - timedelta(hours=1)
        rows = [
            {"domain": "old.example", "paced_until": old},
            {"domain": "paced.example", "paced_until": lately},
        ]
        tx.run(sa.insert(domain_states), rows)
        struck = {"relay": "main", "strikes": 1, "why": "421"}
        tx.run(sa.insert(route_states), [struck | {"domain": f"{at:%d}.example", "tried_at": at} for at in (old, lately)])

        forget_troubles(tx)

        assert tx.run(sa.select(domain_states.c.domain)).scalars().all() == ["paced.example"]
        assert tx.run(sa.select(route_states.c.domain)).scalars().all() == [f"{lately:%d}.example"]


def test_a_chore_that_fails_keeps_no_other_from_being_done(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with database.write() as tx:
        tx.run(sa.insert(installation).values(name=RULES, value="no JSON"))
        tx.run(sa.insert(bodies).values(send_id=add_send(tx), content=b"private", delete_after=tx.now - timedelta(days=1)))
    monkeypatch.setattr(upkeep, "EVERY_SECONDS", 0.01)

    with runtime_over(database, Sink(), tmp_path) as runtime, keeping_up(runtime):
        until = time.monotonic() + 10
        while kept(database) and time.monotonic() < until:
            time.sleep(0.01)

    assert not kept(database)
    assert caplog.text.count("upkeep of time zones failed") == 1


def kept(database: Database) -> int:
    with database.read() as tx:
        return tx.run(sa.select(sa.func.count()).select_from(bodies)).scalar_one()
