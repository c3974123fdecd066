"""Whatever stands in a value or a setting, a mail is one message to one person with the headers that we meant.

`pytest tests/deliver/test_one_message.py --full -s` writes 50,000 mails, as docs/results/templates.md tells.
"""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from socket import create_server
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from engine.compiler.sender import Sender
from engine.deliver.heading import Spelt, headers_for
from engine.deliver.mime import write_message
from engine.deliver.smtp import open_wire
from engine.deliver.wire import Accepted, Flight, Wire
from engine.errors import RenderError
from engine.render.artifact import Artifact
from engine.render.context import values_for
from engine.render.fence import render_many
from engine.render.wire import WireParts, render
from engine.simulate.sink import EXTENSIONS, Sink, running

LINE_ENDS = ("\r", "\n", "\r\n", "\n\r", "\r\r\n", "\0", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029")
SMUGGLED = (
    "\n.\n", "\n.\r\n", "\r.\r", "\r.\r\n", "\r\n.\r", "\r\n.\n", "\r\n.\r\n", "\n\n.\r\n", "\r\n\0.\r\n", "\r\n.\0\r\n", 
    "\r\n..\r\n", "\r\n. \r\n",
)  # fmt: skip
FURTHER = (
    "Bcc: victim@evil.example", "From: boss@evil.example", ": nothing",
    "Content-Type: text/html\r\n\r\n<script>alert(1)</script>",
    "MAIL FROM:<a@evil.example>\r\nRCPT TO:<victim@evil.example>\r\nDATA\r\nSubject: second\r\n\r\nx", " folded", "\tfolded",
    ".", "",
    "--=_0123456789abcdef0123456789abcdef\r\nContent-Type: text/html", "=?utf-8?q?=0D=0ABcc:_v=40evil.example?=", "=0D=0ABcc: x",
)  # fmt: skip
INNOCENT = {
    "name": "Ada", "company": "Mill Lane", "note": "", "number": "A-1", "offer": "Filters", "phone": "1",
    "site": "https://fern.example/a", "brand": "Fern", "rep name": "Dana", "rep address": "dana@fern.example",
    "sender name": "Fern", "sender address": "hi@fern.example", "recipient": "ada@mail.example", "topic": "lessons",
    "domain": "reply.fern.example", "public url": "https://t.fern.example",
    "token": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
}  # fmt: skip
MAIL = Artifact(
    email="lesson",
    brand="fern",
    stream="marketing",
    sender=Sender(name="", address=""),
    subject="{{ lead.name }}, {{ lead.company }}: {{ event.number }} {{ brand.name }}",
    preheader="",
    html=(
        '<p title="{{ lead.name }}">{{ lead.company }}</p><b>{{ lead.note }}</b>{{ event.number }}{{ offer.title }}'
        "{{ rep.name }}{{ rep.phone }}"
        '<a href="{{ track }}/p/{{ token }}/0/{{ seal(lead.site) }}">a</a>{{ brand.name }}\n'
    ),
    text="{{ lead.name }}\n{{ lead.company }}\n{{ lead.note }}\n"
    "{{ event.number }} {{ offer.title }} {{ rep.phone }} {{ track }}/c/{{ token }}/0\n",
    links=(),
)  # fmt: skip
HEADERS = [
    "From", "To", "Subject", "Date", "Message-ID", "Reply-To", "List-Unsubscribe", "List-Unsubscribe-Post", "List-Id",
    "MIME-Version", "Content-Type",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One mail of which some values are an attack. `is_rep`: it is from the lead's rep."""

    values: dict[str, str]
    is_rep: bool

    def print_with(self) -> dict[str, Any]:
        said = self.values
        return values_for(
            lead={"name": said["name"], "company": said["company"], "note": said["note"], "site": said["site"]},
            brand={"name": said["brand"]},
            rep={"name": said["rep name"], "email": said["rep address"], "phone": said["phone"]},
            event={"number": said["number"]},
            offer={"title": said["offer"]},
            track=said["public url"],
            token=said["token"],
            seal=lambda address: address.encode().hex(),
        )

    def message(self, parts: WireParts) -> bytes:
        """Raises ValueError."""
        said = self.values
        headers = headers_for(
            Sender(name=said["sender name"], address=said["sender address"], is_rep=self.is_rep),
            Spelt(in_url=said["token"], in_address="aaaaaaaabbbbbbbb"),
            rep={"name": said["rep name"], "email": said["rep address"]},
            recipient=said["recipient"],
            date=datetime(2027, 3, 1, 9, 0, tzinfo=UTC),
            is_marketing=True,
            topic=said["topic"],
            public_url=said["public url"],
            domain=said["domain"],
        )
        return write_message(headers, parts)


def test_a_mail_is_one_message_with_the_headers_that_we_meant(pytestconfig: pytest.Config) -> None:
    is_full = pytestconfig.getoption("--full")
    cases = list(attacks(50_000 if is_full else 600, seed=1))
    ended: Counter[str] = Counter()

    with servers() as wires:
        for some in (cases[at : at + 500] for at in range(0, len(cases), 500)):
            written = [(case, message) for case, message in zip(some, messages(some), strict=True) if message is not None]
            for case, message in written:
                judge(case, message)
            ended += Counter(written=len(written), refused=len(some) - len(written))
            ended["flown"] += fly(wires, [message for _case, message in (written if is_full else written[:20])])

    print(f"\n{len(cases)} mails: {dict(ended)}; every one that was written is one message with the headers meant")
    assert ended["written"] > len(cases) / 3 < ended["refused"] * 3


LONG_LINES = {"full": sorted(INNOCENT), "quick": ["company", "note", "sender name", "recipient"]}


def test_a_line_of_megabytes_is_refused_or_folded(pytestconfig: pytest.Config) -> None:
    """Of 10 MB and of 100 KB, with and without line ends in it. What is too long for a mail is refused, not cut."""
    hit = LONG_LINES["full" if pytestconfig.getoption("--full") else "quick"]
    fillings = ["x" * 10_000_000, "wörd\r\n.\r\n\0" * 900_000, "x" * 100_000, "a\r\n.\r\n\u2028" * 10_000]
    cases = [Case(values=INNOCENT | {name: filling}, is_rep=False) for name in hit for filling in fillings]

    written = [(case, message) for case in cases for message in messages([case]) if message is not None]

    for case, message in written:
        judge(case, message)
    with servers() as wires:
        assert fly(wires, [message for _case, message in written]) == len(written) > len(hit) / 2


def attacks(how_many: int, seed: int) -> Iterator[Case]:
    """Each field with each sequence by turns, then more fields at once, as drawn."""
    drawn = random.Random(seed)
    fields = list(INNOCENT)
    for number in range(how_many):
        hit = {fields[number % len(fields)]} | (set(drawn.sample(fields, 2)) if number % 5 == 0 else set())
        yield Case(values=INNOCENT | {name: spoilt(INNOCENT[name], drawn) for name in hit}, is_rep=number % 2 == 0)


def spoilt(innocent: str, drawn: random.Random) -> str:
    sequence = drawn.choice(LINE_ENDS + SMUGGLED) + drawn.choice(FURTHER)
    at = drawn.randint(0, len(innocent))
    filling = drawn.choice(("", "", "", "x" * 1_200, "wörd " * 300, "=" * 200))
    return innocent[:at] + filling + sequence + drawn.choice(("", sequence)) + innocent[at:]


def messages(cases: Sequence[Case]) -> Iterator[bytes | None]:
    """None: refused."""
    for case, parts in zip(cases, render_many([(MAIL, case.print_with()) for case in cases]), strict=True):
        try:
            yield None if isinstance(parts, RenderError) else case.message(parts)
        except ValueError:
            yield None


def judge(case: Case, message: bytes) -> None:
    """By its bytes, by a strict reader and by one that takes anything for the end of a line."""
    lines = message.split(b"\r\n")
    assert message.isascii()
    assert not any(b"\r" in line or b"\n" in line or b"\0" in line or len(line) > 998 or line.startswith(b".") for line in lines)
    assert len(message.decode().splitlines()) == len(lines) - 1
    strict = message_from_bytes(message, policy=policy.default)
    assert isinstance(strict, EmailMessage)
    assert not strict.defects and not any(part.defects for part in strict.walk())
    lenient = message_from_bytes(b"\n".join(message.splitlines()), policy=policy.compat32)
    assert strict.keys() == lenient.keys() == HEADERS
    assert [part.get_content_type() for part in lenient.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    judge_values(case, strict)


def judge_values(case: Case, message: EmailMessage) -> None:
    meant = render(MAIL, case.print_with())
    sender = ("rep name", "rep address") if case.is_rep else ("sender name", "sender address")
    assert str(message["Subject"]) == meant.subject
    assert [address.addr_spec for address in message["From"].addresses] == [case.values[sender[1]]]
    # Python's reader puts blanks between the encoded words of a name.
    assert "".join(message["From"].addresses[0].display_name.split()) == "".join(case.values[sender[0]].split())
    assert str(message["To"]) == case.values["recipient"]
    assert body(message, "plain") == meant.text.removesuffix("\n")
    assert body(message, "html") == meant.html.removesuffix("\n")
    assert meant.html.count("<") == render(MAIL, Case(values=INNOCENT, is_rep=False).print_with()).html.count("<")


def body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


Kept = list[tuple[str, tuple[str, ...], bytes]]
Wires = list[tuple[Wire, Kept]]


def fly(wires: Wires, whole: Sequence[bytes]) -> int:
    """To each of the servers: as many mails as were sent, unchanged. Returns how many."""
    flights = [
        Flight(send_id=number, envelope_from="b+a@reply.fern.example", recipient="ada@mail.example", message=message)
        for number, message in enumerate(whole)
    ]
    for wire, kept in wires:
        outcomes = wire.fly(flights, lambda _ids: set())
        assert all(isinstance(outcome, Accepted) for outcome in outcomes)
        assert sorted(kept) == sorted(("b+a@reply.fern.example", ("ada@mail.example",), message) for message in whole)
        kept.clear()
    return len(whole)


@contextmanager
def servers() -> Iterator[Wires]:
    """One that takes line ends as they are written, by DATA and by BDAT, and Python's."""
    with ExitStack() as stack:
        wires = []
        for server in (our_sink(EXTENSIONS), our_sink((*EXTENSIONS, "CHUNKING")), aiosmtpd_server()):
            url, kept = stack.enter_context(server)
            wires.append((stack.enter_context(closing(open_wire(url))), kept))
        yield wires


@contextmanager
def our_sink(extensions: tuple[str, ...]) -> Iterator[tuple[str, Kept]]:
    kept: Kept = []
    keep = lambda sender, recipient, content: kept.append((sender, (recipient,), content))  # noqa: E731
    with running(Sink(extensions=extensions, on_message=keep)) as sink:
        yield sink.url, kept


class Keeper:
    def __init__(self) -> None:
        self.kept: Kept = []

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        self.kept.append((envelope.mail_from or "", tuple(envelope.rcpt_tos), envelope.content))
        return "250 OK"


@contextmanager
def aiosmtpd_server() -> Iterator[tuple[str, Kept]]:
    with create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(keeper := Keeper(), hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield f"smtp://127.0.0.1:{port}?tls=none", keeper.kept
    finally:
        controller.stop()
