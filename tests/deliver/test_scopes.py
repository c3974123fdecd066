"""What stops which mail: an opt-out stops what it is about, and nothing else; whenever it comes before the mail begins."""

from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from engine.claim import SEND, Claim, take_due
from engine.database import Database, Tx
from engine.deliver.send import deliver
from engine.events import NewEvent, record_events
from engine.leads import NewLead, save_leads
from engine.schema import consents, sends
from engine.simulate.sink import Sink
from engine.vocabulary import Consent, EventType, Origin, Reason, Scope, SendState, Stream, topic_scope
from tests.deliver.given import add_claimed, add_workspace, insert_body, runtime_over
from tests.factories import TOKENS, add_consent, add_lead, add_send

SAID: dict[str, tuple[EventType, dict[str, object]] | None] = {
    "nothing": None,
    "stop this topic": (EventType.UNSUBSCRIBED, {"scope": topic_scope("air-lessons")}),
    "stop another topic": (EventType.UNSUBSCRIBED, {"scope": topic_scope("product-news")}),
    "stop all marketing": (EventType.UNSUBSCRIBED, {"scope": Scope.MARKETING}),
    "a complaint": (EventType.COMPLAINED, {}),
    "a hard bounce": (EventType.BOUNCED, {}),
    "a soft bounce": (EventType.SOFT_BOUNCED, {}),
}
GOES, STOPPED = (SendState.ACCEPTED, None), (SendState.CANCELLED, Reason.SUPPRESSED)
LEASE = timedelta(seconds=30)
STOPS = {
    Stream.MARKETING: {"stop this topic", "stop all marketing", "a complaint", "a hard bounce"},
    Stream.TRANSACTIONAL: {"a complaint", "a hard bounce"},
    Stream.INTERNAL: set(),  # it goes to a rep, about the lead
}
Table = dict[tuple[str, str], tuple[str, str | None]]


@pytest.mark.both_databases
@pytest.mark.parametrize("when", ["before the claim", "after the claim"])
def test_an_opt_out_stops_what_it_is_about_and_nothing_else(database: Database, tmp_path: Path, when: str) -> None:
    with database.write() as tx:
        add_workspace(tx)
        rows = {(said, stream): add_due(tx, stream) for said in SAID for stream in STOPS}
    claims = claim_all(database) if when == "after the claim" else []

    with database.write() as tx:
        record_events(tx, [event for (said, _stream), send_id in rows.items() for event in told(tx, said, send_id)])
    with runtime_over(database, Sink(), tmp_path) as runtime:
        deliver(runtime, claims or claim_all(database))

    expected: Table = {(said, stream): STOPPED if said in STOPS[stream] else GOES for said, stream in rows}
    assert outcomes(database, rows) == expected


@pytest.mark.both_databases
def test_a_refusal_stops_mail_to_the_same_mailbox_under_another_lead(database: Database, tmp_path: Path) -> None:
    """A person may be in the customer system twice, and say no under one of the two."""
    with database.write() as tx:
        add_workspace(tx)
        first, second = (add_lead(tx, key=key, email="maya@school.example") for key in ("crm-1", "crm-2"))
        add_consent(tx, lead_id=second, topic="air-lessons")
        send_id = add_claimed(tx, lead_id=second, state=SendState.READY, worker=None, lease_until=None)[0]
        refusal = NewLead(
            key="crm-1", email=None, zone=None, fields={}, consent={"air-lessons": Consent.REFUSED}, consent_source="a form"
        )
        assert save_leads(tx, TOKENS, [refusal]) == {"crm-1": first}
    with runtime_over(database, Sink(), tmp_path) as runtime:
        deliver(runtime, claim_all(database))

    under_another = ("a refusal", Stream.MARKETING)
    assert outcomes(database, {under_another: send_id}) == {under_another: STOPPED}


@pytest.mark.both_databases
def test_a_refusal_of_a_topic_stops_marketing_on_it_that_was_asked_for_before(database: Database, tmp_path: Path) -> None:
    """As it comes by a form, or a file of leads, while mails wait for their turn."""
    with database.write() as tx:
        add_workspace(tx)
        said = [("air-lessons", "refused"), ("air-lessons", "granted"), ("product-news", "refused")]
        of_topic = [add_due(tx, Stream.MARKETING) for _ in said]
        order = add_due(tx, Stream.TRANSACTIONAL)
        for (topic, state), send_id in zip([*said, said[0]], [*of_topic, order], strict=True):
            lead_id = tx.run(sa.select(sends.c.lead_id).where(sends.c.id == send_id)).scalar_one()
            tx.run(sa.insert(consents).values(lead_id=lead_id, topic=topic, state=state, source="a form", at=tx.now))

    with runtime_over(database, Sink(), tmp_path) as runtime:
        deliver(runtime, claim_all(database))

    with database.read() as tx:
        fates = {row.id: (row.state, row.reason) for row in tx.run(sa.select(sends.c.id, sends.c.state, sends.c.reason))}
    assert [fates[send_id] for send_id in (*of_topic, order)] == [STOPPED, GOES, GOES, GOES]


def add_due(tx: Tx, stream: Stream) -> int:
    """A mail that is due to a person of its own; its id."""
    lead_id, due = add_lead(tx), {"state": SendState.READY, "worker": None, "lease_until": None}
    match stream:
        case Stream.MARKETING:
            return add_claimed(tx, lead_id=lead_id, **due)[0]
        case Stream.TRANSACTIONAL:
            return add_claimed(tx, lead_id=lead_id, stream=stream, topic=None, **due)[0]
        case Stream.INTERNAL:
            of_rep = {"rep": "dana", "artifact_hash": None, "address_key": TOKENS.address_key("dana@clearroom.example")}
            send_id, _epoch = add_claimed(tx, lead_id=lead_id, stream=stream, topic=None, **of_rep, **due)
            insert_body(tx, send_id, b"Subject: A raised hand\r\n\r\nCall them.\r\n")
            return send_id


def told(tx: Tx, said: str, send_id: int) -> list[NewEvent]:
    """What comes back about a mail that the person got before."""
    event = SAID[said]
    if event is None:
        return []
    lead_id = tx.run(sa.select(sends.c.lead_id).where(sends.c.id == send_id)).scalar_one()
    before = add_send(tx, lead_id=lead_id, state=SendState.ACCEPTED)
    return [
        NewEvent(
            source_key=f"{said}:{send_id}", type=event[0], origin=Origin.HUMAN, lead_id=lead_id, send_id=before, data=event[1],
            occurred_at=tx.now,
        )
    ]  # fmt: skip


def claim_all(database: Database) -> list[Claim]:
    with database.write() as tx:
        return take_due(tx, SEND, limit=100, lease=LEASE)


def outcomes(database: Database, rows: dict[tuple[str, Stream], int]) -> Table:
    with database.read() as tx:
        found = {row.id: (row.state, row.reason) for row in tx.run(sa.select(sends))}
    return {key: found[send_id] for key, send_id in rows.items()}
