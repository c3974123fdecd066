"""Mails by BDAT, several ahead: what is refused harms only itself, and a server that fails it gets them by DATA."""

from collections.abc import Sequence
from functools import partial
from itertools import count

import pytest

from engine.deliver.by_chunks import AHEAD, AN_HOUR, Chunking
from engine.deliver.channel import Timeouts
from engine.deliver.pool import Reuse
from engine.deliver.smtp import open_wire
from engine.deliver.wire import Accepted, Flight, NotBegun, Outcome, Stopped
from engine.simulate.sink import EXTENSIONS, Sink, running
from engine.simulate.sink_rules import Fault, Phase, Rule
from engine.simulate.sink_session import COMMANDS, Session
from tests.deliver.wires import BODY, CHUNKING, flight, kinds, nobody, wire_to
from tests.deliver.wires import fly as fly_over

Kept = list[tuple[str, str, bytes]]
fly = partial(fly_over, reuse=Reuse(connections=1))


def a_sink(*rules: Rule, kept: Kept | None = None) -> Sink:
    """`kept` gets what it took."""
    on_message = None if kept is None else lambda *message: kept.append(message)
    return Sink(extensions=CHUNKING, rules=rules, heard=[], on_message=on_message)


def words(sink: Sink) -> list[bytes]:
    return [line[:4] for line in sink.heard or []]


def own_flight(number: int) -> Flight:
    return Flight(
        send_id=number,
        envelope_from=f"b+{number}@reply.example",
        recipient=f"reader{number}@mail.example",
        message=BODY + b"%d\r\n" % number,
    )


def test_whole_transactions_follow_each_other_without_waiting() -> None:
    sink = a_sink(Rule(phase=Phase.DOT, fault=Fault.HANG, recipient="reader0@*"))

    outcomes = fly(sink, [flight(number) for number in range(8)])

    assert kinds(outcomes) == ["NoAnswer"] * AHEAD + ["NotBegun"] * (8 - AHEAD)
    assert words(sink) == [b"EHLO", b"MAIL", b"RCPT", b"BDAT", b"BDAT"]  # then it heard nothing


def test_the_rest_is_said_as_answers_come() -> None:
    sink = a_sink()

    outcomes = fly(sink, [flight(number) for number in range(8)])

    assert kinds(outcomes) == ["Accepted"] * 8
    assert words(sink)[5:-1] == [b"RSET", b"MAIL", b"RCPT", b"BDAT"] * 7


@pytest.mark.parametrize("phase", [Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.DOT])
def test_what_is_refused_in_the_middle_harms_only_itself(phase: Phase) -> None:
    """The sink keeps a transaction open after a refusal; without RSET the next text would go under the wrong sender."""
    kept: Kept = []
    refusal = Rule(phase=phase, fault=Fault.REPLY, code=550, text="5.7.1 no", skip=2, times=3)

    outcomes = fly(a_sink(refusal, kept=kept), [own_flight(number) for number in range(8)])

    refused = "Deferred" if phase == Phase.MAIL else "Refused"
    assert kinds(outcomes) == ["Accepted"] * 2 + [refused] * 3 + ["Accepted"] * 3
    took = [own_flight(number) for number in (0, 1, 5, 6, 7)]
    assert kept == [(one.envelope_from, one.recipient, one.message) for one in took]


def test_after_a_421_those_said_ahead_were_certainly_not_taken() -> None:
    sink = a_sink(Rule(phase=Phase.ACCEPTED, fault=Fault.CLOSING, skip=1, times=1))

    outcomes = fly(sink, [flight(number) for number in range(4)])

    assert kinds(outcomes) == ["Accepted", "Deferred", "NotBegun", "NotBegun"]


def test_a_server_that_has_had_enough_of_us_took_nothing_that_was_said_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exim says 554 to one RSET too many and hangs up."""
    resets = count(1)

    def rset(session: Session, line: bytes) -> None:
        if next(resets) < 3:
            Session._rset(session, line)
            return
        session._say(b"554 too many nonmail commands\r\n")
        session._hang_up()

    monkeypatch.setitem(COMMANDS, b"RSET", rset)
    sink = a_sink()

    outcomes = fly(sink, [flight(number) for number in range(6)])

    assert kinds(outcomes) == ["Accepted"] * 3 + ["Deferred"] + ["NotBegun"] * 2
    assert sink.kept == 3


@pytest.mark.parametrize("extensions", [EXTENSIONS, CHUNKING])
def test_a_connection_over_which_much_was_refused_is_not_used_again(extensions: tuple[str, ...]) -> None:
    sink = Sink(extensions=extensions, heard=[], rules=[Rule(phase=Phase.RCPT, fault=Fault.REPLY, code=550, times=4)])

    with wire_to(sink) as wire:
        for number in range(5):
            wire.fly([flight(number), flight(number + 10)], nobody)

    assert words(sink).count(b"EHLO") == 2


@pytest.mark.parametrize("code", [500, 501, 502, 503, 504])
def test_a_server_that_offers_chunks_and_refuses_them_gets_the_mails_by_data(code: int) -> None:
    sink = a_sink(Rule(phase=Phase.DATA, fault=Fault.REPLY, code=code, text="what?", times=1))

    with wire_to(sink) as wire:
        first = wire.fly([flight(1), flight(2)], nobody)
        second = wire.fly([flight(1), flight(2)], nobody)

    assert kinds(first) == ["NotBegun"] * 2
    assert kinds(second) == ["Accepted"] * 2
    assert (words(sink).count(b"DATA"), sink.kept) == (2, 2)


@pytest.mark.parametrize("is_refused", [False, True])
def test_a_server_that_does_not_know_bdat_takes_no_text_for_commands(is_refused: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(COMMANDS, b"BDAT")
    sink = a_sink(*([Rule(phase=Phase.RCPT, fault=Fault.REPLY, code=550, times=1)] if is_refused else []))
    text = b"Subject: hello\r\nMAIL FROM:<evil@x.example>\r\nRCPT TO:<victim@x.example>\r\nDATA\r\nboo\r\n.\r\n"

    with wire_to(sink) as wire:
        first = wire.fly([flight(1, message=text), flight(2, message=text)], nobody)
        second = wire.fly([flight(2, message=text)], nobody)

    assert kinds(first) == ["Refused" if is_refused else "NotBegun", "NotBegun"]
    assert kinds(second) == ["Accepted"]
    assert sink.kept == 1
    assert not any(b"evil" in line for line in sink.heard or [])


@pytest.mark.parametrize("phase", [Phase.DATA, Phase.DOT, Phase.AFTER_250])
def test_after_a_connection_broke_the_mails_go_by_data(phase: Phase) -> None:
    sink = a_sink(Rule(phase=phase, fault=Fault.DROP, times=1))

    with wire_to(sink) as wire:
        wire.fly([flight(1), flight(2)], nobody)
        outcomes = wire.fly([flight(3), flight(4)], nobody)

    assert kinds(outcomes) == ["Accepted"] * 2
    assert words(sink).count(b"DATA") == 2


def test_the_rest_of_chunking_ends_and_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000.0
    monkeypatch.setattr("engine.deliver.by_chunks.monotonic", lambda: now)
    chunking, offered = Chunking(), frozenset(("pipelining", "chunking"))

    rested = []
    for _ in range(3):
        chunking.went_wrong("a connection broke")
        chunking.went_wrong("and another with it")
        began = now
        while not chunking.fits(offered):
            now += AN_HOUR
        rested.append((now - began) / AN_HOUR)

    assert rested == [1, 2, 4]


def test_what_was_stopped_after_its_first_line_costs_no_connection() -> None:
    """The first mail's look happens before its rest; its connection goes on with the next one."""
    sink = a_sink(Rule(phase=Phase.DATA, fault=Fault.SLOW, pause=0.08, times=1))

    with running(sink):
        wire = open_wire(sink.url, timeouts=Timeouts(command=5, data=5, dot=5))
        outcomes = wire.fly([flight(1), flight(2)], lambda _ids: {1: Stopped()})
        wire.close()

    assert kinds(outcomes) == ["Stopped", "Accepted"]
    assert (words(sink).count(b"EHLO"), sink.kept) == (1, 1)


def test_those_under_way_are_heard_of_when_the_second_look_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.deliver.watch.MARK_HOLDS", 0.05)
    sink = a_sink(Rule(phase=Phase.ACCEPTED, fault=Fault.SLOW, pause=0.03))

    def recheck(_send_ids: Sequence[int]) -> dict[int, Stopped | NotBegun]:
        raise RuntimeError("the database is away")

    outcomes: list[Outcome] = fly(sink, [flight(number) for number in range(8)], recheck=recheck)

    assert kinds(outcomes) == ["Accepted"] * AHEAD + ["NotBegun"] * (8 - AHEAD)


def test_a_server_that_takes_chunks_but_one_by_one_is_asked_by_data() -> None:
    sink = Sink(extensions=("CHUNKING",), heard=[])

    assert all(isinstance(outcome, Accepted) for outcome in fly(sink, [flight(1), flight(2)]))
    assert b"BDAT" not in words(sink)
