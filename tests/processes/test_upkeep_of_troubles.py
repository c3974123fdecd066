"""What upkeep forgets of relays and recipient domains."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from engine.database import Database
from engine.processes.upkeep import forget_troubles
from engine.schema import domain_states


@pytest.mark.both_databases
def test_a_domain_is_forgotten_a_day_after_its_last_trouble(database: Database) -> None:
    with database.write() as tx:
        old, lately = tx.now - timedelta(days=2), tx.now - timedelta(hours=1)
        rows = [
            {"domain": "old.example", "strikes": 1, "tried_at": old, "paced_until": old},
            {"domain": "struck.example", "strikes": 1, "tried_at": lately, "paced_until": old},
            {"domain": "paced.example", "strikes": 0, "tried_at": None, "paced_until": lately},
        ]
        tx.run(sa.insert(domain_states), rows)

        forget_troubles(tx)

        assert sorted(tx.run(sa.select(domain_states.c.domain)).scalars()) == ["paced.example", "struck.example"]
