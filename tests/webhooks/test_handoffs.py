"""The page of a raised hand: looking changes nothing, an answer counts once, and nobody gets in by guessing."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
import sqlalchemy as sa

from engine.schema import events, handoffs
from engine.scoring.rescore import rescore
from engine.vocabulary import Ask
from tests.factories import TOKENS, add_event, add_lead
from tests.scoring.models import apply_rules
from tests.webhooks.place import Place

MAYA = {"first_name": "Maya", "last_name": "<b>Lindqvist", "company": "Fernhill Primary", "phone": "+44 (0)113 496-0000"}


def raised(place: Place, **lead: object) -> str:
    """The path of the page of a new hand."""
    with place.database.write() as tx:
        apply_rules(tx)
        lead_id = add_lead(tx, **{"email": "maya@fernhill.example", "fields": MAYA, **lead})  # type: ignore[arg-type]
        add_event(tx, type="replied", lead_id=lead_id, data={"email": "co2"}, occurred_at=tx.now - timedelta(hours=1))
        (handoff_id,) = rescore(tx, place.runtime, [lead_id])
    return f"/h/{TOKENS.seal_ask(Ask.HANDOFF, handoff_id)}"


def state(place: Place) -> tuple[str, str | None]:
    with place.database.read() as tx:
        row = tx.run(sa.select(handoffs.c.state, handoffs.c.note)).one()
        return row.state, row.note


def test_the_page_tells_who_why_until_when_and_everything_so_far(place: Place):
    page = place.get(raised(place)).text

    for words in ("Maya &lt;b&gt;Lindqvist", "Fernhill Primary", "tel:+4401134960000", "Monday 05 January, 13:00", "+60", "co2"):
        assert words in page


def test_looking_changes_nothing(place: Place):
    path = raised(place)

    for method in (place.client.get, place.client.head, place.client.options):
        assert method(path).status_code == 200

    assert state(place) == ("raised", None)


def test_the_page_runs_nothing_and_is_kept_nowhere(place: Place):
    answer = place.get(raised(place))

    assert "script" not in answer.text
    assert " style=" not in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert place.get("/h/style.css").mimetype == "text/css"


@pytest.mark.parametrize("chosen", ["accepted", "declined"])
def test_an_answer_is_kept_with_its_note(place: Place, chosen: str):
    path = raised(place)

    answer = place.client.post(path, data={"answer": chosen, "note": "moves in spring"})

    assert (answer.status_code, answer.location) == (303, path)
    assert state(place) == (chosen, "moves in spring")
    assert "moves in spring" in place.get(path).text


def test_what_was_taken_can_be_closed_and_then_nothing_more_is_asked(place: Place):
    path = raised(place)
    place.client.post(path, data={"answer": "accepted"})
    assert 'value="closed"' in place.get(path).text

    place.client.post(path, data={"answer": "closed"})

    assert state(place)[0] == "closed"
    assert "<button" not in place.get(path).text


def test_who_answers_second_sees_how_it_stands(place: Place):
    path = raised(place)
    place.client.post(path, data={"answer": "declined", "note": "mine was first"})

    answer = place.client.post(path, data={"answer": "accepted"})

    assert answer.status_code == 409
    assert "Somebody answered before you" in answer.text
    assert "mine was first" in answer.text
    assert state(place) == ("declined", "mine was first")


def test_a_button_pressed_twice_is_one_answer(place: Place):
    path = raised(place)

    codes = [place.client.post(path, data={"answer": "accepted"}).status_code for _ in range(2)]

    assert codes == [303, 303]


def test_of_two_reps_at_once_one_answers(place: Place):
    path, together = raised(place), Barrier(2)

    def press(chosen: str) -> int:
        together.wait()
        return int(place.client.post(path, data={"answer": chosen}).status_code)

    with ThreadPoolExecutor(2) as threads:
        codes = list(threads.map(press, ["accepted", "closed"]))

    assert sorted(codes) in ([303, 303], [303, 409])
    with place.database.read() as tx:
        told = list(tx.run(sa.select(events.c.type).where(events.c.type.like("handoff_%"))).scalars())
    assert told == ["handoff_accepted", "handoff_closed"][: codes.count(303)]


@pytest.mark.parametrize("token", ["", "x", "AAAA", "ä", "A" * 44, "%00", "style.css/x"])
def test_a_link_that_is_not_ours_leads_nowhere(place: Place, token: str):
    assert place.get(f"/h/{token}").status_code == 404
    assert place.client.post(f"/h/{token}", data={"answer": "accepted"}).status_code == 404


def test_every_flipped_bit_of_a_link_is_noticed(place: Place):
    path = raised(place)
    token = path.removeprefix("/h/")

    for position in range(len(token) - 1):
        other = "B" if token[position] == "A" else "A"
        forged = token[:position] + other + token[position + 1 :]
        assert place.client.post(f"/h/{forged}", data={"answer": "accepted"}).status_code == 404

    assert state(place) == ("raised", None)


def test_the_token_of_a_mail_opens_no_hand_off(place: Place):
    raised(place)

    assert place.get(f"/h/{place.token(1)}").status_code == 404


def test_a_hand_off_that_is_gone_is_not_there(place: Place):
    with place.database.write() as tx:
        apply_rules(tx)

    assert place.get(f"/h/{TOKENS.seal_ask(Ask.HANDOFF, 99)}").status_code == 404
    assert place.client.post(f"/h/{TOKENS.seal_ask(Ask.HANDOFF, 99)}", data={"answer": "accepted"}).status_code == 404


@pytest.mark.parametrize("answer", ["", "raised", "accept"])
def test_an_answer_that_no_button_has_is_refused(place: Place, answer: str):
    path = raised(place)

    assert place.client.post(path, data={"answer": answer}).status_code == 400
    assert state(place)[0] == "raised"


def test_who_asked_for_no_calls_is_not_offered_for_one(place: Place):
    page = place.get(raised(place, do_not_call=True)).text

    assert "Do not call" in page
    assert "tel:" not in page
