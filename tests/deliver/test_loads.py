"""Connections go on with what waits: every mail of it gets its answer, and as soon as there is one."""

import asyncio
import threading
from collections.abc import Callable, Sequence

import pytest

from engine.deliver import by_data
from engine.deliver.loads import Load, Waiting
from engine.deliver.places import LOAD
from engine.deliver.pool import Reuse
from engine.deliver.watch import Watch
from engine.deliver.wire import Flight, Outcome, Wire
from engine.simulate.sink import Sink
from engine.simulate.sink_rules import Fault, Phase, Rule
from tests.deliver.wires import CHUNKING, flight, fly, kinds, nobody, wire_to

ONE = Reuse(connections=1)
BOTH = pytest.mark.parametrize("extensions", [("PIPELINING",), CHUNKING], ids=["by data", "by chunks"])
TRANSACTION = [b"MAIL", b"RCPT", b"DATA"]


def test_a_connection_goes_on_with_what_waits_without_another_round_trip() -> None:
    sink = Sink(heard=[])

    outcomes = kinds(fly(sink, mails(0, 3 * LOAD), reuse=ONE))

    assert outcomes == ["Accepted"] * 3 * LOAD
    assert words(sink) == [b"EHLO", *TRANSACTION * 3 * LOAD, b"QUIT"]


def test_a_connection_by_chunks_begins_by_halves_only_once() -> None:
    sink = Sink(heard=[], extensions=CHUNKING)

    fly(sink, mails(0, 3 * LOAD), reuse=ONE)

    assert words(sink).count(b"BDAT") == 1 + 3 * LOAD


def test_what_was_taken_along_by_a_connection_that_broke_was_not_begun() -> None:
    sink = Sink(rules=[Rule(phase=Phase.ACCEPTED, fault=Fault.DROP, recipient=f"reader{LOAD - 1}@*", times=1)])

    outcomes = kinds(fly(sink, mails(0, 3 * LOAD), reuse=ONE))

    assert outcomes == [*["Accepted"] * (LOAD - 1), "NoAnswer", *["NotBegun"] * LOAD, *["Accepted"] * LOAD]


@BOTH
def test_a_thread_has_its_answers_while_the_connection_goes_on_for_another(extensions: tuple[str, ...]) -> None:
    goes_on = threading.Event()
    sink = Sink(
        extensions=extensions,
        rules=[Rule(phase=Phase.CONNECT, fault=Fault.SLOW, pause=0.004)],
        on_message=lambda _sender, recipient, _message: recipient.startswith("reader9") and goes_on.wait(5),
    )

    with wire_to(sink, reuse=ONE) as wire:
        first, second = flying(wire, mails(0, LOAD)), flying(wire, mails(9, 1))
        first.join(5)
        has_first_landed, goes_on_still = not first.is_alive(), second.is_alive()
        goes_on.set()
        second.join(5)

    assert (has_first_landed, goes_on_still, sink.kept) == (True, True, LOAD + 1)


def test_a_wire_that_fails_harms_what_is_on_that_connection_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    stuffed = by_data.stuffed
    monkeypatch.setattr(by_data, "stuffed", lambda message: 1 / 0 if message == b"spoilt" else stuffed(message))
    failed: list[type[Exception]] = []

    with wire_to(sink := Sink(), reuse=ONE) as wire:
        spoilt = [*mails(0, LOAD - 1), flight(8, message=b"spoilt")]
        threads = [flying(wire, some, on_error=failed.append) for some in (spoilt, mails(10, LOAD))]
        for thread in threads:
            thread.join(5)
        outcomes = kinds(wire.fly(mails(20, LOAD), nobody))

    assert failed and set(failed) == {ZeroDivisionError}
    assert outcomes == ["Accepted"] * LOAD
    assert sink.kept >= LOAD - 1 + LOAD


def test_what_somebody_waits_for_goes_before_the_others() -> None:
    async def in_which_order() -> list[int]:
        waiting = Waiting()
        for some in (mails(1, LOAD), mails(5, LOAD), mails(9, 1)):
            waiting.add(Load(some, Watch(some, nobody)))
        return [load.flights[0].send_id for load in iter(waiting.next, None)]

    assert asyncio.run(in_which_order()) == [9, 1, 5]


def mails(first: int, many: int) -> list[Flight]:
    return [flight(number) for number in range(first, first + many)]


def words(sink: Sink) -> list[bytes]:
    return [line[:4] for line in sink.heard or []]


def flying(wire: Wire, some: Sequence[Flight], on_error: Callable[[type[Exception]], None] | None = None) -> threading.Thread:
    def fly_there() -> list[Outcome] | None:
        try:
            return wire.fly(some, nobody)
        except Exception as error:
            assert on_error is not None
            on_error(type(error))
            return None

    thread = threading.Thread(target=fly_there)
    thread.start()
    return thread
