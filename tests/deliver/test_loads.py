"""Connections go on with what waits: every mail of it gets its answer, and as soon as there is one."""

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import pytest

from engine.deliver.channel import Channel
from engine.deliver.loads import Load, Waiting
from engine.deliver.places import LOAD, MICRO_BATCH
from engine.deliver.pool import Pool, Reuse
from engine.deliver.watch import Watch
from engine.deliver.wire import Flight, NotBegun, Stopped, Wire
from engine.deliver.wires import PooledWire
from engine.simulate.sink import Sink
from engine.simulate.sink_rules import Fault, Phase, Rule
from tests.deliver.wires import CHUNKING, SHORT, flight, fly, kinds, nobody, wire_to

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


def test_behind_a_connection_that_broke_only_a_few_are_put_down() -> None:
    sink = Sink(rules=[Rule(phase=Phase.ACCEPTED, fault=Fault.DROP, recipient="reader3@*")])

    outcomes = kinds(fly(sink, mails(0, 16), reuse=ONE))

    assert outcomes == [*["Accepted"] * 3, "NoAnswer", *["NotBegun"] * MICRO_BATCH, *["Accepted"] * (12 - MICRO_BATCH)]


def test_a_server_that_dies_over_each_mail_gets_as_few_as_it_can() -> None:
    sink = Sink(rules=[Rule(phase=Phase.ACCEPTED, fault=Fault.DROP)])

    outcomes = kinds(fly(sink, mails(0, 64), reuse=Reuse(connections=4)))

    assert sink.kept == outcomes.count("NoAnswer") <= 4 + 60 // MICRO_BATCH
    assert outcomes.count("NotBegun") == 64 - sink.kept


def test_nurture_that_comes_one_by_one_shares_a_connection() -> None:
    sink = Sink(heard=[], rules=[Rule(phase=Phase.CONNECT, fault=Fault.SLOW, pause=0.004)])

    with wire_to(sink) as wire:
        threads = [flying(wire, mails(number, 1)) for number in range(2)]
        for thread in threads:
            thread.join(5)

    assert (words(sink).count(b"EHLO"), sink.kept) == (1, 2)


def test_each_mail_that_somebody_waits_for_has_a_connection_of_its_own() -> None:
    sink = Sink(heard=[])

    fly(sink, [replace(mail, is_awaited=True) for mail in mails(0, 3)])

    assert (words(sink).count(b"EHLO"), sink.kept) == (3, 3)


def test_of_a_mail_that_no_server_was_called_for_nothing_is_in_doubt() -> None:
    async def faulty() -> Channel:
        raise RuntimeError("a mistake of ours")

    pool = Pool("main", faulty, timeouts=SHORT, reuse=ONE)
    wire = PooledWire({}, usual=pool)

    assert kinds(wire.fly(mails(0, 3), nobody)) == ["OurFault"] * 3

    wire.close()


def test_a_few_mails_share_a_connection_however_many_might_be_opened() -> None:
    sink = Sink(heard=[])

    fly(sink, mails(0, 2 * LOAD))

    assert words(sink).count(b"EHLO") == 2


def test_a_database_that_did_not_answer_the_second_look_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.deliver.watch.MARK_HOLDS", -1.0)
    looks: list[Sequence[int]] = []

    def recheck(send_ids: Sequence[int]) -> dict[int, Stopped | NotBegun]:
        looks.append(send_ids)
        raise RuntimeError("the database is away")

    outcomes = kinds(fly(Sink(), mails(0, 16), recheck=recheck))

    assert (outcomes, len(looks)) == (["NotBegun"] * 16, 1)


@BOTH
def test_a_thread_has_its_answers_while_the_connection_goes_on_for_another(extensions: tuple[str, ...]) -> None:
    goes_on = threading.Event()
    sink = Sink(
        extensions=extensions,
        rules=[Rule(phase=Phase.CONNECT, fault=Fault.SLOW, pause=0.004)],
        on_message=lambda _sender, recipient, _message: recipient.startswith("reader9") and goes_on.wait(5),
    )

    with wire_to(sink, reuse=ONE) as wire:
        first, second = flying(wire, mails(0, LOAD)), flying(wire, mails(9, 2))
        first.join(5)
        has_first_landed, goes_on_still = not first.is_alive(), second.is_alive()
        goes_on.set()
        second.join(5)

    assert (has_first_landed, goes_on_still, sink.kept) == (True, True, LOAD + 2)


@BOTH
def test_a_fault_of_ours_leaves_in_doubt_only_what_may_have_left(extensions: tuple[str, ...]) -> None:
    spoilt = replace(flight(3), message=cast(bytes, None))

    with wire_to(sink := Sink(extensions=extensions), reuse=ONE) as wire:
        outcomes = kinds(wire.fly([*mails(0, 3), spoilt, *mails(4, 12)], nobody))
        afterwards = kinds(wire.fly(mails(20, LOAD), nobody))

    assert set(outcomes[:3]) <= {"Accepted", "NoAnswer"} and outcomes[3] == "OurFault"
    assert set(outcomes[4:]) <= {"Accepted", "NotBegun", "OurFault"}
    assert afterwards == ["Accepted"] * LOAD
    assert LOAD + outcomes.count("Accepted") <= sink.kept <= LOAD + outcomes.count("Accepted") + outcomes.count("NoAnswer")


def test_what_somebody_waits_for_goes_before_the_others() -> None:
    async def in_which_order() -> list[int]:
        waiting = Waiting()
        for some in (mails(1, LOAD), mails(5, 1), [replace(flight(9), is_awaited=True)], mails(6, LOAD)):
            waiting.add(Load(some, Watch(some, nobody)))
        return [load.flights[0].send_id for load in iter(waiting.next, None)]

    assert asyncio.run(in_which_order()) == [9, 1, 5, 6]


def mails(first: int, many: int) -> list[Flight]:
    return [flight(number) for number in range(first, first + many)]


def words(sink: Sink) -> list[bytes]:
    return [line[:4] for line in sink.heard or []]


def flying(wire: Wire, some: Sequence[Flight]) -> threading.Thread:
    thread = threading.Thread(target=wire.fly, args=(some, nobody))
    thread.start()
    return thread
