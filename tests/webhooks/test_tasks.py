"""The page of a task, which is that of a raised hand with other buttons."""

import pytest
import sqlalchemy as sa

from engine.schedule.leave import leave
from engine.schema import enrolments, events, tasks
from engine.vocabulary import Ask
from tests.factories import TOKENS
from tests.scoring.asked import ask
from tests.webhooks.place import Place


def asked(place: Place, **lead: object) -> str:
    """The path of the page of a new task."""
    with place.database.write() as tx:
        return f"/h/{TOKENS.seal_ask(Ask.TASK, ask(tx, place.runtime, **lead))}"


def state(place: Place) -> tuple[str, str | None]:
    with place.database.read() as tx:
        row = tx.run(sa.select(tasks.c.state, tasks.c.said)).one()
        return row.state, row.said


def test_the_page_tells_what_to_do_for_whom_until_when_and_why(place: Place):
    page = place.get(asked(place)).text

    for words in (
        "<h1>Call Maya about a visit</h1>", "Maya &lt;b&gt;Lindqvist", "Ask which room Fernhill Primary complains about.",
        "For Dana Whitfield, due Wednesday 07 January, 09:00", "tel:+4401134960000", "+20", "co2",
    ):  # fmt: skip
        assert words in page
    assert 'value="done"' in page and 'value="not_needed"' in page


def test_looking_changes_nothing(place: Place):
    path = asked(place)

    for method in (place.client.get, place.client.head, place.client.options):
        assert method(path).status_code == 200

    assert state(place) == ("open", None)


@pytest.mark.both_databases
@pytest.mark.parametrize(("chosen", "words"), [("done", "Done on"), ("not_needed", "Not needed, said sales on")])
def test_an_answer_is_kept_with_its_note_and_given_once(place: Place, chosen: str, words: str):
    path = asked(place)

    answers = [place.client.post(path, data={"answer": chosen, "note": note}) for note in ("visit on Friday", "again")]

    assert [(answer.status_code, answer.location) for answer in answers] == [(303, path)] * 2
    assert state(place) == (chosen, "visit on Friday")
    page = place.get(path).text
    assert words in page and "visit on Friday" in page and "<button" not in page
    with place.database.read() as tx:
        assert tx.run(sa.select(events.c.type).where(events.c.type.like("task_%"))).scalars().all() == [f"task_{chosen}"]


def test_who_answers_second_sees_how_it_stands(place: Place):
    path = asked(place)
    place.client.post(path, data={"answer": "not_needed", "note": "mine was first"})

    answer = place.client.post(path, data={"answer": "done"})

    assert answer.status_code == 409
    assert "Somebody answered before you" in answer.text and "mine was first" in answer.text
    assert state(place) == ("not_needed", "mine was first")


def test_a_task_whose_passage_ended_says_why_it_is_no_longer_needed(place: Place):
    path = asked(place)
    with place.database.write() as tx:
        leave(tx, [tx.run(sa.select(enrolments.c.id)).scalar_one()], reason="replied")

    late = place.client.post(path, data={"answer": "done"})

    assert late.status_code == 409 and "It was over before you answered." in late.text
    assert "No longer needed since" in place.get(path).text and "the lead replied" in place.get(path).text
    assert state(place)[0] == "dropped"


@pytest.mark.parametrize("answer", ["", "open", "accepted", "dropped"])
def test_an_answer_that_no_button_has_is_refused(place: Place, answer: str):
    path = asked(place)

    assert place.client.post(path, data={"answer": answer}).status_code == 400
    assert state(place)[0] == "open"


def test_the_link_of_a_hand_off_opens_no_task(place: Place):
    asked(place)

    assert place.get(f"/h/{TOKENS.seal_ask(Ask.HANDOFF, 1)}").status_code == 404


def test_who_asked_for_no_calls_is_not_offered_for_one(place: Place):
    page = place.get(asked(place, do_not_call=True)).text

    assert "Do not call" in page and "tel:" not in page
