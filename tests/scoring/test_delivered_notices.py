"""The hand-off mail through the pipeline that all mail takes: the stored bytes fly, and only a stop of everything holds them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from engine.claim import SEND, take_due
from engine.database import Database
from engine.deliver.kept import unpacked
from engine.deliver.send import deliver
from engine.deliver.wire import Accepted, Flight, Outcome, Recheck
from engine.schema import bodies, sends
from engine.scoring.answers import answer
from engine.scoring.rescore import rescore
from engine.vocabulary import HandoffState, Scope
from tests.factories import TOKENS, add_event, add_lead, add_suppression, add_worker
from tests.scoring.models import DANA, apply_rules, runtime


@dataclass
class Recording:
    """A mail server that takes everything."""

    flown: list[Flight] = field(default_factory=list)

    def fly(self, flights: Sequence[Flight], recheck: Recheck) -> list[Outcome]:
        self.flown += flights
        return [Accepted(code=250, reply="ok")] * len(flights)

    def close(self) -> None:
        pass


@pytest.fixture
def handoff_id(database: Database) -> int:
    """A raised hand of somebody to whom no marketing may go, which is no concern of the rep's mail."""
    with database.write() as tx:
        apply_rules(tx)
        add_worker(tx, lease_until=tx.now + timedelta(hours=1))
        lead_id = add_lead(tx)
        add_event(tx, type="replied", lead_id=lead_id)
        (found,) = rescore(tx, runtime(database), [lead_id])
        return found


def deliver_due(database: Database) -> list[Flight]:
    wire = Recording()
    with database.write() as tx:
        claims = take_due(tx, SEND, limit=50, lease=timedelta(seconds=30))
    deliver(replace(runtime(database), wire=wire), claims)
    return wire.flown


def states(database: Database) -> dict[str, str]:
    with database.read() as tx:
        return {row.email: row.state for row in tx.run(sa.select(sends.c.email, sends.c.state))}


@pytest.mark.both_databases
def test_the_stored_bytes_go_to_the_rep(database: Database, handoff_id: int):
    (flight,) = deliver_due(database)

    with database.read() as tx:
        stored = list(tx.run(sa.select(bodies.c.content).order_by(bodies.c.send_id)).scalars())
    assert flight.recipient == DANA.email
    assert flight.message == unpacked(stored[0])
    assert states(database) == {"handoff-raised": "accepted", "handoff-reminder": "ready"}


@pytest.mark.parametrize(("scope", "state"), [(Scope.MARKETING, "accepted"), (Scope.EVERYTHING, "cancelled")])
def test_only_a_stop_of_everything_holds_a_reps_mail(database: Database, handoff_id: int, scope: Scope, state: str):
    with database.write() as tx:
        add_suppression(tx, address_key=TOKENS.address_key(DANA.email), scope=scope)

    deliver_due(database)

    assert states(database)["handoff-raised"] == state


def test_no_reminder_flies_after_an_answer(database: Database, handoff_id: int):
    deliver_due(database)
    with database.write() as tx:
        answer(tx, handoff_id, HandoffState.ACCEPTED)
        tx.run(sa.update(sends).where(sends.c.state == "ready").values(due_at=tx.now))

    assert deliver_due(database) == []
    assert states(database)["handoff-reminder"] == "cancelled"
