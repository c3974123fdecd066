"""Which addresses an event stops, and that the same event told twice at once is one."""

from datetime import UTC, datetime

import sqlalchemy as sa

from engine.database import Database
from engine.events import NewEvent, record_events
from engine.schema import bodies, leads, suppressions
from engine.vocabulary import EventType, Origin
from tests.factories import TOKENS, add_lead, add_send

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


def stopped(database: Database, type: EventType) -> set[str]:
    """The addresses that an event about a mail to the old address stops, when the lead has a new one since."""
    names = {TOKENS.address_key(f"{name}@example.com"): name for name in ("old", "new")}
    with database.write() as tx:
        lead_id = add_lead(tx, email="old@example.com")
        send_id = add_send(tx, lead_id=lead_id)
        tx.run(sa.update(leads).where(leads.c.id == lead_id).values(address_key=TOKENS.address_key("new@example.com")))
        record_events(tx, [event(lead_id, send_id, type)])
        return {names[key] for key in tx.run(sa.select(suppressions.c.address_key)).scalars()}


def event(lead_id: int, send_id: int, type: EventType) -> NewEvent:
    return NewEvent(
        source_key="one", type=type, origin=Origin.HUMAN, lead_id=lead_id, send_id=send_id, occurred_at=NOON, body=b"said"
    )


def test_a_bounce_stops_only_the_address_that_bounced(database: Database):
    assert stopped(database, EventType.BOUNCED) == {"old"}


def test_an_opt_out_stops_every_address_of_the_person(database: Database):
    assert stopped(database, EventType.UNSUBSCRIBED) == {"old", "new"}


def test_the_same_event_twice_in_one_batch_is_one(database: Database):
    with database.write() as tx:
        lead_id = add_lead(tx)
        send_id = add_send(tx, lead_id=lead_id)

        fresh = record_events(tx, [event(lead_id, send_id, EventType.REPLIED)] * 2)

        assert len(fresh) == 1
        assert tx.run(sa.select(sa.func.count()).select_from(bodies)).scalar_one() == 1
