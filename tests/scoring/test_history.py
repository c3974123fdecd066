"""The history of a lead as a rep reads it."""

from datetime import timedelta

import sqlalchemy as sa

from engine.database import Database, Tx
from engine.schema import bodies, handoffs
from engine.scoring.history import Entry, Kind, histories
from engine.vocabulary import Origin
from tests.factories import add_enrolment, add_event, add_lead, add_send
from tests.schedule.plans import artifact, at, cadence, email
from tests.scoring.models import apply_rules


def history(tx: Tx, lead_id: int) -> list[Entry]:
    return histories(tx, [lead_id])[lead_id]


def test_the_newest_is_first(sqlite_database: Database):
    with sqlite_database.write() as tx:
        lead_id = add_lead(tx)
        add_event(tx, type="visited", lead_id=lead_id, data={"page": "/pricing"}, occurred_at=tx.now - timedelta(days=2))
        add_event(tx, type="form_submitted", lead_id=lead_id, data={"form": "visit"}, occurred_at=tx.now - timedelta(days=1))
        add_enrolment(tx, lead_id=lead_id, cadence="new-enquiry", created_at=tx.now - timedelta(days=9))

        found = [entry.words for entry in history(tx, lead_id)]

    assert found == ["sent the form “visit”", "looked at /pricing", "began the cadence “new-enquiry”"]


def test_mail_goes_by_its_subject(sqlite_database: Database):
    with sqlite_database.write() as tx:
        apply_rules(tx, cadence(email("co2", at(""))))
        lead_id = add_lead(tx)
        add_send(tx, lead_id=lead_id, email="co2", artifact_hash=artifact("co2").hash, state="accepted", ended_at=tx.now)
        add_event(tx, type="clicked", lead_id=lead_id, data={"email": "co2", "link": "pricing"})

        found = {entry.words for entry in history(tx, lead_id)}

    assert found == {"was sent “About co2”", "clicked “pricing” in “About co2”"}


def test_mail_to_the_rep_and_mail_that_never_went_out_are_left_out(sqlite_database: Database):
    with sqlite_database.write() as tx:
        lead_id = add_lead(tx)
        add_send(tx, lead_id=lead_id, stream="internal", state="accepted", ended_at=tx.now)
        add_send(tx, lead_id=lead_id, state="cancelled", ended_at=tx.now)

        assert history(tx, lead_id) == []


def test_a_machine_is_told_apart_from_the_person(sqlite_database: Database):
    with sqlite_database.write() as tx:
        lead_id = add_lead(tx)
        add_event(tx, type="clicked", lead_id=lead_id, data={"email": "co2"}, origin=Origin.MACHINE)
        add_event(tx, type="replied", lead_id=lead_id, data={"email": "co2"})

        found = {entry.words: entry.kind for entry in history(tx, lead_id)}

    assert found == {"clicked a link in “co2” (a machine, not the person)": Kind.MACHINE, "replied to “co2”": Kind.HUMAN}


def test_what_a_rep_wrote_stands_with_the_answer(sqlite_database: Database):
    with sqlite_database.write() as tx:
        lead_id = add_lead(tx)
        row = {"lead_id": lead_id, "crossing": 1, "state": "declined", "rep": "dana", "points": 62, "reasons": []}
        row |= {"raised_at": tx.now - timedelta(hours=2), "answer_by": tx.now, "answered_at": tx.now, "note": "moves in spring"}
        handoff_id = tx.run(sa.insert(handoffs).values(row).returning(handoffs.c.id)).scalar_one()
        add_event(tx, type="handoff_declined", lead_id=lead_id, data={"handoff": handoff_id})

        found = [entry.words for entry in history(tx, lead_id)]

    assert found == ["sales gave the lead back: “moves in spring”", "raised a hand with 62 points"]


def test_a_reply_comes_with_its_words(sqlite_database: Database):
    with sqlite_database.write() as tx:
        lead_id = add_lead(tx)
        reply = add_event(tx, type="replied", lead_id=lead_id, data={"email": "co2"})
        tx.run(sa.insert(bodies).values(event_id=reply, content=b"Could we try three?\r\n\x07" + b"and more " * 500))

        found = history(tx, lead_id)[0]

    assert found.said.startswith("Could we try three? \n and more")
    assert found.said.endswith(" …")
    assert found.line.startswith("replied to “co2”: “Could we try three? and more")


def test_a_reply_that_could_not_be_read_is_not_quoted(sqlite_database: Database):
    with sqlite_database.write() as tx:
        lead_id = add_lead(tx)
        reply = add_event(tx, type="replied", lead_id=lead_id, data={"email": "co2", "unreadable": "too large"})
        tx.run(sa.insert(bodies).values(event_id=reply, content=b"Content-Type: multipart/mixed"))

        assert history(tx, lead_id)[0].said == ""


def test_each_lead_has_its_own(sqlite_database: Database):
    with sqlite_database.write() as tx:
        one, other = add_lead(tx), add_lead(tx)
        add_event(tx, type="demo_requested", lead_id=one)

        found = histories(tx, [one, other])

    assert [entry.words for entry in found[one]] == ["demo requested"]
    assert found[other] == []
