"""The way out: looking changes nothing, one POST is enough, and what was answered with 200 is kept."""

import pytest
import sqlalchemy as sa

from engine.schema import leads, rules, suppressions
from engine.vocabulary import EventType, Origin, Stream
from tests.factories import TOKENS, add_lead
from tests.schedule.plans import apply
from tests.webhooks.place import Place

LOST = 10**12  # an id of which no row is left
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


def test_looking_changes_nothing_however_often(place: Place):
    path = f"/u/{place.token(place.send())}"

    for agent in ("Mozilla/5.0", "proofpoint", ""):
        assert place.get(path, **{"User-Agent": agent}).status_code == 200
        assert place.client.head(path).status_code == 200
        assert place.client.options(path).status_code == 200

    assert place.settle() == []
    assert place.stopped() == set()


def test_the_page_offers_the_topic_and_everything(place: Place):
    with place.database.write() as tx:
        apply(tx)

    page = place.get(f"/u/{place.token(place.send())}").text

    assert "Lessons on indoor air" in page
    assert "Clearroom" in page
    assert page.count("<button") == 1
    assert 'name="viewport"' in page


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "multipart/form-data"])
def test_one_click_stops_the_topic_without_cookie_or_redirect(place: Place, content_type: str):
    answer = place.client.post(f"/u/{place.token(place.send())}", data=ONE_CLICK, content_type=content_type)

    assert answer.status_code == 200
    assert not {"Set-Cookie", "Location"} & set(answer.headers.keys())
    (event,) = place.drain()
    assert (event.type, event.origin, event.data["scope"]) == (EventType.UNSUBSCRIBED, Origin.HUMAN, "topic:air-lessons")
    assert place.stopped() == {"topic:air-lessons"}


@pytest.mark.both_databases
def test_an_opt_out_by_a_mail_whose_row_was_lost_stops_its_address(place: Place):
    with place.database.write() as tx:
        lead_id = add_lead(tx, email="maya@school.example")

    answer = place.client.post(f"/u/{place.token(LOST, 'maya@school.example')}", data=ONE_CLICK)

    assert "You are unsubscribed" in answer.text
    (event,) = place.drain()
    assert (event.lead_id, event.data["scope"]) == (lead_id, "marketing"), "which topic it was nobody knows"
    assert stopped_addresses(place) == {TOKENS.address_key("maya@school.example")}


def test_so_does_one_of_somebody_who_was_lost_as_well(place: Place):
    place.client.post(f"/u/{place.token(LOST, 'zoe@lost.example')}", data=ONE_CLICK)

    (event,) = place.drain()
    assert event.lead_id is None
    assert stopped_addresses(place) == {TOKENS.address_key("zoe@lost.example")}


def stopped_addresses(place: Place) -> set[str]:
    with place.database.read() as tx:
        return set(tx.run(sa.select(suppressions.c.address_key)).scalars())


@pytest.mark.both_databases
def test_the_button_may_stop_all_marketing(place: Place):
    answer = place.client.post(f"/u/{place.token(place.send())}", data={"scope": "marketing"})

    assert "You are unsubscribed" in answer.text
    place.drain()
    assert place.stopped() == {"marketing"}


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", None),
        (b"scope=everything&x=1", "application/x-www-form-urlencoded"),
        (b"\xff\xfe%%%", "application/x-www-form-urlencoded"),
        (b"--nothing", "multipart/form-data; boundary=b"),
        (b"--nothing", "multipart/form-data"),
        (b"{}", "application/json"),
    ],
)
def test_a_post_with_a_strange_body_is_an_opt_out_all_the_same(place: Place, body: bytes, content_type: str | None):
    answer = place.client.post(f"/u/{place.token(place.send())}", data=body, content_type=content_type)

    assert answer.status_code == 200
    place.drain()
    assert place.stopped() == {"topic:air-lessons"}


def test_a_mail_without_a_topic_opts_out_of_all_marketing_and_no_more(place: Place):
    token = place.token(place.send(stream=Stream.TRANSACTIONAL, topic=None))

    assert "everything" not in place.get(f"/u/{token}").text.lower()
    place.client.post(f"/u/{token}", data=ONE_CLICK)

    place.drain()
    assert place.stopped() == {"marketing"}


def test_an_opt_out_from_a_mail_to_a_rep_stops_nothing_of_the_lead(place: Place):
    place.client.post(f"/u/{place.token(place.send(stream=Stream.INTERNAL, topic=None, rep='dana'))}")

    assert len(place.drain()) == 1
    assert place.stopped() == set()


def test_a_forged_token_is_a_page_and_changes_nothing(place: Place):
    token = place.token(place.send())
    forged = ("B" if token[9] != "B" else "C").join((token[:9], token[10:]))

    assert place.get(f"/u/{forged}").status_code == 404
    assert place.client.post(f"/u/{forged}", data=ONE_CLICK).status_code == 404
    assert place.drain() == []


def test_it_is_on_the_disk_before_it_is_answered_and_survives_the_process(place: Place):
    place.client.post(f"/u/{place.token(place.send())}", data=ONE_CLICK)
    lost = place.receiver
    lost.journal.close()  # the process ends here: nothing was drained, nobody tidied up

    place.open()
    place.receiver.drainer.take_over()
    place.drain()

    assert place.stopped() == {"topic:air-lessons"}


def test_what_cannot_be_kept_is_503_and_never_200(place: Place):
    token = place.token(place.send())
    place.receiver.journal._most_bytes = -(10**12)

    answer = place.client.post(f"/u/{token}", data=ONE_CLICK)

    assert answer.status_code == 503
    assert "try again" in answer.text
    assert place.client.get("/health").status_code == 503


def test_it_works_while_the_database_is_away(place: Place):
    token = place.token(place.send())
    with place.database.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE sends RENAME TO away")

    looked, answer = place.get(f"/u/{token}"), place.client.post(f"/u/{token}", data=ONE_CLICK)

    with place.database.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE away RENAME TO sends")
    assert (looked.status_code, answer.status_code) == (200, 200)
    place.drain()
    assert place.stopped() == {"topic:air-lessons"}


def test_it_works_while_the_rules_cannot_be_read(place: Place):
    """How a page looks is in them; those of another version may be strange to this one."""
    with place.database.write() as tx:
        apply(tx)
        tx.run(sa.update(rules).where(rules.c.kind == "policy").values(body='{"name": 7}'))
    path = f"/u/{place.token(place.send())}"

    assert (place.get(path).status_code, place.client.post(path, data=ONE_CLICK).status_code) == (200, 200)
    place.drain()
    assert place.stopped() == {"topic:air-lessons"}


def test_a_mail_to_a_former_address_stops_the_present_one_too(place: Place):
    with place.database.write() as tx:
        lead_id = add_lead(tx)
    token = place.token(place.send(lead_id=lead_id))
    with place.database.write() as tx:
        tx.run(sa.update(leads).where(leads.c.id == lead_id).values(address_key="new"))

    place.client.post(f"/u/{token}", data=ONE_CLICK)
    place.drain()

    with place.database.read() as tx:
        assert "new" in set(tx.run(sa.select(suppressions.c.address_key)).scalars())


def test_a_body_beyond_all_measure_is_refused(place: Place):
    answer = place.client.post(f"/u/{place.token(place.send())}", data={"x": "y" * 100_000})

    assert answer.status_code == 413
    assert "larger" in answer.text
