"""Events that shops and sites post: stored whole or refused with every fault, and mail that leaves at once."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from engine.compiler.plan import to_json
from engine.database import Database
from engine.deliver.kept import unpacked
from engine.expressions.fields import EventKind, EventSchema, Field, FieldType, LeadSchema
from engine.leads import find_lead
from engine.render.artifact import link_table_id
from engine.schema import artifacts, bodies, consents, emails, leads, reactions, sends
from tests.factories import add_lead, plain_copy
from tests.schedule.plans import apply
from tests.webhooks.place import ARTIFACT, Place
from webhooks.signature import key_bytes, signature

KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ITEM = (Field(name="name"), Field(name="quantity", type=FieldType.NUMBER))
ORDER = EventKind(
    name="order_placed",
    counts_as="purchased",
    data=(
        Field(name="number"),
        Field(name="total", type=FieldType.NUMBER),
        Field(name="items", type=FieldType.LIST_OF, of=ITEM),
        Field(name="ship_to", personal=True),
    ),
)
LEAD_SCHEMA = LeadSchema((Field(name="first_name"), Field(name="role", type=FieldType.CHOICE, choices=("owner", "teacher"))))


@pytest.fixture
def shop(place: Place) -> Place:
    """A workspace that knows orders and confirms them."""
    with place.database.write() as tx:
        apply(
            tx,
            lead_schema=LEAD_SCHEMA,
            event_schema=EventSchema((ORDER, EventKind(name="demo_requested"))),
            event_emails={"order_placed": "order-confirmation"},
        )
        tx.run(sa.insert(emails).values(name="order-confirmation", copy=to_json(plain_copy(ARTIFACT.hash))))
    return place


def order(**changed: object) -> dict[str, object]:
    facts: dict[str, object] = {
        "type": "order_placed",
        "id": "CR-10482",
        "lead": {"email": "maya@school.example", "first_name": "Maya", "role": "Teacher"},
        "data": {
            "number": "CR-10482",
            "total": 854.5,
            "items": [{"name": "Hub", "quantity": "2"}],
            "ship_to": "Maya Lindqvist, 3 Orchard Rise",
        },
    }
    return {name: value for name, value in (facts | changed).items() if value is not None}


def post(place: Place, facts: object) -> Any:
    body = facts if isinstance(facts, bytes) else json.dumps(facts).encode()
    stamp = str(int(place.clock.now().timestamp()))
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": stamp,
        "webhook-signature": signature(key_bytes(KEY), "msg_1", stamp, body),
    }
    return place.client.post("/api/events", data=body, content_type="application/json", headers=headers)


def count(database: Database, table: sa.Table) -> int:
    with database.read() as tx:
        return int(tx.run(sa.select(sa.func.count()).select_from(table)).scalar_one())


def faults(answer: Any) -> dict[str, str]:
    assert answer.status_code == 422, answer.json
    return {fault["field"]: fault["problem"] for fault in answer.json["faults"]}


@pytest.mark.both_databases
def test_an_order_is_a_lead_an_event_and_a_mail_on_its_way(shop: Place):
    answer = post(shop, order())

    assert answer.status_code == 200
    (event,) = shop.events()
    assert answer.json == {"event": event.id, "lead": event.lead_id, "send": 1, "new": True}
    assert shop.published == [("send", [(1, 1)])]
    with shop.database.read() as tx:
        lead = find_lead(tx, "maya@school.example")
        send = tx.run(sa.select(sends)).one()
    assert lead is not None and lead.fields == {"first_name": "Maya", "role": "teacher"}
    assert (send.state, send.stream, send.event_id, send.email) == ("claimed", "transactional", event.id, "order-confirmation")


@pytest.mark.both_databases
def test_the_mail_of_an_order_is_written_with_it_and_kept_until_it_is_over(shop: Place):
    post(shop, order())

    with shop.database.read() as tx:
        kept = tx.run(sa.select(bodies).where(bodies.c.send_id == 1)).one()
    message = unpacked(kept.content)
    assert message.startswith(b"From: ") and b"\r\nTo: maya@school.example\r\n" in message
    assert b"DKIM-Signature" not in message and kept.delete_after is None
    assert len(kept.content) < len(message)


@pytest.mark.both_databases
def test_an_order_whose_confirmation_cannot_be_written_is_refused_and_not_stored(shop: Place):
    wants_total = replace(ARTIFACT, text="{{ event.total }} for {{ event.ship_to }}")
    with shop.database.write() as tx:
        body = {"email": ARTIFACT.email, "brand": ARTIFACT.brand, "body": wants_total.to_json(), "created_at": tx.now}
        tx.run(sa.insert(artifacts).values(hash=wants_total.hash, link_table_id=link_table_id(wants_total.hash), **body))
        tx.run(sa.update(emails).values(copy=to_json(plain_copy(wants_total.hash))))

    told = faults(post(shop, order(data={"number": "CR-10482"})))

    assert set(told) == {"data.total", "data.items", "data.ship_to", "data"}
    assert "cannot be written" in told["data"]
    assert shop.events() == []
    assert count(shop.database, leads) == count(shop.database, sends) == 0
    assert post(shop, order()).status_code == 200


@pytest.mark.both_databases
def test_what_is_personal_stands_in_the_body_alone(shop: Place):
    post(shop, order())

    (event,) = shop.events()
    with shop.database.read() as tx:
        body = tx.run(sa.select(bodies.c.content).where(bodies.c.event_id.is_not(None))).scalar_one()
    assert event.data == {"number": "CR-10482", "total": 854.5, "items": [{"name": "Hub", "quantity": 2}]}
    assert json.loads(body) == {"ship_to": "Maya Lindqvist, 3 Orchard Rise"}


def test_a_post_that_is_repeated_is_one_event_and_one_mail(shop: Place):
    first = post(shop, order()).json

    again = post(shop, order(data={"number": "another"})).json

    assert again == first | {"new": False}
    assert (len(shop.events()), count(shop.database, sends), len(shop.published)) == (1, 1, 1)


def test_a_post_that_is_repeated_is_looked_up_and_not_searched_for(shop: Place):
    asked: list[str] = []
    post(shop, order())
    sa.event.listen(shop.database.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))

    post(shop, order())

    [told] = [sql for sql in asked if "FROM events LEFT OUTER JOIN sends" in sql]
    with shop.database.read() as tx:
        plan = tx.connection.exec_driver_sql(
            f"EXPLAIN QUERY PLAN {told}", ("event:", "api:order_placed:1")[-told.count("?") :]
        ).all()
    assert len(plan) == 2 and all(row.detail.startswith("SEARCH") for row in plan)


@pytest.mark.both_databases
def test_many_posts_of_the_same_order_at_once_are_one(shop: Place):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _n: post(shop, order()).json, range(16)))

    assert sorted(answer["new"] for answer in answers) == [False] * 15 + [True]
    assert (count(shop.database, sends), count(shop.database, leads)) == (1, 1)


def test_an_event_without_a_mail_is_an_event(shop: Place):
    answer = post(shop, {"type": "demo_requested", "id": 7, "lead": {"email": "maya@school.example"}})

    assert (answer.status_code, answer.json["send"]) == (200, None)
    assert shop.published == []
    assert count(shop.database, reactions) == 1


def test_a_visit_keeps_the_page_without_what_follows_it(shop: Place):
    page = "https://www.clearroom.example/pricing?email=maya@school.example#top"

    post(shop, {"type": "visited", "lead": {"email": "maya@school.example"}, "data": {"page": page}})

    assert shop.events()[0].data == {"page": "/pricing"}
    assert shop.events()[0].source_key == "api:visited:msg_1"


def test_a_form_may_tell_of_consent(shop: Place):
    body = {"type": "form_submitted", "id": "f1", "lead": {"email": "maya@school.example"}, "data": {"form": "site-visit"}}

    post(shop, body | {"consent": {"air-lessons": "granted"}})

    with shop.database.read() as tx:
        assert tx.run(sa.select(consents.c.topic, consents.c.state)).one() == ("air-lessons", "granted")


def test_a_lead_that_is_known_by_another_key_is_found_by_its_address(shop: Place):
    with shop.database.write() as tx:
        lead_id = add_lead(tx, key="crm-77", email="Maya@School.example", fields={"first_name": "M", "role": "owner"})

    assert post(shop, order(lead={"email": "maya@school.example", "first_name": "Maya"})).json["lead"] == lead_id
    with shop.database.read() as tx:
        assert tx.run(sa.select(leads.c.fields)).scalar_one() == {"first_name": "Maya", "role": "owner"}


def test_a_new_lead_is_known_by_its_address_in_every_spelling(shop: Place):
    post(shop, order(lead={"email": "Maya@School.example", "first_name": "Maya"}))

    with shop.database.read() as tx:
        lead = tx.run(sa.select(leads.c.key, leads.c.email)).one()
    assert tuple(lead) == ("maya@school.example", "Maya@school.example")


def test_every_fault_is_told_at_once_and_nothing_is_stored(shop: Place):
    found = faults(
        post(
            shop,
            order(
                at="yesterday",
                colour="red",
                consent={"air-lesson": "granted", "air-lessons": "maybe"},
                lead={"email": "not an address", "zone": "Europe/Atlantis", "role": "pilot", "frist_name": "M"},
                data={"number": "1", "total": "a lot", "items": [{"name": "Hub", "quantity": "two"}], "shipto": "x"},
            ),
        )
    )

    assert set(found) == {
        "at", "colour", "consent.air-lesson", "consent.air-lessons", "lead.email", "lead.zone", "lead.role", "lead.frist_name",
        "data.total", "data.items", "data.shipto",
    }  # fmt: skip
    assert "did you mean first_name" in found["lead.frist_name"]
    assert "did you mean ship_to" in found["data.shipto"]
    assert (shop.events(), count(shop.database, leads)) == ([], 0)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"type": "order_plased"}, "type"),
        ({"type": "clicked"}, "type"),
        ({"type": ["order_placed"]}, "type"),
        ({"type": None}, "type"),
        ({"id": ""}, "id"),
        ({"id": True}, "id"),
        ({"id": "x" * 121}, "id"),
        ({"id": "a\nb"}, "id"),
        ({"at": "2026-01-05T09:00:00"}, "at"),
        ({"at": "2026-01-05T09:06:00Z"}, "at"),
        ({"at": "1926-01-05T09:06:00Z"}, "at"),
        ({"at": 12}, "at"),
        ({"lead": None}, "lead"),
        ({"lead": {}}, "lead"),
        ({"lead": "maya@school.example"}, "lead"),
        ({"lead": {"email": ""}}, "lead.email"),
        ({"lead": {"email": ["a"]}}, "lead.email"),
        ({"lead": {"email": "a@b.example\ud800"}}, "lead.email"),
        ({"lead": {"email": "a@b.example", "first_name": "\ud800"}}, "lead.first_name"),
        ({"data": []}, "data"),
        ({"data": {"total": 1e300}}, "data.total"),
        ({"consent": "yes"}, "consent"),
    ],
)
def test_a_fault_is_told_with_its_place(shop: Place, changed: dict[str, object], field: str):
    facts = {name: value for name, value in order(**changed).items()} if None not in changed.values() else order(**changed)

    assert list(faults(post(shop, facts))) == [field]
    assert shop.events() == []


@pytest.mark.parametrize(
    ("type", "data", "field"),
    [
        ("visited", {}, "data.page"),
        ("visited", {"page": "http://[pricing"}, "data.page"),
        ("form_submitted", {"form": " "}, "data.form"),
    ],
)
def test_a_visit_says_where_and_a_form_says_which(shop: Place, type: str, data: dict[str, object], field: str):
    assert list(faults(post(shop, order(type=type, data=data)))) == [field]


@pytest.mark.parametrize("depth", [300, 800, 900, 950, 990])
def test_what_is_nested_too_deeply_is_a_fault_of_its_own(shop: Place, depth: int):
    body = json.dumps({**order(), "type": "@"}).replace('"@"', "[" * depth + "]" * depth)

    answer = post(shop, body.encode())

    assert answer.status_code in (400, 422), answer.text
    assert shop.events() == []


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 50_000, b"9" * 6_000, b"\xff"])
def test_what_is_not_json_is_400(shop: Place, body: bytes):
    assert post(shop, body).status_code == 400


@pytest.mark.parametrize("facts", [[], "x", None, 7])
def test_json_that_is_no_object_is_422(shop: Place, facts: object):
    assert post(shop, facts).status_code == 422


def test_an_unsigned_post_is_refused(shop: Place):
    assert shop.client.post("/api/events", json=order()).status_code == 400
    assert shop.events() == []


def test_a_post_beyond_all_measure_is_413(shop: Place):
    answer = post(shop, order(data={"number": "x" * 300_000}))

    assert (answer.status_code, bool(answer.json["error"])) == (413, True)


def test_without_a_workspace_it_is_503_and_says_what_to_do(place: Place):
    answer = post(place, order())

    assert answer.status_code == 503
    assert "handraiser apply" in answer.json["error"]


def test_a_database_that_fails_is_503_and_the_post_may_be_repeated(shop: Place):
    with shop.database.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE events RENAME TO away")

    failed = post(shop, order())

    with shop.database.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE away RENAME TO events")
    assert (failed.status_code, failed.headers["Retry-After"]) == (503, "30")
    assert count(shop.database, leads) == 0
    assert post(shop, order()).json["new"] is True


def test_a_queue_that_is_away_costs_the_shop_nothing(shop: Place):
    def fail(_noun: str, _claims: object) -> None:
        raise ConnectionError("no broker")

    object.__setattr__(shop.runtime, "publish", fail)

    assert post(shop, order()).status_code == 200
    assert count(shop.database, sends) == 1


def test_an_outage_of_the_queue_is_told_once_and_not_with_each_order(shop: Place, caplog: pytest.LogCaptureFixture):
    def fail(_noun: str, _claims: object) -> None:
        raise ConnectionError("no broker")

    answers = shop.runtime.publish
    post(shop, order(id="before"))
    caplog.set_level("INFO", "webhooks.api")
    caplog.clear()
    for number, publish in enumerate((fail, fail, fail, answers, answers, fail)):
        object.__setattr__(shop.runtime, "publish", publish)
        assert post(shop, order(id=f"order-{number}")).json["send"] is not None

    told = [record.getMessage() for record in caplog.records if record.name == "webhooks.api"]
    assert [words.startswith("no longer so") for words in told] == [False, True, False]


def test_an_instant_in_another_zone_is_kept_as_the_same_instant(shop: Place):
    post(shop, order(at="2026-01-05T11:30:00+03:00"))

    assert shop.events()[0].occurred_at == shop.clock.now() - timedelta(minutes=30)
