"""The hand-off mail as the rep's mail program reads it."""

from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
import sqlalchemy as sa

from engine.database import Database, Tx
from engine.deliver.kept import unpacked
from engine.schema import bodies, sends
from engine.scoring.rescore import rescore
from engine.tokens import NOBODY
from engine.vocabulary import Ask, Origin
from tests.factories import TOKENS, add_event, add_lead, add_send
from tests.schedule.plans import artifact, at, cadence, email
from tests.scoring.models import apply_rules, runtime

MAYA = {
    "first_name": "Maya",
    "last_name": "Lindqvist",
    "role": "Head",
    "company": "Fernhill Primary",
    "phone": "+44 113 496 0000",
}


def notice(tx: Tx, database: Database, which: str = "raised", **lead: object) -> EmailMessage:
    apply_rules(tx, cadence(email("co2", at(""))))
    lead_id = add_lead(tx, **{"email": "maya@fernhill.example", "fields": MAYA, **lead})
    sent = {
        "address_key": NOBODY,
        "email": "co2",
        "artifact_hash": artifact("co2").hash,
        "state": "accepted",
        "ended_at": tx.now - timedelta(days=2),
    }
    add_send(tx, lead_id=lead_id, **sent)
    add_event(tx, type="clicked", lead_id=lead_id, data={"email": "co2"}, origin=Origin.MACHINE)
    add_event(tx, type="clicked", lead_id=lead_id, data={"email": "co2", "link": "pricing"})
    reply = add_event(tx, type="replied", lead_id=lead_id, data={"email": "co2"})
    tx.run(sa.insert(bodies).values(event_id=reply, content=b"Could we try three?\n\nMaya <3"))
    rescore(tx, runtime(database), [lead_id])
    kept = sa.select(bodies.c.content).join(sends, sends.c.id == bodies.c.send_id).where(sends.c.email == f"handoff-{which}")
    message = message_from_bytes(unpacked(tx.run(kept).scalar_one()), policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def part(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    assert body is not None
    return str(body.get_content())


@pytest.mark.both_databases
def test_the_mail_goes_to_the_rep_and_its_reply_to_the_lead(database: Database):
    with database.write() as tx:
        message = notice(tx, database)

    assert message["To"] == "dana@clearroom.example"
    assert message["Reply-To"] == "maya@fernhill.example"
    assert message["From"] == "Clearroom <hello@clearroom.example>"
    assert message["Subject"] == "Raised hand: Maya Lindqvist (80 points)"
    assert message["Auto-Submitted"] == "auto-generated"


@pytest.mark.parametrize("kind", ["plain", "html"])
def test_both_forms_tell_who_why_until_when_and_everything_so_far(sqlite_database: Database, kind: str):
    with sqlite_database.write() as tx:
        told = part(notice(tx, sqlite_database), kind)

    for words in ("Maya Lindqvist", "Head, Fernhill Primary", "+44 113 496 0000", "05 Jan", "13:00", "replied", "+60"):
        assert words in told
    assert "clicked a link in “About co2”" in told
    assert "clicked “pricing” in “About co2”" in told
    assert "was sent “About co2”" in told
    assert "(a machine, not the person)" in told


def test_the_link_answers_this_hand_off_alone(sqlite_database: Database):
    with sqlite_database.write() as tx:
        text = part(notice(tx, sqlite_database), "plain")

    (link,) = [word for word in text.split() if word.startswith("https://")]
    assert link.startswith("https://go.clearroom.example/h/")
    assert TOKENS.open_ask(link.rpartition("/")[2]) == (Ask.HANDOFF, 1)


def test_the_reminder_says_that_it_is_one_and_bears_its_own_date(sqlite_database: Database):
    with sqlite_database.write() as tx:
        message = notice(tx, sqlite_database, "reminder")

        assert message["Subject"] == "Still waiting for you: Maya Lindqvist (80 points)"
        assert message["Date"].datetime == tx.now + timedelta(hours=3)


@pytest.mark.parametrize("kind", ["plain", "html"])
def test_who_asked_for_no_calls_is_not_offered_for_one(sqlite_database: Database, kind: str):
    with sqlite_database.write() as tx:
        told = part(notice(tx, sqlite_database, do_not_call=True), kind)

    assert "do not call" in told.lower()
    assert "+44 113" not in told
    assert "tel:" not in told


def test_what_a_lead_calls_itself_is_text_and_nothing_else(sqlite_database: Database):
    with sqlite_database.write() as tx:
        message = notice(tx, sqlite_database, fields={"first_name": "<b>Maya\r\nBcc: x@y.example", "company": "{{ 7 * 7 }}"})

    assert message["Bcc"] is None
    assert message["Subject"] == "Raised hand: <b>Maya Bcc: x@y.example (80 points)"
    assert "&lt;b&gt;Maya" in part(message, "html")
    assert "{{ 7 * 7 }}" in part(message, "html")


@pytest.mark.parametrize("address", [None, "müller@exämple.example"])
def test_a_lead_that_cannot_be_replied_to_is_handed_off_all_the_same(sqlite_database: Database, address: str | None):
    with sqlite_database.write() as tx:
        message = notice(tx, sqlite_database, key="maya", email=address)

    assert message["Reply-To"] is None


def test_a_reply_stands_there_in_the_words_of_its_writer(sqlite_database: Database):
    with sqlite_database.write() as tx:
        message = notice(tx, sqlite_database)

    assert "Could we try three?\n\n               Maya <3" in part(message, "plain").replace("\r\n", "\n")
    assert "Could we try three?" in part(message, "html")
    assert "Maya &lt;3</div>" in part(message, "html")
