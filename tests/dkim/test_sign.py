"""What we sign, dkimpy finds signed, by both ways of signing; and finds every change."""

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.deliver.attach import as_part
from engine.deliver.mime import write_message
from engine.dkim.key import DkimKey
from engine.dkim.sign import Signer
from engine.render.quoted import quote_piece
from engine.render.wire import WireParts
from tests.deliver.test_attach import an_attachment
from tests.dkim.keys import DOMAIN, an_ed25519_key, an_rsa_key, both_keys, verdicts
from tests.render.test_mime import HEADERS, PARTS

AT = datetime(2026, 11, 20, 9, 30, 15, tzinfo=UTC)
SIGNER = Signer(both_keys())
WORDS = st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=120)
BODIES = st.text(st.sampled_from("ab .=\té\r\n"), max_size=400)


def test_both_signatures_of_a_mail_are_found_good():
    signed = SIGNER.signed(write_message(HEADERS, PARTS), AT)

    assert verdicts(signed, *both_keys()) == [True, True]
    assert signed.endswith(write_message(HEADERS, PARTS))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(subject=WORDS, name=WORDS, text=BODIES, html=BODIES, file=st.binary(max_size=200), has_file=st.booleans())
def test_whatever_is_written_is_found_good(subject: str, name: str, text: str, html: str, file: bytes, has_file: bool):
    parts = WireParts(subject=subject, text_qp=quoted(text), html_qp=quoted(html))
    attached = [as_part(*an_attachment("a file.bin", file))] if has_file else []

    signed = SIGNER.signed(write_message(replace(HEADERS, sender_name=name), parts, attached), AT)

    assert verdicts(signed, *both_keys()) == [True, True]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_changed_byte_is_found(data: st.DataObject):
    message = write_message(HEADERS, PARTS)
    signed = SIGNER.signed(message, AT)
    begins = len(signed) - len(message)
    letters = [at for at in range(begins, len(signed)) if chr(signed[at]).isalnum() and not is_name(signed, at)]
    at = data.draw(st.sampled_from(letters))

    changed = signed[:at] + (b"#" if signed[at : at + 1] != b"#" else b"!") + signed[at + 1 :]

    assert verdicts(changed, *both_keys()) == [False, False]


def test_a_second_sender_above_the_first_is_found():
    signed = SIGNER.signed(write_message(HEADERS, PARTS), AT)

    assert verdicts(b"From: ceo@bank.example\r\n" + signed, *both_keys()) == [False, False]


def test_the_same_send_is_the_same_bytes():
    message = write_message(HEADERS, PARTS)

    assert SIGNER.signed(message, AT) == Signer(both_keys()).signed(message, AT)
    assert b"; t=1795167015;" in SIGNER.signed(message, AT)


def test_one_click_is_covered():
    signed = SIGNER.signed(write_message(HEADERS, PARTS), AT).replace(b"\r\n ", b"").decode()

    for name in ("from:from", "list-unsubscribe", "list-unsubscribe-post", "feedback-id", "message-id", "content-type"):
        assert re.search(f"[:=]{name}[:;]", signed), name
    assert "; l=" not in signed


def test_no_line_of_a_signature_is_long():
    head = SIGNER.signed(write_message(HEADERS, PARTS), AT).partition(b"From:")[0]

    assert max(map(len, head.split(b"\r\n"))) <= 78


@pytest.mark.parametrize("key", both_keys())
def test_another_key_of_the_same_name_is_not_enough(key: DkimKey):
    stranger = {"rsa": an_rsa_key, "ed25519": an_ed25519_key}[key.kind]("other.example")

    assert verdicts(Signer([replace(stranger, domain=DOMAIN, selector=key.selector)]).signed(A_MAIL, AT), key) == [False]


A_MAIL = write_message(HEADERS, PARTS)


def test_mail_of_another_domain_is_left_alone():
    message = write_message(replace(HEADERS, sender_address="dana@elsewhere.example"), PARTS)

    assert SIGNER.signed(message, AT) == message
    assert Signer().signed(A_MAIL, AT) == A_MAIL


def test_a_subdomain_is_signed_for_by_the_nearest_domain_that_has_keys():
    signer = Signer((*both_keys(), an_rsa_key("shop.clearroom.example")))

    assert signer.keys_for("news.Clearroom.example") == both_keys()
    assert [key.domain for key in signer.keys_for("a.shop.clearroom.example")] == ["shop.clearroom.example"]
    assert signer.keys_for("notclearroom.example") == signer.keys_for("example") == ()


def test_an_at_in_the_name_of_the_sender_is_not_its_domain():
    message = write_message(replace(HEADERS, sender_name="ceo@bank.example"), PARTS)

    assert verdicts(SIGNER.signed(message, AT), *both_keys()) == [True, True]


def quoted(text: str) -> bytes:
    return quote_piece("\r\n".join(text.splitlines())).encode("ascii")


def is_name(message: bytes, at: int) -> bool:
    """Whether this stands in a header's name, whose case does not count, or in one that is not signed."""
    line = message[message.rfind(b"\n", 0, at) + 1 : at + 1]
    return at < message.index(b"\r\n\r\n") and not line.startswith(b" ") and b":" not in line
