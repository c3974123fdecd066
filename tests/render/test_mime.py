"""A message we write is read back by Python's two parsers as what we meant, and its bytes keep the rules."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import compat32, default

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.deliver.mime import MessageHeaders, write_message
from engine.render.wire import WireParts, render, render_wire
from tests.render.test_wire import ARTIFACT, HOSTILE, TEXTS, values

HEADERS = MessageHeaders(
    sender_name="Dana Whitfield",
    sender_address="dana@clearroom.example",
    recipient="maya@fernhill.example",
    date=datetime(2027, 3, 1, 9, 0, tzinfo=UTC),
    message_id="send.123.abc@clearroom.example",
    reply_to="reply+aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@clearroom.example",
    one_click_url="https://t.clearroom.example/u/AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
    unsubscribe_mailto="mailto:stop+aaaaaaaa@clearroom.example?subject=unsubscribe",
    list_id="air-lessons.clearroom.example",
    feedback_id="enquiry-01:air-lessons:marketing:clearroom",
)
PARTS = WireParts(subject="Hello", text_qp=b"Hello=20\r\n", html_qp=b"<p>Hello</p>=\r\n")
ASCII_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_"
PRINTABLE = st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=200)


def parsed(message: bytes) -> EmailMessage:
    read = message_from_bytes(message, policy=default)
    assert isinstance(read, EmailMessage)
    assert not read.defects and not any(part.defects for part in read.walk())
    return read


def body_of(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def keeps_the_rules(message: bytes) -> bool:
    lines = message.split(b"\r\n")
    return message.isascii() and all(len(line) <= 998 and not re.search(rb"[\r\n\0]", line) for line in lines)


def test_every_header_is_read_back_as_it_was_meant():
    message = parsed(write_message(HEADERS, PARTS))

    assert message["From"].addresses == (Address("Dana Whitfield", "dana", "clearroom.example"),)
    assert message["To"] == "maya@fernhill.example"
    assert message["Date"].datetime == HEADERS.date
    assert message["Message-ID"] == "<send.123.abc@clearroom.example>"
    assert message["Reply-To"] == HEADERS.reply_to
    assert message["List-Id"] == "<air-lessons.clearroom.example>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["Feedback-ID"] == "enquiry-01:air-lessons:marketing:clearroom"
    assert message["MIME-Version"] == "1.0"
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]


@given(st.text(ASCII_DIGITS, min_size=40, max_size=900))
def test_the_way_out_stands_in_the_header_as_it_is(token):
    url = f"https://t.example/{token}"[:900]
    written = write_message(replace(HEADERS, one_click_url=url), PARTS)

    raw = message_from_bytes(written, policy=compat32)["List-Unsubscribe"]

    assert re.findall(r"<([^>]*)>", raw) == [url, HEADERS.unsubscribe_mailto]
    assert f"List-Unsubscribe: <{url}>,\r\n <mailto:".encode() in written
    assert keeps_the_rules(written)


@settings(max_examples=200, deadline=None)
@given(name=TEXTS, company=st.none() | TEXTS, items=st.lists(TEXTS, max_size=3))
@example(name=HOSTILE[10], company=HOSTILE[5], items=HOSTILE)
def test_whatever_a_lead_holds_the_mail_arrives_as_rendered(name, company, items):
    person = values(name=name, company=company, items=items)

    written = write_message(HEADERS, render_wire(ARTIFACT, person))

    plain, message = render(ARTIFACT, person), parsed(written)
    assert body_of(message, "html") == plain.html.removesuffix("\n")
    assert body_of(message, "plain") == plain.text.removesuffix("\n")
    assert sorted(message.keys()) == sorted(parsed(write_message(HEADERS, PARTS)).keys())
    assert keeps_the_rules(written)


@settings(max_examples=300, deadline=None)
@given(subject=PRINTABLE.map(lambda text: " ".join(text.split())))
@example(subject="a" * 300)
@example(subject="word " * 60 + "end")
@example(subject="=?utf-8?b?SGVsbG8=?= is not ours")
@example(subject="Grüße aus Köln, " * 15)
@example(subject="🤷🏽‍♀️" * 40)
@example(subject="שלום עולם")
@example(subject="")
def test_any_subject_is_read_back_whole(subject):
    written = write_message(HEADERS, replace(PARTS, subject=subject))

    assert str(parsed(written)["Subject"]) == subject
    assert keeps_the_rules(written)


@given(subject=st.text(st.characters(min_codepoint=0xA1, exclude_categories=("Cs",)), min_size=30, max_size=200))
def test_encoded_words_are_short_and_parted_by_a_fold(subject):
    written = write_message(HEADERS, replace(PARTS, subject=subject))

    lines = written[written.index(b"Subject:") : written.index(b"\r\nDate:")].split(b"\r\n")
    assert all(len(line) <= 76 and line.count(b"=?utf-8?b?") == 1 for line in lines)


@settings(max_examples=200, deadline=None)
@given(name=PRINTABLE.map(str.strip).filter(bool))
@example(name='Dana "D." Whitfield, Clearroom')
@example(name="back\\slash")
@example(name="Zoë Größe")
@example(name="a" * 200)
@example(name="=?utf-8?q?x?=")
@example(name="<script>@")
def test_any_sender_name_is_read_back_and_is_one_sender(name):
    written = write_message(replace(HEADERS, sender_name=name), PARTS)

    header = parsed(written)["From"]
    assert [sender.addr_spec for sender in header.addresses] == ["dana@clearroom.example"]
    assert "".join(header.addresses[0].display_name.split()) == "".join(name.split())
    assert keeps_the_rules(written)


CONTROL = ["\r", "\n", "\r\nBcc: x@y.example", "\0", "\x1b", "\x7f", "\x85", "\v"]


@pytest.mark.parametrize("control", CONTROL)
@pytest.mark.parametrize(
    "field",
    ["sender_name", "sender_address", "recipient", "message_id", "reply_to", "one_click_url", "unsubscribe_mailto", "list_id",
     "feedback_id"],
)  # fmt: skip
def test_a_control_character_in_a_header_is_refused(field, control):
    for value in (f"{getattr(HEADERS, field)}{control}", f"{control}{getattr(HEADERS, field)}"):
        with pytest.raises(ValueError):
            write_message(replace(HEADERS, **{field: value}), PARTS)


@pytest.mark.parametrize("control", CONTROL)
def test_a_control_character_in_the_subject_is_refused(control):
    with pytest.raises(ValueError):
        write_message(HEADERS, replace(PARTS, subject=f"a{control}b"))


@pytest.mark.parametrize(
    "recipient",
    ["", "maya", "@x.example", "maya@", "ma ya@x.example", "zoë@x.example", "a@b@x.example", "<a@x.example>",
     "a@x.example, b@y.example", '"a b"@x.example', "a@-x.example", "a@x..example", "a" * 65 + "@x.example", "a@" + "b" * 260,
     "a@x.example>", "a@[127.0.0.1]",
     "a@x.example\u2028", "a@🤷.example\u0000"],
)  # fmt: skip
def test_an_address_that_cannot_be_written_to_is_refused(recipient):
    with pytest.raises(ValueError):
        write_message(replace(HEADERS, recipient=recipient), PARTS)


def test_a_domain_of_other_letters_is_written_in_ascii():
    written = write_message(replace(HEADERS, recipient="info@bücher.example"), PARTS)

    assert b"To: info@xn--bcher-kva.example\r\n" in written


def test_a_carriers_odd_dots_are_put_in_quotes():
    written = write_message(replace(HEADERS, recipient="a..b.@docomo.example"), PARTS)

    assert b'To: "a..b."@docomo.example\r\n' in written


@pytest.mark.parametrize(
    "url", ["http://t.example/u/x", "https://", "javascript:x", "https://t.example/>,<mailto:x", "https://t.example/ x"]
)
def test_a_way_out_that_is_not_https_is_refused(url):
    with pytest.raises(ValueError):
        write_message(replace(HEADERS, one_click_url=url), PARTS)


def test_a_transactional_mail_has_no_list_headers_and_says_that_a_machine_sent_it():
    headers = replace(HEADERS, one_click_url=None, unsubscribe_mailto=None, list_id=None, feedback_id=None, auto_submitted=True)

    message = parsed(write_message(headers, PARTS))

    assert message["Auto-Submitted"] == "auto-generated"
    assert not [name for name in message if name.startswith("List-")]


def test_the_same_input_is_the_same_bytes_and_another_mail_has_another_boundary():
    first, second = write_message(HEADERS, PARTS), write_message(HEADERS, PARTS)
    other = write_message(replace(HEADERS, message_id="other@clearroom.example"), PARTS)

    assert first == second
    assert parsed(first).get_boundary() != parsed(other).get_boundary()


def test_no_body_ends_in_a_soft_line_end():
    written = write_message(HEADERS, PARTS)

    assert b"=\r\n--" not in written
    assert body_of(parsed(written), "html") == "<p>Hello</p>"
