"""Mails that come in: as signed posts and over SMTP, from people, machines and forgers."""

import json
import smtplib
import socket
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from engine.clock import VirtualClock
from engine.database import Database
from engine.errors import SettingsError
from engine.schema import bodies, reactions
from engine.vocabulary import EventType, Origin, SendState, Stream
from tests.factories import add_lead
from tests.inbound.mails import bounce, complaint, crowded, nested, reply
from tests.webhooks.place import Place
from webhooks.listener import start_listener
from webhooks.signature import key_bytes, signature

KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def post(place: Place, path: str, body: bytes, *, type: str = "message/rfc822", **changed: str) -> Any:
    """A signed post; `changed` replaces headers, an empty value leaves one out."""
    stamp = str(int(place.clock.now().timestamp()))
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": stamp,
        "webhook-signature": signature(key_bytes(KEY), "msg_1", stamp, body),
    }
    headers |= {name.replace("_", "-"): value for name, value in changed.items()}
    return place.client.post(
        path, data=body, content_type=type, headers={name: value for name, value in headers.items() if value}
    )


def wrapped(raw: bytes, **more: object) -> bytes:
    return json.dumps({"raw": b64encode(raw).decode(), **more}).encode()


def body_of(place: Place) -> str:
    with place.database.read() as tx:
        return str(tx.run(sa.select(bodies.c.content)).scalar_one(), "utf-8")


@pytest.mark.both_databases
def test_a_posted_reply_stops_nothing_but_is_told_with_its_words_apart(place: Place):
    send_id = place.send()

    answer = post(place, "/hooks/replies", reply(to=place.address("r", send_id)))

    assert (answer.status_code, answer.json) == (200, {"kept": True})
    (event,) = place.drain()
    assert (event.type, event.origin, event.send_id) == (EventType.REPLIED, Origin.HUMAN, send_id)
    assert event.data == {"email": "enquiry-01-welcome"}
    assert body_of(place) == "Yes, call me on Tuesday."
    with place.database.read() as tx:
        assert tx.run(sa.select(sa.func.count()).select_from(reactions)).scalar_one() == 1


def test_a_reply_in_json_is_the_same(place: Place):
    body = wrapped(reply(), envelope_to=place.address("r", place.send()), envelope_from="maya@school.example")

    assert post(place, "/hooks/replies", body, type="application/json").status_code == 200
    assert place.drain()[0].type == EventType.REPLIED


def test_an_absence_note_is_a_machines_and_nothing_follows(place: Place):
    body = wrapped(reply("I am away."), envelope_to=place.address("r", place.send()), envelope_from="")

    post(place, "/hooks/replies", body, type="application/json")

    assert (place.drain()[0].type, place.drain()[0].origin) == (EventType.AUTO_REPLIED, Origin.MACHINE)


@pytest.mark.both_databases
def test_the_same_mail_posted_three_times_is_one_event(place: Place):
    raw = reply(to=place.address("r", place.send()))

    for number in range(3):
        post(place, "/hooks/replies", raw)
        if number:
            place.drain()

    assert len(place.drain()) == 1


@pytest.mark.both_databases
def test_a_bounce_for_good_stops_everything_to_that_address(place: Place):
    post(place, "/hooks/bounces", wrapped(bounce(), envelope_to=place.address("b", place.send())), type="application/json")

    (event,) = place.drain()
    assert (event.type, event.data["status"]) == (EventType.BOUNCED, "5.1.1")
    assert "maya@school.example" not in json.dumps(event.data)
    assert place.stopped() == {"everything"}


def test_a_full_mailbox_stops_nothing(place: Place):
    body = wrapped(bounce("5.2.2", "mailbox full"), envelope_to=place.address("b", place.send()))
    post(place, "/hooks/bounces", body, type="application/json")

    assert place.drain()[0].type == EventType.SOFT_BOUNCED
    assert place.stopped() == set()


@pytest.mark.parametrize("went", [{"ended_at": datetime(2025, 12, 1, tzinfo=UTC)}, {"state": SendState.READY, "ended_at": None}])
def test_a_bounce_of_a_mail_that_did_not_just_go_out_silences_nobody(place: Place, went: dict[str, object]):
    post(place, "/hooks/bounces", wrapped(bounce(), envelope_to=place.address("b", place.send(**went))), type="application/json")

    assert place.drain()[0].type == EventType.SOFT_BOUNCED
    assert place.stopped() == set()


def test_a_bounce_that_a_rep_caused_says_nothing_about_the_lead(place: Place):
    send_id = place.send(stream=Stream.INTERNAL, topic=None, rep="dana")
    post(place, "/hooks/bounces", wrapped(bounce(), envelope_to=place.address("b", send_id)), type="application/json")

    assert len(place.drain()) == 1
    assert place.stopped() == set()


def test_a_bounce_without_a_token_of_ours_changes_nothing(place: Place):
    place.send()

    assert post(place, "/hooks/bounces", bounce()).status_code == 200
    assert place.drain() == []


def test_an_answer_to_a_mail_whose_row_was_lost_is_by_whoever_has_the_address(place: Place):
    with place.database.write() as tx:
        lead_id = add_lead(tx, email="zoe@school.example")

    post(place, "/hooks/replies", reply(to=place.address("r", 10**12, "zoe@school.example")))

    (event,) = place.drain()
    assert (event.type, event.lead_id) == (EventType.REPLIED, lead_id)
    with place.database.read() as tx:
        assert tx.run(sa.select(reactions.c.event_id)).scalars().all() == [event.id], "and their cadence ends"


def test_a_complaint_stops_everything(place: Place):
    send_id = place.send()
    body = complaint().replace(b"fbl@provider.example", f"fbl@provider.example\r\nTo: {place.address('b', send_id)}".encode())

    post(place, "/hooks/bounces", body)

    assert place.drain()[0].type == EventType.COMPLAINED
    assert place.stopped() == {"everything"}


@pytest.mark.parametrize("raw", [nested(2_000), crowded(100_000)], ids=["nested", "crowded"])
def test_a_bomb_to_a_reply_address_is_a_reply_that_could_not_be_read(place: Place, raw: bytes):
    post(place, "/hooks/replies", wrapped(raw, envelope_to=place.address("r", place.send())), type="application/json")

    (event,) = place.drain()
    assert (event.type, event.origin) == (EventType.REPLIED, Origin.HUMAN)
    assert "unreadable" in event.data


def test_a_bomb_that_says_a_machine_wrote_it_stops_nothing(place: Place):
    raw = b"Auto-Submitted: auto-replied\r\n" + nested(2_000)

    post(place, "/hooks/replies", wrapped(raw, envelope_to=place.address("r", place.send())), type="application/json")

    assert place.drain()[0].type == EventType.AUTO_REPLIED


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"webhook_signature": ""}, 400),
        ({"webhook_id": ""}, 400),
        ({"webhook_timestamp": ""}, 400),
        ({"webhook_timestamp": "yesterday"}, 400),
        ({"webhook_timestamp": "٣"}, 400),
        ({"webhook_timestamp": "9" * 30}, 400),
        ({"webhook_timestamp": "1"}, 401),
        ({"webhook_id": "msg_2"}, 401),
        ({"webhook_signature": "v1,AAAA"}, 401),
        ({"webhook_signature": "v1a,xyz v2,abc"}, 401),
        ({"webhook_signature": "é"}, 401),
    ],
)
def test_a_post_that_is_not_signed_as_it_should_changes_nothing(place: Place, changed: dict[str, str], status: int):
    answer = post(place, "/hooks/replies", reply(to=place.address("r", place.send())), **changed)

    assert answer.status_code == status
    assert answer.json["error"]
    assert place.drain() == []


def test_an_old_post_and_one_with_a_changed_body_are_refused(place: Place):
    raw, now = reply(to=place.address("r", place.send())), place.clock.now()
    stamp = str(int(now.timestamp()))
    signed = signature(key_bytes(KEY), "msg_1", stamp, raw)

    assert post(place, "/hooks/replies", raw + b"!", webhook_signature=signed).status_code == 401
    place.clock.move_to(now + timedelta(minutes=6))
    assert post(place, "/hooks/replies", raw, webhook_timestamp=stamp, webhook_signature=signed).status_code == 401


def test_any_of_several_keys_and_signatures_is_good(sqlite_database: Database, clock: VirtualClock, tmp_path: Path):
    place = Place(sqlite_database, clock, tmp_path, WEBHOOK_KEY=f"a plain new key of some length,{KEY}")
    raw, stamp = reply(), str(int(clock.now().timestamp()))
    old = signature(key_bytes(KEY), "msg_1", stamp, raw)
    new = signature(b"a plain new key of some length", "msg_1", stamp, raw)

    assert post(place, "/hooks/replies", raw, webhook_signature=f"v1,AAAA {old}").status_code == 200
    assert post(place, "/hooks/replies", raw, webhook_signature=new).status_code == 200
    place.receiver.close()


def test_without_a_key_nothing_is_taken_and_the_answer_says_which_setting(
    sqlite_database: Database, clock: VirtualClock, tmp_path: Path
):
    place = Place(sqlite_database, clock, tmp_path, WEBHOOK_KEY="")

    answer = post(place, "/hooks/bounces", bounce())

    assert answer.status_code == 503
    assert "HANDRAISER_WEBHOOK_KEY" in answer.json["error"]
    place.receiver.close()


@pytest.mark.parametrize(
    ("body", "type"),
    [
        (b"", "message/rfc822"),
        (b"x", "text/plain"),
        (b"{", "application/json"),
        (b"[" * 100_000, "application/json"),
        (b"[]", "application/json"),
        (b'{"raw": 1}', "application/json"),
        (b'{"raw": "%%%"}', "application/json"),
        (b'{"raw": ""}', "application/json"),
        (b'{"raw": "eA==", "envelope_to": ["a"]}', "application/json"),
    ],
)
def test_a_signed_post_that_makes_no_sense_is_400_with_a_reason(place: Place, body: bytes, type: str):
    answer = post(place, "/hooks/replies", body, type=type)

    assert answer.status_code == 400
    assert answer.json["error"]


def test_a_get_to_a_hook_is_json_too(place: Place):
    assert place.client.get("/hooks/replies").json["error"]


# Over SMTP.


@pytest.fixture
def listening(sqlite_database: Database, clock: VirtualClock, tmp_path: Path) -> Iterator[Place]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = Place(sqlite_database, clock, tmp_path, REPLY_LISTEN=f"127.0.0.1:{port}")
    controller = start_listener(place.runtime, place.receiver.journal, clock=clock)
    yield place
    controller.stop()
    place.receiver.close()


def deliver(place: Place, to: str | list[str], raw: bytes, sender: str = "maya@school.example") -> dict[str, Any]:
    host, port = place.runtime.settings.reply_listen.split(":")
    with smtplib.SMTP(host, int(port), timeout=10) as client:
        return client.sendmail(sender, to, raw)


def test_a_reply_over_smtp_is_kept_before_it_is_accepted(listening: Place):
    deliver(listening, listening.address("r", listening.send()), reply("Ja, bitte. Grüße"))

    assert listening.receiver.journal.size > 0
    assert listening.drain()[0].type == EventType.REPLIED
    assert body_of(listening) == "Ja, bitte. Grüße"


def test_the_address_may_come_in_capitals(listening: Place):
    deliver(listening, listening.address("r", listening.send()).upper(), reply())

    assert len(listening.drain()) == 1


def test_a_bounce_over_smtp_has_no_sender(listening: Place):
    deliver(listening, listening.address("b", listening.send()), bounce(), sender="")

    assert listening.drain()[0].type == EventType.BOUNCED


def test_any_mail_to_the_unsubscribe_address_opts_out(listening: Place):
    deliver(listening, listening.address("u", listening.send()), b"Subject: unsubscribe\r\n\r\n")

    (event,) = listening.drain()
    assert (event.type, event.data["scope"]) == (EventType.UNSUBSCRIBED, "topic:air-lessons")


def test_a_stranger_and_a_forger_get_550(listening: Place):
    real = listening.address("r", listening.send())
    local, _at, domain = real.partition("@")
    forged = local[:10] + ("a" if local[10] != "a" else "b") + local[11:]

    for address in (f"someone@{domain}", f"{forged}@{domain}", f"{local}@elsewhere.example", f"x+{local[2:]}@{domain}"):
        with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
            deliver(listening, address, reply())
        assert refused.value.recipients[address][0] == 550
    assert listening.drain() == []


def test_a_journal_that_cannot_keep_it_asks_the_sender_to_try_again(listening: Place):
    to = listening.address("r", listening.send())
    listening.receiver.journal._most_bytes = -(10**12)

    with pytest.raises(smtplib.SMTPDataError) as later:
        deliver(listening, to, reply())

    assert later.value.smtp_code == 451


def test_many_at_once_are_all_kept(listening: Place):
    addresses = [listening.address("r", listening.send()) for _ in range(20)]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda to: deliver(listening, to, reply(message_id=f"<{to}>")), addresses))

    assert len(listening.drain()) == 20


def test_a_mail_over_the_size_is_refused(listening: Place):
    with pytest.raises(smtplib.SMTPException):
        deliver(listening, listening.address("r", listening.send()), b"Subject: x\r\n\r\n" + b"x" * 998 + b"\r\n" * 13_200_000)

    assert listening.drain() == []


def test_an_address_in_use_is_said_in_words(listening: Place):
    with pytest.raises(SettingsError, match="HANDRAISER_REPLY_LISTEN"):
        start_listener(listening.runtime, listening.receiver.journal)


def test_health_tells_that_the_broker_is_away(database: Database, clock: VirtualClock, tmp_path: Path):
    for url, said in (("memory:", ("ok", "in this process")), ("redis://127.0.0.1:1/0", ("degraded", "does not answer"))):
        place = Place(database, clock, tmp_path, BROKER_URL=url)
        facts = place.client.get("/health").json
        place.receiver.close()

        assert (facts["status"], facts["broker"]) == said


def test_health_tells_how_far_behind_it_is(place: Place):
    post(place, "/hooks/replies", reply(to=place.address("r", place.send())))
    place.clock.move_to(place.clock.now() + timedelta(seconds=30))
    place.receiver.drainer._own.read_more(current=lambda: 1)

    facts = place.client.get("/health").json

    assert (facts["status"], facts["waiting"], facts["behind_seconds"], facts["lost"]) == ("ok", 1, 30.0, 0)
