"""What is read out of a report, and when it is for good."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.inbound.bounces import ParsedBounce, parse_bounce
from engine.inbound.parts import Unreadable
from tests.inbound.mails import HALF, HALVES, ODD, SEND, SPELT, TOKENS, bounce, complaint, crowded, nested, reply, report_in


def parsed(raw: bytes, **more: str) -> ParsedBounce:
    found = parse_bounce(raw, tokens=TOKENS, **more)
    assert isinstance(found, ParsedBounce), found
    return found


def test_a_missing_mailbox_is_for_good():
    found = parsed(bounce(), recipient=f"b+{SPELT}@mail.example")

    assert (found.token, found.permanent, found.complaint, found.status) == (SEND, True, False, "5.1.1")
    assert "User unknown" in found.diagnostic


def test_the_token_is_found_in_the_mail_that_comes_back():
    assert parsed(bounce()).token == SEND
    assert parsed(complaint()).token == SEND


def test_without_a_token_of_ours_a_report_names_nothing():
    assert parsed(bounce().replace(SPELT.encode(), b"a" * 61)).token is None


@pytest.mark.parametrize(
    ("status", "diagnostic", "permanent"),
    [
        ("5.1.1", "smtp; 550 no", True),
        ("5.1.10", "smtp; 550 5.1.10 RESOLVER.ADR.RecipientNotFound", True),
        ("5.4.4", "unable to look up host", True),
        ("5.0.0", "smtp; 550 5.1.1 sorry, no mailbox here by that name", True),
        ("5.0.0", "smtp; 550 User unknown", True),
        ("5.0.0", "smtp; 550 rejected", False),
        ("5.2.2", "smtp; 552 5.2.2 mailbox full", False),
        ("5.7.1", "smtp; 550 5.7.1 user unknown to our spam filter", False),
        ("5.7.26", "smtp; 550 unauthenticated", False),
        ("5.5.2", "smtp; 500 syntax", False),
        ("4.4.7", "smtp; 451 delivery time expired", False),
        ("nonsense", "", False),
    ],
)
def test_only_a_mailbox_that_is_no_more_is_for_good(status: str, diagnostic: str, permanent: bool):
    assert parsed(bounce(status, diagnostic)).permanent is permanent


@pytest.mark.parametrize("action", ["delayed", "delivered", "relayed", "expanded"])
def test_a_note_of_delay_or_success_is_no_bounce(action: str):
    assert parse_bounce(bounce("4.0.0" if action == "delayed" else "2.0.0", "", action), tokens=TOKENS) is None


def test_a_complaint_is_a_complaint():
    found = parsed(complaint())

    assert found.complaint
    assert found.diagnostic == "abuse"


def test_a_reply_is_no_bounce():
    assert parse_bounce(reply(), tokens=TOKENS, recipient=f"r+{SPELT}@mail.example") is None


def test_a_bounce_in_prose_is_read_by_its_words():
    qmail = reply(
        "Hi. This is the qmail-send program at mx.example.\nI'm afraid I wasn't able to deliver your message.\n\n"
        "<maya@school.example>:\nRemote host said: 550 5.1.1 no such user\n",
        **{"from": "MAILER-DAEMON@mx.example", "subject": "failure notice"},
    )

    assert parsed(qmail, recipient=f"b+{SPELT}@mail.example").permanent


def test_a_person_who_writes_of_failure_is_no_bounce():
    mail = reply("The delivery failed, 5.1.1 filters were missing.", subject="Undeliverable parcels")

    assert parse_bounce(mail, tokens=TOKENS, recipient=f"b+{SPELT}@mail.example") is None


def test_a_diagnostic_is_short_and_has_no_control_characters():
    found = parsed(bounce(diagnostic="smtp; 550 \x1b[2J<script>" + "x" * 2_000))

    assert len(found.diagnostic) <= 500
    assert found.diagnostic.isprintable()


@pytest.mark.parametrize("raw", [nested(2_000), crowded(100_000)])
def test_a_bomb_is_unreadable(raw: bytes):
    assert isinstance(parse_bounce(raw, tokens=TOKENS), Unreadable)


@pytest.mark.parametrize(("charset", "half"), HALVES.items())
def test_a_charset_that_makes_halves_of_letters_spoils_no_report(charset: str, half: bytes):
    end = b"\\n" if charset == "unicode_escape" else b"\n"
    failed = end.join((b"Action: failed", b"Status: 5.1.1", b"Diagnostic-Code: smtp; 550 who? " + half))

    found = parsed(report_in(charset, failed))
    complained = parsed(report_in(charset, b"Feedback-Type: abuse " + half, "feedback-report"))

    assert (found.status, found.permanent) == ("5.1.1", True)
    assert complained.complaint
    assert HALF not in found.diagnostic + complained.diagnostic


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200) | st.sampled_from(ODD), st.sampled_from([bounce(), complaint()]), st.integers(0, 900))
def test_no_bytes_make_it_raise(noise: bytes, mail: bytes, at: int):
    found = parse_bounce(mail[:at] + noise + mail[at + len(noise) :], tokens=TOKENS)

    assert found is None or isinstance(found, ParsedBounce | Unreadable)
