"""What is read out of a reply, and who wrote it."""

from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.inbound.parts import MOST_BYTES, Unreadable
from engine.inbound.replies import ParsedReply, parse_reply
from tests.inbound.mails import HALVES, ODD, SEND, SPELT, TOKENS, base64_part, crowded, nested, reply


def parsed(raw: bytes, **more: str) -> ParsedReply:
    found = parse_reply(raw, tokens=TOKENS, **more)
    assert isinstance(found, ParsedReply), found
    return found


def test_the_token_is_read_from_the_address_in_any_case():
    found = parsed(reply(), recipient=f"R+{SPELT.upper()}@mail.example")

    assert found.token == SEND


def test_the_token_is_read_from_the_message_that_is_answered():
    found = parsed(reply(references=f"<other@x.example> <{SPELT}@mail.example>"))

    assert found.token == SEND


def test_a_changed_token_is_no_token():
    changed = ("b" if SPELT[5] != "b" else "c").join((SPELT[:5], SPELT[6:]))

    found = parsed(reply(in_reply_to=f"<{changed}@mail.example>"), recipient=f"r+{changed}@mail.example")

    assert found.token is None


@pytest.mark.parametrize(
    "quoted",
    [
        "On Mon, 5 Jan 2026 at 10:00, Dana Whitfield <dana@clearroom.example> wrote:\n> Hello Maya",
        "On Mon, 5 Jan 2026 at 10:00, Dana Whitfield\n<r+abc@mail.example> wrote:\n\n> Hello Maya",
        "Am 05.01.2026 um 10:00 schrieb Dana Whitfield:\n> Hallo",
        "Le lun. 5 janv. 2026 à 10:00, Dana Whitfield <d@c.example> a écrit :\n> Bonjour",
        "El lun, 5 ene 2026 a las 10:00, Dana (<d@c.example>) escribió:\n> Hola",
        "-----Original Message-----\nFrom: Dana\nSent: Monday\n\nHello Maya",
        "________________________________\nFrom: Dana Whitfield <d@c.example>\nSent: Monday\nTo: Maya\n\nHello",
        "Von: Dana Whitfield <d@c.example>\nGesendet: Montag\nAn: Maya\n\nHallo",
        "*From:* Dana <d@c.example>\n*Sent:* Monday\n\nHello",
        "-- \nMaya Lindqvist\nHeadteacher",
        "> Hello Maya\n> how are you",
    ],
)
def test_quotations_and_signatures_are_left_out(quoted: str):
    found = parsed(reply(f"Yes please, on Tuesday.\n\n{quoted}\n"))

    assert found.text == "Yes please, on Tuesday."


def test_a_mail_that_seems_to_be_all_quotation_is_kept_whole():
    found = parsed(reply("> can you come on Tuesday?\n> yes\n"))

    assert "yes" in found.text


def test_an_html_reply_gives_its_words():
    html = (
        "<html><head><style>p {color: red}</style></head><body><!-- [if mso] x --><p>Please call me &amp; bring two</p>"
        '<div class="gmail_quote"><p>Hello Maya</p></div><blockquote>old</blockquote></body></html>'
    )

    found = parsed(b"From: a@b.example\nContent-Type: text/html; charset=utf-8\n\n" + html.encode())

    assert found.text == "Please call me & bring two"


def test_an_attachment_is_not_the_answer():
    message = EmailMessage()
    message["From"] = "a@b.example"
    message.set_content("The plan is attached.")
    message.add_attachment("room 12 is the worst", filename="plan.txt")

    assert parsed(bytes(message)).text == "The plan is attached."


@pytest.mark.parametrize("charset", ["iso-8859-1", "utf-8", "windows-1252", "utf-16", "koi8-r"])
def test_charsets_are_decoded(charset: str):
    word = "письмо" if charset == "koi8-r" else "Lüftung"

    assert parsed(base64_part(charset, word.encode(charset))).text == word


@pytest.mark.parametrize(("charset", "half"), HALVES.items())
def test_halves_of_letters_are_replaced(charset: str, half: bytes):
    assert parsed(base64_part(charset, b"Hello " + half)).text == "Hello ?"


def test_a_subject_in_a_charset_that_is_no_name_is_no_error():
    assert not parsed(reply().replace(b"Subject: ", b"Subject: =?\xc0?q?Yes?= ")).is_auto


@pytest.mark.parametrize("charset", ["no-such", "punycode", "zlib", '"\x00"', "utf-8*", "x; charset*=\"utf\x00-8''abc\""])
def test_a_strange_charset_is_no_error(charset: str):
    assert "Hello" in parsed(base64_part(charset, b"Hello")).text


@pytest.mark.parametrize("spelt", ["punycode!", "Puny-Code", '".idna"'])
def test_a_codec_that_takes_the_square_of_a_text_is_not_used_however_it_is_spelt(spelt: str):
    """The whole of such a part took minutes, in a transaction."""
    assert parsed(base64_part(spelt, b"a" * 100_000 + b"-" + b"bcdefghijk" * 16_000)).text.startswith("aaa")


def test_a_letter_by_a_number_of_thousands_of_digits_is_no_error():
    page = b"From: a@b.example\r\nContent-Type: text/html\r\n\r\n<p>Hello &#" + b"9" * 5_000 + b";</p>"

    assert parsed(page).text.startswith("Hello")


@pytest.mark.parametrize(
    "headers",
    [
        {"auto_submitted": "auto-replied"},
        {"auto_submitted": "auto-generated; owner-email=x"},
        {"precedence": "bulk"},
        {"precedence": "auto_reply"},
        {"x_autoreply": "yes"},
        {"return_path": "<>"},
        {"from": "MAILER-DAEMON@mx.example"},
        {"from": "No Reply <no-reply@shop.example>"},
        {"subject": "Automatic reply: Air in Room 12"},
        {"subject": "Out of Office: Air in Room 12"},
        {"subject": "Abwesenheitsnotiz: Luft"},
        {"subject": "Automatische Antwort: Luft"},
        {"subject": "Réponse automatique : Air"},
        {"subject": "Respuesta automática: Aire"},
        {"subject": "Risposta automatica: Aria"},
        {"subject": "Automatisch antwoord: Lucht"},
        {"subject": "Autosvar: Luft"},
        {"subject": "Automaattinen vastaus: Ilma"},
        {"subject": "Automatyczna odpowiedź: Powietrze"},
        {"subject": "Автоматический ответ: Воздух"},
        {"subject": "自动回复: 空气"},
        {"subject": "自動返信: 空気"},
        {"subject": "[Auto-Reply] Air"},
    ],
)
def test_a_machine_is_recognised(headers: dict[str, str]):
    assert parsed(reply("I am away until Monday.", **headers)).is_auto


def test_a_null_envelope_sender_is_a_machine():
    assert parsed(reply(), envelope_sender="").is_auto
    assert not parsed(reply(), envelope_sender="maya@school.example").is_auto


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"auto_submitted": "no"},
        {"subject": "Re: Automatic ventilation"},
        {"subject": "Re: How often is somebody out of the office?"},
        {"subject": "Automation of Room 12"},
        {"x_auto_response_suppress": "All"},
    ],
)
def test_a_person_is_not_taken_for_a_machine(headers: dict[str, str]):
    assert not parsed(reply(**headers)).is_auto


@pytest.mark.parametrize(
    "raw",
    [
        nested(2_000),
        nested(21),
        crowded(100_000),
        crowded(101),
        b"To: " + b"a@b.example, " * 8_000 + b"\r\n\r\nHi",
        b"x" * (MOST_BYTES + 1),
    ],
    ids=["2,000 levels", "21 levels", "100,000 parts", "101 parts", "104 kB of headers", "25 MB"],
)
def test_a_bomb_is_unreadable(raw: bytes):
    assert isinstance(parse_reply(raw, tokens=TOKENS), Unreadable)


@pytest.mark.parametrize(
    "raw",
    [
        b"From: a@b.example\n\n" + b"\n" * 200_000,
        b"From: a@b.example\n\n" + b"-" * 200_000,
        b"From: a@b.example\n\n" + b"> " * 100_000,
        b"From: a@b.example\n\n" + b"on " * 70_000,
        b"From: a@b.example\n\n" + (b"on " + b"x" * 297 + b"\n") * 600,
        b"From: a@b.example\nContent-Type: text/html\n\n" + b"<" * 200_000,
        b"From: a@b.example\nContent-Type: text/html\n\n" + b"<!--" * 50_000,
        b"From: a@b.example\nContent-Type: text/html\n\n" + b"<div class=gmail_quote>" * 9_000 + b"</p>" * 9_000,
        b"From: " + b"<" * 60_000 + b"\nSubject: " + b"=?a?q?" * 600 + b"\n\nHi",
        b"Content-Type: multipart/mixed; boundary=" + b'";' * 30_000 + b"\n\nHi",
        b"References: " + b"a" * 60_000 + b"\n\nHi",
    ],
    ids=[str(n) for n in range(11)],
)
def test_a_text_made_to_be_slow_is_read_all_the_same(raw: bytes):
    assert isinstance(parse_reply(raw, tokens=TOKENS), ParsedReply)


def test_a_boundary_that_begins_like_another_parts_only_its_own_level():
    raw = (
        b"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/alternative; boundary=bb\n\n"
        b"--bb\nContent-Type: text/plain\n\nfirst\n--bb\nContent-Type: text/html\n\n<p>second</p>\n--bb--\n--b--\n"
    )

    assert parsed(raw).text == "first"


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400) | st.sampled_from(ODD), st.sampled_from([nested(3), crowded(3), reply()]), st.integers(0, 200))
def test_no_bytes_make_it_raise(noise: bytes, mail: bytes, at: int):
    found = parse_reply(mail[:at] + noise + mail[at:], tokens=TOKENS)

    assert isinstance(found, ParsedReply | Unreadable)


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(codec="utf-8", categories=["L", "N"]), min_size=1, max_size=200))
def test_what_a_mail_program_writes_is_read_back(words: str):
    assert parsed(reply(words)).text == words
