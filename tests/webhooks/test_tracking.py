"""Opens and clicks: what is answered, what is noted, and that no forged link leads anywhere."""

import sqlite3
from datetime import timedelta
from time import monotonic

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import OperationalError

from engine.vocabulary import EventType, Origin, Stream
from tests.factories import TOKENS
from tests.webhooks.place import BROWSER, LINKS, Place
from webhooks.journal import JournalError


def test_a_pixel_is_a_gif_that_nobody_may_keep(place: Place):
    send_id = place.send()

    answer = place.get(f"/o/{place.token(send_id)}")

    assert (answer.status_code, answer.mimetype, answer.headers["Cache-Control"]) == (200, "image/gif", "no-store")
    assert answer.data.startswith(b"GIF89a")
    (event,) = place.settle()
    assert (event.type, event.origin, event.send_id, event.data) == ("opened", "human", send_id, {"email": "enquiry-01-welcome"})


@pytest.mark.both_databases
def test_a_click_leads_to_the_target_and_is_an_event_of_the_lead(place: Place):
    send_id = place.send()

    answer = place.get(f"/c/{place.token(send_id)}/1")

    assert answer.status_code == 302
    assert answer.headers["Location"] == "https://www.clearroom.example/guide?part=2#top"
    assert "Set-Cookie" not in answer.headers
    (event,) = place.settle()
    assert (event.type, event.origin) == (EventType.CLICKED, Origin.HUMAN)
    assert event.data == {"email": "enquiry-01-welcome", "link": "guide", "link_number": 1}
    assert event.lead_id is not None


def test_a_target_beyond_ascii_is_spelt_for_a_header(place: Place):
    answer = place.get(f"/c/{place.token(place.send())}/3")

    assert answer.headers["Location"] == "https://www.clearroom.example/hj%C3%A4lp"


def test_a_personal_target_comes_from_the_link_itself(place: Place):
    sealed = TOKENS.seal_target("https://www.clearroom.example/quote/77?for=Maya")

    answer = place.get(f"/p/{place.token(place.send())}/2/{sealed}")

    assert answer.headers["Location"] == "https://www.clearroom.example/quote/77?for=Maya"
    assert place.settle()[0].data["link"] == "mine"


@pytest.mark.parametrize(
    "target", ["javascript:alert(1)", "//evil.example", "https://a.example/\r\nX: y", "http:\\\\evil.example", "data:text/html,x"]
)
def test_a_personal_target_that_is_no_web_address_leads_nowhere(place: Place, target: str):
    answer = place.get(f"/p/{place.token(place.send())}/2/{TOKENS.seal_target(target)}")

    assert answer.status_code == 404
    assert "Location" not in answer.headers


def test_a_link_without_a_web_target_or_without_a_row_leads_nowhere(place: Place):
    token = place.token(place.send())

    for number in ("2", "4", "5", "99", "-1", "01", "1/", "1e0", "٣"):
        answer = place.get(f"/c/{token}/{number}")
        assert (answer.status_code, answer.headers.get("Location")) == (404, None), number


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 43), letter=st.sampled_from("ABCDwxyz0189-_.~%/ "))
def test_a_changed_token_is_a_page_and_never_a_redirect(place: Place, at: int, letter: str):
    token = place.token(7)
    changed = token[:at] + letter + token[at + 1 :]
    if changed == token:
        return

    for path in (f"/c/{changed}/0", f"/o/{changed}", f"/p/{changed}/2/{TOKENS.seal_target('https://a.example')}"):
        answer = place.get(path)
        assert answer.status_code == 404
        assert "Location" not in answer.headers


def test_a_sealed_target_of_another_kind_is_not_taken(place: Place):
    token = place.token(place.send())

    assert place.get(f"/p/{token}/2/{token}").status_code == 404


def test_an_error_page_is_in_plain_words_and_runs_nothing(place: Place):
    answer = place.get("/c/forged/0")

    assert answer.status_code == 404
    assert "There is nothing here" in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "<script" not in answer.text


def test_head_is_answered_and_never_a_person(place: Place):
    token = place.token(place.send())

    answer = place.client.head(f"/c/{token}/0", headers={"User-Agent": BROWSER})

    assert (answer.status_code, answer.headers["Location"]) == (302, LINKS[0].target)
    assert place.settle()[0].origin == Origin.MACHINE


def test_a_post_to_a_link_is_no_click(place: Place):
    answer = place.client.post(f"/c/{place.token(place.send())}/0")

    assert answer.status_code == 404
    assert place.settle() == []


def test_a_scanner_that_follows_every_link_is_a_machine_even_its_first_click(place: Place):
    token = place.token(place.send())

    for number in (0, 1, 3):
        place.get(f"/c/{token}/{number}")
        place.clock.move_to(place.clock.now() + timedelta(milliseconds=600))

    assert place.drain() == []
    assert {event.origin for event in place.settle()} == {Origin.MACHINE}


@pytest.mark.both_databases
def test_neighbours_that_are_events_already_count_too(place: Place):
    send_id = place.send()
    place.get(f"/c/{place.token(send_id)}/0")
    place.settle()
    early = place.clock.now() - timedelta(seconds=9)
    place.clock.instant = early

    for number in (1, 3):
        place.get(f"/c/{place.token(send_id)}/{number}")

    assert [event.origin for event in place.settle()] == [Origin.HUMAN, Origin.MACHINE, Origin.MACHINE]


def test_a_click_as_soon_as_the_mail_was_accepted_is_a_machine(place: Place):
    send_id = place.send(ended_at=place.clock.now())
    place.clock.move_to(place.clock.now() + timedelta(seconds=4))

    place.get(f"/c/{place.token(send_id)}/0")

    assert place.settle()[0].origin == Origin.MACHINE


def test_what_a_rep_does_with_a_mail_about_a_lead_is_not_the_leads_doing(place: Place):
    place.get(f"/c/{place.token(place.send(stream=Stream.INTERNAL, topic=None, rep='dana'))}/0")

    assert place.settle()[0].lead_id is None


def test_a_click_is_answered_while_another_connection_holds_the_database(place: Place):
    token = place.token(place.send())
    other = sqlite3.connect(str(place.database.engine.url.database), isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    began = monotonic()

    answer = place.get(f"/c/{token}/0")

    took = monotonic() - began
    other.execute("ROLLBACK")
    assert (answer.status_code, answer.headers["Location"]) == (302, LINKS[0].target)
    assert took < 5, "it waited for the database"
    assert len(place.settle()) == 1


def test_a_process_that_starts_without_a_database_knows_the_links_of_the_last(place: Place):
    token = place.token(place.send())
    place.receiver.close()
    with place.database.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE artifacts RENAME TO away")
    place.open()

    answer = place.get(f"/c/{token}/0")

    assert answer.headers["Location"] == LINKS[0].target


def test_a_link_table_that_cannot_be_looked_up_is_503_and_not_404(place: Place):
    token = place.token(place.send())
    place.receiver.close()
    (place.workspace / ".handraiser" / "links.json").unlink()
    with place.database.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE artifacts RENAME TO away")
    place.open()

    answer = place.get(f"/c/{token}/0")

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")


def test_a_link_table_that_came_after_the_start_is_read_on_the_first_click(place: Place):
    place.receiver.links._tables.clear()

    assert place.get(f"/c/{place.token(place.send())}/0").status_code == 302


def test_a_full_journal_still_redirects_and_counts_what_is_lost(place: Place):
    token = place.token(place.send())
    place.receiver.journal._most_bytes = 0

    answer = place.get(f"/c/{token}/0")

    assert answer.status_code == 302
    assert place.get("/health").json["lost"] == 1
    with pytest.raises(JournalError):
        place.receiver.journal.append(b"x")


def test_what_was_clicked_while_the_database_failed_is_recorded_later(place: Place):
    with place.database.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE sends RENAME TO away")

    place.get(f"/c/{place.token(1)}/0")
    place.clock.move_to(place.clock.now() + timedelta(seconds=10))

    with pytest.raises(OperationalError):
        place.drain()
    with place.database.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE away RENAME TO sends")
    assert len(place.drain()) == 1
