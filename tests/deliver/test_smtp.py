"""The real wire against the sink over real sockets: every fault at every phase becomes the right outcome."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope

from engine.deliver.channel import Reply, ReplyReader, Timeouts
from engine.deliver.pool import Reuse
from engine.deliver.smtp import open_wire, relay_of
from engine.deliver.wire import Accepted, Deferred, Flight, NotBegun, Outcome, Stopped
from engine.errors import SettingsError
from engine.simulate.sink import EXTENSIONS, Sink, running
from engine.simulate.sink_rules import Fault, Phase, Rule
from engine.vocabulary import SmtpPhase
from tests.deliver.certificates import certificate_for, server_tls
from tests.deliver.wires import BODY, CHUNKING, SHORT, STEP_BY_STEP, flight, fly, kinds, nobody, wire_to
from tests.services.ports import free_port

WAYS = pytest.mark.parametrize("extensions", [EXTENSIONS, STEP_BY_STEP, CHUNKING], ids=["pipelined", "step by step", "by chunks"])


@WAYS
def test_a_batch_arrives_whole_and_in_order(extensions: tuple[str, ...]) -> None:
    kept: list[tuple[str, str, bytes]] = []
    sink = Sink(extensions=extensions, on_message=lambda *message: kept.append(message))

    outcomes = fly(sink, [flight(n, message=BODY + b"%d\r\n" % n) for n in range(8)], reuse=Reuse(connections=1))

    assert outcomes == [Accepted(code=250, reply="2.0.0 ok: kept")] * 8
    assert kept == [("b+token@reply.example", f"reader{n}@mail.example", BODY + b"%d\r\n" % n) for n in range(8)]


def test_a_pipelined_message_costs_one_round_trip() -> None:
    arrivals: list[bytes] = []
    sink = Sink(heard=arrivals)

    fly(sink, [flight(1), flight(2)])

    assert [line[:4] for line in arrivals[1:7]] == [b"MAIL", b"RCPT", b"DATA"] * 2


# (phase, fault, what becomes of the first, what becomes of the second, how many were kept)
TEMPORARY = {"fault": Fault.REPLY, "code": 451}
PERMANENT = {"fault": Fault.REPLY, "code": 550, "text": "5.1.1 no such reader"}
FATES: list[tuple[Phase, dict[str, object], str, str, int]] = [
    (Phase.CONNECT, TEMPORARY, "Deferred", "Deferred", 0),
    (Phase.CONNECT, PERMANENT, "Deferred", "Deferred", 0),
    (Phase.CONNECT, {"fault": Fault.CLOSING}, "Deferred", "Deferred", 0),
    (Phase.CONNECT, {"fault": Fault.DROP}, "Deferred", "Deferred", 0),
    (Phase.CONNECT, {"fault": Fault.HANG}, "Deferred", "Deferred", 0),
    (Phase.CONNECT, {"fault": Fault.REPLY_THEN_DROP}, "Deferred", "Deferred", 0),
    (Phase.EHLO, {"fault": Fault.CLOSING}, "Deferred", "Deferred", 0),
    (Phase.EHLO, {"fault": Fault.DROP}, "Deferred", "Deferred", 0),
    (Phase.EHLO, {"fault": Fault.HANG}, "Deferred", "Deferred", 0),
    (Phase.MAIL, TEMPORARY, "Deferred", "Accepted", 1),
    (Phase.MAIL, PERMANENT, "Deferred", "Accepted", 1),
    (Phase.MAIL, {"fault": Fault.CLOSING}, "Deferred", "NotBegun", 0),
    (Phase.MAIL, {"fault": Fault.DROP}, "Deferred", "NotBegun", 0),
    (Phase.MAIL, {"fault": Fault.HANG}, "Deferred", "NotBegun", 0),
    (Phase.MAIL, {"fault": Fault.SLOW, "pause": 0.002}, "Accepted", "Accepted", 2),
    (Phase.MAIL, {"fault": Fault.REPLY_THEN_DROP}, "Deferred", "NotBegun", 0),
    (Phase.RCPT, TEMPORARY, "Deferred", "Accepted", 1),
    (Phase.RCPT, PERMANENT, "Refused", "Accepted", 1),
    (Phase.RCPT, {"fault": Fault.CLOSING}, "Deferred", "NotBegun", 0),
    (Phase.RCPT, {"fault": Fault.DROP}, "Deferred", "NotBegun", 0),
    (Phase.RCPT, {"fault": Fault.HANG}, "Deferred", "NotBegun", 0),
    (Phase.RCPT, {"fault": Fault.SLOW, "pause": 0.002}, "Accepted", "Accepted", 2),
    (Phase.RCPT, {"fault": Fault.REPLY_THEN_DROP}, "Deferred", "NotBegun", 0),
    (Phase.DATA, TEMPORARY, "Deferred", "Accepted", 1),
    (Phase.DATA, PERMANENT, "Refused", "Accepted", 1),
    (Phase.DATA, {"fault": Fault.CLOSING}, "Deferred", "NotBegun", 0),
    (Phase.DATA, {"fault": Fault.DROP}, "Deferred", "NotBegun", 0),
    (Phase.DATA, {"fault": Fault.HANG}, "Deferred", "NotBegun", 0),
    (Phase.DATA, {"fault": Fault.SLOW, "pause": 0.002}, "Accepted", "Accepted", 2),
    (Phase.MID_BODY, TEMPORARY, "Deferred", "Accepted", 1),
    (Phase.MID_BODY, PERMANENT, "Refused", "Accepted", 1),
    (Phase.MID_BODY, {"fault": Fault.CLOSING}, "Deferred", "NotBegun", 0),
    (Phase.MID_BODY, {"fault": Fault.DROP}, "NoAnswer", "NotBegun", 0),
    (Phase.MID_BODY, {"fault": Fault.HANG}, "NoAnswer", "NotBegun", 0),
    (Phase.DOT, TEMPORARY, "Deferred", "Accepted", 1),
    (Phase.DOT, PERMANENT, "Refused", "Accepted", 1),
    (Phase.DOT, {"fault": Fault.CLOSING}, "Deferred", "NotBegun", 0),
    (Phase.DOT, {"fault": Fault.DROP}, "NoAnswer", "NotBegun", 0),
    (Phase.DOT, {"fault": Fault.HANG}, "NoAnswer", "NotBegun", 0),
    (Phase.ACCEPTED, {"fault": Fault.DROP}, "NoAnswer", "NotBegun", 1),
    (Phase.ACCEPTED, {"fault": Fault.HANG}, "NoAnswer", "NotBegun", 1),
    (Phase.ACCEPTED, {"fault": Fault.SLOW, "pause": 0.002}, "Accepted", "Accepted", 2),
    (Phase.ACCEPTED, {"fault": Fault.REPLY, "code": 251, "text": "2.0.0 will forward"}, "Accepted", "Accepted", 2),
    (Phase.ACCEPTED, {"fault": Fault.REPLY, "code": 354, "text": "what?"}, "NoAnswer", "NotBegun", 1),
    (Phase.AFTER_250, {"fault": Fault.CLOSING}, "Accepted", "Deferred", 1),
    (Phase.AFTER_250, {"fault": Fault.DROP}, "Accepted", "Deferred", 1),
    (Phase.AFTER_250, {"fault": Fault.HANG}, "Accepted", "Deferred", 1),
]


REACHED = {
    Phase.CONNECT: SmtpPhase.GREETING, Phase.EHLO: SmtpPhase.EHLO, Phase.MAIL: SmtpPhase.MAIL, Phase.RCPT: SmtpPhase.RCPT,
    Phase.DATA: SmtpPhase.DATA, Phase.MID_BODY: SmtpPhase.DOT, Phase.DOT: SmtpPhase.DOT,
}  # fmt: skip
THEN = {Phase.CONNECT: SmtpPhase.EHLO, Phase.MAIL: SmtpPhase.RCPT, Phase.RCPT: SmtpPhase.DATA}


@WAYS
@pytest.mark.parametrize(
    ("phase", "fault", "first", "second", "kept"),
    FATES,
    ids=[f"{phase}-{fault['fault']}{fault.get('code', '')}" for phase, fault, *_ in FATES],
)
def test_every_fault_at_every_phase_becomes_its_outcome(
    phase: Phase, fault: dict[str, object], first: str, second: str, kept: int, extensions: tuple[str, ...]
) -> None:
    times = None if phase in (Phase.CONNECT, Phase.EHLO) or fault["fault"] == Fault.SLOW else 1
    sink = Sink(rules=[Rule(phase=phase, times=times, **fault)], extensions=extensions)  # type: ignore[arg-type]
    if extensions == CHUNKING and (first == "NoAnswer" or (phase == Phase.AFTER_250 and fault["fault"] != Fault.CLOSING)):
        second = "NoAnswer"  # its text was written ahead
        kept = 3 if fault["fault"] == Fault.REPLY else kept

    outcomes = fly(sink, [flight(1), flight(2), flight(3)])

    assert kinds(outcomes[:2]) == [first, second]
    reached = THEN.get(phase, REACHED.get(phase)) if fault["fault"] == Fault.REPLY_THEN_DROP else REACHED.get(phase)
    assert getattr(outcomes[0], "phase", None) == (reached if first in ("Deferred", "Refused") else None)
    assert sink.kept == kept + (outcomes[2].__class__ is Accepted)


def test_a_server_that_is_not_there_defers_the_whole_batch() -> None:
    wire = open_wire("smtp://127.0.0.1:9", timeouts=SHORT)

    outcomes = wire.fly([flight(1), flight(2)], nobody)
    wire.close()

    assert kinds(outcomes) == ["Deferred", "Deferred"]
    assert isinstance(outcomes[0], Deferred)
    assert (outcomes[0].code, outcomes[0].phase) == (None, SmtpPhase.CONNECT)


@WAYS
def test_a_long_body_cut_before_its_end_is_certainly_not_delivered(extensions: tuple[str, ...]) -> None:
    long = BODY + b"0123456789abcdef\r\n" * 2_000_000
    sink = Sink(rules=[Rule(phase=Phase.MID_BODY, fault=Fault.DROP)], extensions=extensions)

    outcomes = fly(sink, [flight(1, message=long), flight(2)])

    assert kinds(outcomes) == ["Deferred", "NotBegun"]
    assert isinstance(outcomes[0], Deferred)
    assert outcomes[0].phase == SmtpPhase.BODY


@WAYS
def test_a_long_body_arrives_whole(extensions: tuple[str, ...]) -> None:
    kept: list[bytes] = []
    long = BODY + b"0123456789abcdef\r\n" * 20_000
    sink = Sink(extensions=extensions, on_message=lambda _sender, _to, message: kept.append(message))

    outcomes = fly(sink, [flight(1), flight(2, message=long), flight(3)])

    assert kinds(outcomes) == ["Accepted"] * 3
    assert kept == [BODY, long, BODY]


def test_replies_of_several_lines_keep_their_enhanced_code_once() -> None:
    reader = ReplyReader()

    replies = reader.feed(b"550-5.1.1 the reader\r\n550 5.1.1 is not here\r\n250-one\r\n2") + reader.feed(b"50 two\r\n")

    assert replies == [Reply(code=550, text="5.1.1 the reader is not here"), Reply(code=250, text="one two")]


@pytest.mark.parametrize("noise", [b"HTTP/1.1 400\r\n", b"25\r\n", b"2504\r\n", b"x" * 9_000, b"250-x\r\n" * 20_000])
def test_what_is_not_smtp_is_not_taken_for_a_reply(noise: bytes) -> None:
    with pytest.raises(ValueError, match="the server sent"):
        ReplyReader().feed(noise)


@pytest.mark.parametrize(
    "body",
    [b"", b".\r\n", b"..\r\n", b"a\r\n.\r\nb\r\n", b"a\r\n.b\r\n..c\r\n", b".a\r\n\r\n.\r\n.\r\n", b"a\r\n."],
)
@WAYS
def test_dots_survive(body: bytes, extensions: tuple[str, ...]) -> None:
    kept: list[bytes] = []
    sink = Sink(extensions=extensions, on_message=lambda _sender, _to, message: kept.append(message))

    fly(sink, [flight(1, message=body), flight(2)])

    assert kept == [body if body.endswith(b"\r\n") else body + b"\r\n", BODY]


@WAYS
def test_a_bare_line_end_cannot_smuggle_a_second_mail(extensions: tuple[str, ...]) -> None:
    kept: list[bytes] = []
    smuggled = b"a\n.\nMAIL FROM:<x@y>\r.\r\n"

    fly(Sink(extensions=extensions, on_message=lambda _from, _to, message: kept.append(message)), [flight(1, message=smuggled)])

    assert kept == [b"a\r\n.\r\nMAIL FROM:<x@y>\r\n.\r\n"]


def test_a_local_part_beyond_ascii_is_refused_before_the_wire() -> None:
    sink = Sink(heard=[])

    outcomes = fly(sink, [flight(1, recipient="jürgen@mail.example"), flight(2)])

    assert kinds(outcomes) == ["Refused", "Accepted"]
    assert not any("rgen" in line.decode() for line in sink.heard or [])


def test_a_local_part_beyond_ascii_goes_where_the_server_takes_it() -> None:
    sink = Sink(heard=[], extensions=(*EXTENSIONS, "SMTPUTF8"))

    outcomes = fly(sink, [flight(1, recipient="jürgen@mail.example")])

    assert kinds(outcomes) == ["Accepted"]
    assert any(line.endswith(b" SMTPUTF8") for line in sink.heard or [])


def test_a_domain_beyond_ascii_is_spelt_in_a_labels() -> None:
    sink = Sink(heard=[])

    outcomes = fly(sink, [flight(1, recipient="reader@Bücher.example")])

    assert kinds(outcomes) == ["Accepted"]
    assert b"RCPT TO:<reader@xn--bcher-kva.example>" in (sink.heard or [])


@pytest.mark.parametrize("address", ["a@b>\r\nRCPT TO:<c@d", "no-at.example", "a b@c.example", "@c.example", ""])
def test_what_is_no_address_never_reaches_the_wire(address: str) -> None:
    flights = [Flight(send_id=1, envelope_from="b@reply.example", recipient=address, message=BODY), flight(2)]

    assert kinds(fly(Sink(), flights)) == ["Refused", "Accepted"]


def test_a_connection_is_used_again_and_given_up_after_its_share() -> None:
    sink = Sink(heard=[])

    with wire_to(sink, reuse=Reuse(most_messages=4)) as wire:
        for n in range(4):
            wire.fly([flight(n), flight(n + 10)], nobody)

    assert sink.kept == 8
    assert sum(line.startswith(b"EHLO") for line in sink.heard or []) == 2


@WAYS
def test_a_connection_that_died_while_resting_costs_nobody_anything(extensions: tuple[str, ...]) -> None:
    sink = Sink(extensions=extensions, rules=[Rule(phase=Phase.AFTER_250, fault=Fault.DROP, times=1)])

    with wire_to(sink) as wire:
        first = wire.fly([flight(1)], nobody)
        second = wire.fly([flight(2)], nobody)

    assert kinds(first + second) == ["Accepted", "Accepted"]


@WAYS
def test_a_421_at_the_first_word_after_a_rest_means_connect_again(extensions: tuple[str, ...]) -> None:
    sink = Sink(extensions=extensions, rules=[Rule(phase=Phase.MAIL, fault=Fault.CLOSING, skip=1, times=1)])

    with wire_to(sink) as wire:
        outcomes = wire.fly([flight(1)], nobody) + wire.fly([flight(2)], nobody)

    assert kinds(outcomes) == ["Accepted", "Accepted"]


def test_a_mark_older_than_a_second_is_looked_at_before_the_body() -> None:
    asked: list[list[int]] = []
    sink = Sink(rules=[Rule(phase=Phase.DATA, fault=Fault.SLOW, pause=0.15, times=1)])
    patient = Timeouts(command=5, data=5, dot=5)

    def recheck(send_ids: Sequence[int]) -> dict[int, Stopped | NotBegun]:
        asked.append(list(send_ids))
        return {1: Stopped()}

    with running(sink):
        wire = open_wire(sink.url, timeouts=patient)
        outcomes = wire.fly([flight(1), flight(2)], recheck)
        wire.close()

    assert outcomes == [Stopped(), NotBegun(reply="the connection ended before this one")]
    assert asked == [[1, 2]]
    assert sink.kept == 0


def test_a_mark_older_than_a_second_is_looked_at_before_mail() -> None:
    sink = Sink(rules=[Rule(phase=Phase.CONNECT, fault=Fault.SLOW, pause=0.05, times=1)], heard=[])

    with running(sink):
        wire = open_wire(sink.url, timeouts=Timeouts(command=5))
        outcomes = wire.fly([flight(1), flight(2)], lambda _ids: {1: Stopped()})
        wire.close()

    assert kinds(outcomes) == ["Stopped", "Accepted"]
    assert not any(b"reader1@" in line for line in sink.heard or [])


def test_nothing_is_sent_when_the_second_look_fails() -> None:
    sink = Sink(rules=[Rule(phase=Phase.CONNECT, fault=Fault.SLOW, pause=0.05, times=1)])

    def recheck(_send_ids: Sequence[int]) -> dict[int, Stopped | NotBegun]:
        raise RuntimeError("the database is away")

    with running(sink):
        wire = open_wire(sink.url, timeouts=Timeouts(command=5))
        outcomes = wire.fly([flight(1), flight(2)], recheck)
        wire.close()

    assert kinds(outcomes) == ["NotBegun", "NotBegun"]
    assert sink.kept == 0


def test_a_second_look_that_fails_costs_no_connection_at_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.deliver.watch.MARK_HOLDS", 0.0)
    sink, looks = Sink(heard=[]), iter([{}, {}, None, {}, {}])

    def recheck(_send_ids: Sequence[int]) -> dict[int, Stopped | NotBegun]:
        if (stopped := next(looks)) is None:
            raise RuntimeError("the database is away")
        return stopped

    with wire_to(sink) as wire:
        outcomes = [outcome for _ in range(3) for outcome in wire.fly([flight(1)], recheck)]

    assert kinds(outcomes) == ["Accepted", "NotBegun", "Accepted"]
    assert sum(line.startswith(b"EHLO") for line in sink.heard or []) == 1


def test_many_threads_fly_at_once() -> None:
    sink = Sink()
    outcomes: list[Outcome] = []

    with wire_to(sink) as wire:
        work: Callable[[], None] = lambda: outcomes.extend(wire.fly([flight(n) for n in range(8)], nobody))  # noqa: E731
        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert kinds(outcomes) == ["Accepted"] * 64
    assert sink.kept == 64


def test_no_more_connections_are_opened_than_wanted() -> None:
    sink = Sink(heard=[])

    outcomes = fly(sink, [flight(n) for n in range(64)], reuse=Reuse(connections=3))

    assert kinds(outcomes) == ["Accepted"] * 64
    assert sum(line.startswith(b"EHLO") for line in sink.heard or []) == 2, "the third is for what somebody waits for"


def test_recipients_may_choose_their_fate() -> None:
    sink = Sink(obeys_addresses=True)

    outcomes = fly(sink, [flight(1, recipient="d+rcpt-550@x.example"), flight(2, recipient="d+dot-451@x.example"), flight(3)])

    assert kinds(outcomes) == ["Refused", "Deferred", "Accepted"]


@pytest.mark.parametrize(
    ("url", "tls", "port"),
    [
        ("smtp://relay.example", "starttls", 587),
        ("smtps://relay.example", "wrapped", 465),
        ("smtp://127.0.0.1:2525", "none", 2525),
        ("smtp://127.0.0.1:2525?tls=starttls", "starttls", 2525),
        ("smtp://relay.example:25?tls=none", "none", 25),
    ],
)
def test_only_a_relay_on_this_machine_is_plain_unasked(url: str, tls: str, port: int) -> None:
    relay = relay_of(url)

    assert (relay.tls, relay.port) == (tls, port)


@pytest.mark.parametrize(
    "url",
    [
        "http://relay.example",
        "smtp://",
        "smtp://relay.example?tls=maybe",
        "smtp://relay.example:99999",
        "smtp://r.example?connections=0",
    ],
)
def test_a_url_that_cannot_work_says_so(url: str) -> None:
    with pytest.raises(SettingsError, match="HANDRAISER_SMTP_URL"):
        relay_of(url)


def test_a_server_without_starttls_gets_nothing_when_tls_is_wanted() -> None:
    sink = Sink()

    with running(sink):
        wire = open_wire(sink.url + "?tls=starttls", timeouts=SHORT)
        outcomes = wire.fly([flight(1)], nobody)
        wire.close()

    assert kinds(outcomes) == ["Deferred"]
    assert sink.kept == 0


def test_starttls_and_auth_against_another_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = certificate_for(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    inbox = Inbox()
    server = Controller(
        inbox, hostname="127.0.0.1", port=(port := free_port()), tls_context=server_tls(certificate), require_starttls=True,
        authenticator=lambda *asked: AuthResult(success=asked[4].password == b"right"), auth_required=True,
    )  # fmt: skip
    server.start()

    outcomes = []
    for password in ("right", "wrong"):
        wire = open_wire(f"smtp://user:{password}@127.0.0.1:{port}?tls=starttls", timeouts=Timeouts(command=5))
        outcomes += wire.fly([flight(1), flight(2)], nobody)
        wire.close()
    server.stop()

    assert kinds(outcomes) == ["Accepted", "Accepted", "Deferred", "Deferred"]
    assert [bytes(kept) for kept in inbox.kept] == [BODY, BODY]


def test_pipelining_under_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = certificate_for(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    kept: list[bytes] = []
    long = BODY + b"0123456789abcdef\r\n" * 20_000
    sink = Sink(tls=server_tls(certificate), on_message=lambda _sender, _to, message: kept.append(message))

    with running(sink):
        wire = open_wire(sink.url, timeouts=Timeouts(command=5))
        outcomes = wire.fly([flight(1), flight(2, message=long), flight(3)], nobody)
        wire.close()

    assert kinds(outcomes) == ["Accepted"] * 3
    assert kept == [BODY, long, BODY]


def test_a_certificate_that_nobody_vouches_for_gets_no_mail(tmp_path: Path) -> None:
    sink = Sink(tls=server_tls(certificate_for(tmp_path)))

    with running(sink):
        wire = open_wire(sink.url, timeouts=Timeouts(command=5))
        outcomes = wire.fly([flight(1)], nobody)
        wire.close()

    assert kinds(outcomes) == ["Deferred"]
    assert sink.kept == 0


class Inbox:
    def __init__(self) -> None:
        self.kept: list[bytes] = []

    async def handle_DATA(self, _server: object, _session: object, envelope: Envelope) -> str:
        self.kept.append(envelope.content or b"")
        return "250 2.0.0 ok"
