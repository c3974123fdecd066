"""The main job, as a user sees it: real processes, real SMTP both ways, and a raised hand in the rep's mailbox at the end."""

import time
from email.message import EmailMessage
from pathlib import Path
from urllib.request import HTTPRedirectHandler, Request, build_opener

from tests.live.place import BROWSER, MAYA, Live, live_product, until

PERSONAL = ("maya", "school.example", "try three", "jonas", "clearroom.example")  # no log at DEBUG repeats it
TOO_SOON_FOR_A_PERSON = 6  # seconds: what clicks within five of the acceptance is a machine


def test_a_lead_who_clicks_and_answers_is_handed_to_sales(tmp_path: Path) -> None:
    with live_product(tmp_path) as live:
        live.handraiser("enrol", "new-enquiry", "--lead", MAYA["email"])
        letter = live.mail(MAYA["email"])
        target = click_a_link(letter)
        live.answer_by_mail(letter, "Could we try three of them?\n\nMaya\n\n> Which room makes people yawn?\n")
        until(lambda: live.knows("clicked") and live.knows("replied"))
        live.post_event("form-1", {"type": "form_submitted", "lead": {"email": MAYA["email"]}, "data": {"form": "prices"}})
        notice = live.mail("jonas@clearroom.example")
        answer(notice, "accepted")
        story = live.handraiser("explain", MAYA["email"])

    assert target == "https://www.clearroom.example"
    assert words(notice).index("sent the form “prices”") < words(notice).index("Could we try three of them?")
    assert "makes people yawn?" not in words(notice)
    assert "left: the lead replied" in story
    assert "hand-off 1 to Jonas Albers: accepted" in story
    assert_nothing_more_came(live)
    assert [word for word in PERSONAL if word in live.logs().lower()] == []


def click_a_link(letter: EmailMessage) -> str:
    """Follow the first link, as late as a person does; returns where it leads, without going there."""
    time.sleep(TOO_SOON_FOR_A_PERSON)
    link = next(word.strip("<>") for word in words(letter).split() if "/c/" in word)
    with build_opener(StandStill).open(Request(link, headers={"User-Agent": BROWSER}), timeout=15) as found:
        return str(found.headers["Location"])


class StandStill(HTTPRedirectHandler):
    def http_error_302(self, request, answer, code, message, headers):  # type: ignore[no-untyped-def]
        return answer


def answer(notice: EmailMessage, chosen: str) -> None:
    page = next(word for word in words(notice).split() if "/h/" in word)
    with build_opener().open(Request(page, f"answer={chosen}".encode(), {"User-Agent": BROWSER}), timeout=15) as found:
        assert "Taken" in found.read().decode()


def words(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def assert_nothing_more_came(live: Live) -> None:
    assert [mail["To"] for mail in live.arrived] == [MAYA["email"], "jonas@clearroom.example"]
