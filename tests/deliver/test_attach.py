"""Files that go with mails, byte for byte, under the names they have, read back by Python's own parser."""

import email
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import default
from hashlib import sha256
from pathlib import Path
from typing import cast

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.compiler.attachment import Attachment
from engine.database import Database
from engine.deliver.attach import as_part
from engine.deliver.files import Parts
from engine.deliver.mime import MessageHeaders, write_message
from engine.deliver.send import MOST_WRITTEN, within_memory
from engine.files import read_file, write_files
from engine.render.wire import WireParts
from engine.schema import files
from engine.simulate.sink import Sink
from tests.deliver.given import ALWAYS, a_cadence, add_cadence, add_mail, add_workspace, deliver_begun, runtime_over, send_of

HEADERS = MessageHeaders(
    sender_name="Clearroom", sender_address="hello@clearroom.example", recipient="ada@example.com",
    date=datetime(2026, 1, 5, tzinfo=UTC), message_id="a.b@clearroom.example",
)  # fmt: skip
PARTS = WireParts(subject="A guide", text_qp=b"Here it is.\r\n", html_qp=b"<p>Here it is.</p>\r\n")
NAMES = [
    "guide.pdf", "my guide (final).pdf", 'a "quoted" name.pdf', "back\\slash.pdf", "semi;colon=equals,comma.pdf", "100%.pdf",
    "Führer für Räume.pdf", "二酸化炭素の手引き.pdf", "🌬️ air.pdf", "=?utf-8?b?ZXZpbA==?=.pdf", "utf-8''evil.pdf",
    "ü" * 120 + ".pdf", "long " * 40 + ".pdf", "trailing .pdf",
]  # fmt: skip

# Python's parser takes brackets and quotes around a whole name for marks and strips them.
LETTERS = st.characters(codec="utf-8", exclude_categories=("C", "Z"))
ANY_NAME = st.text(LETTERS, min_size=1).filter(lambda name: name[0] not in '<"')


@pytest.mark.parametrize("name", NAMES)
def test_a_file_arrives_under_its_name(name: str):
    (found,) = attached(message_with(an_attachment(name, b"content")))

    assert (found.get_filename(), found.get_content_type(), found.get_content_disposition()) == (
        name, "application/pdf", "attachment",
    )  # fmt: skip
    assert found.get_payload(decode=True) == b"content"


@pytest.mark.parametrize("name", ["a\r\nBcc: victim@example.com.pdf", "a\nb.pdf", "a\x00b.pdf", "a\x85b.pdf", "a\u2028b.pdf"])
def test_a_name_that_could_begin_another_header_is_refused(name: str):
    with pytest.raises(ValueError, match="control character"):
        as_part(an_attachment(name, b"")[0], b"")


def test_a_type_that_could_begin_another_header_is_refused():
    with pytest.raises(ValueError, match="type of a file"):
        as_part(replace(an_attachment("a.pdf", b"")[0], media_type="text/plain\r\nBcc: x"), b"")


@settings(max_examples=60, deadline=None)
@given(content=st.binary(max_size=2_000), name=ANY_NAME)
def test_any_bytes_arrive_as_they_are_under_any_name(content: bytes, name: str):
    (found,) = attached(message_with(an_attachment(name, content)))

    assert found.get_payload(decode=True) == content
    assert found.get_filename() == name


def test_a_message_with_files_keeps_its_lines_and_its_two_texts():
    content = random.Random(1).randbytes(200_000)
    raw = message_with(an_attachment("one.pdf", content), an_attachment("zwei ü.pdf", b"two"))

    parsed = parse(raw)

    assert parsed.get_content_type() == "multipart/mixed"
    assert cast(EmailMessage, parsed.get_body(("plain",))).get_content().strip() == "Here it is."
    assert cast(EmailMessage, parsed.get_body(("html",))).get_content().strip() == "<p>Here it is.</p>"
    assert [found.get_filename() for found in attached(raw)] == ["one.pdf", "zwei ü.pdf"]
    assert attached(raw)[0].get_payload(decode=True) == content
    assert max(map(len, as_part(*an_attachment("one.pdf", content)).split(b"\r\n"))) == 76
    assert raw.count(b"\n") == raw.count(b"\r\n") == raw.count(b"\r")
    assert not parsed.defects and not any(part.defects for part in parsed.walk())


def test_without_files_a_message_is_what_it_was():
    assert parse(write_message(HEADERS, PARTS)).get_content_type() == "multipart/alternative"


def test_parts_that_are_kept_make_room_for_others():
    kept = Parts(1_000)
    for number in range(5):
        kept.keep(an_attachment(f"{number}.pdf", b"")[0], b"x" * 400)

    assert [kept.get(an_attachment(f"{number}.pdf", b"")[0]) is not None for number in range(5)] == [False] * 3 + [True] * 2


@pytest.mark.both_databases
def test_files_are_kept_once_by_their_digest(database: Database):
    content = random.Random(2).randbytes(10_000)
    digest = sha256(content).hexdigest()
    for _time in range(2):
        with database.write() as tx:
            write_files(tx, {digest: content})

    with database.read() as tx:
        assert read_file(tx, digest) == content and read_file(tx, "0" * 64) is None
        assert len(tx.run(sa.select(files)).all()) == 1


@pytest.mark.both_databases
def test_a_mail_goes_out_with_its_file_and_not_without(database: Database, tmp_path: Path):
    there, missing = an_attachment("guide ü.pdf", b"%PDF-1.7 guide"), an_attachment("gone.pdf", b"never applied")
    arrived: list[bytes] = []
    with database.write() as tx:
        add_workspace(tx)
        write_files(tx, {there[0].digest: there[1]})
        claims = []
        for number, (attachment, _content) in enumerate((there, missing)):
            plan = a_cadence(ALWAYS)
            steps = (replace(plan.steps[0], attach=(attachment,)), *plan.steps[1:])
            claims.append(add_mail(tx, add_cadence(tx, replace(plan, name=f"with-files-{number}", steps=steps))))

    with runtime_over(database, Sink(on_message=lambda _from, _to, message: arrived.append(message)), tmp_path) as runtime:
        deliver_begun(runtime, claims)

    ((found,),) = [attached(message) for message in arrived]
    assert (found.get_filename(), found.get_payload(decode=True)) == ("guide ü.pdf", b"%PDF-1.7 guide")
    assert [send_of(database, claim[0]).state for claim in claims] == ["accepted", "cancelled"]
    assert send_of(database, claims[1][0]).reason == "template_error"


def test_large_files_are_not_all_written_at_once():
    large, small = (HasFiles((b"x" * (MOST_WRITTEN // 3),)), HasFiles(()))

    assert [len(some) for some in within_memory([large] * 7)] == [3, 3, 1]  # type: ignore[list-item]
    assert [len(some) for some in within_memory([small] * 50)] == [50]  # type: ignore[list-item]
    assert [len(some) for some in within_memory([small] * 90)] == [45, 45]  # type: ignore[list-item]


class HasFiles:
    """As much of a loaded send as is asked there."""

    def __init__(self, attached: tuple[bytes, ...]) -> None:
        self.size_of_files = sum(map(len, attached))


def an_attachment(name: str, content: bytes) -> tuple[Attachment, bytes]:
    digest = sha256(content).hexdigest()
    return Attachment(file=name, media_type="application/pdf", size=len(content), digest=digest), content


def message_with(*attachments: tuple[Attachment, bytes]) -> bytes:
    return write_message(HEADERS, PARTS, [as_part(*each) for each in attachments])


def attached(raw: bytes) -> Sequence[EmailMessage]:
    return [cast(EmailMessage, part) for part in parse(raw).iter_attachments()]


def parse(raw: bytes) -> EmailMessage:
    return cast(EmailMessage, email.message_from_bytes(raw, policy=default))
