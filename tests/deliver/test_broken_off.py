"""A process ends while mail servers hang: of each mail is said what is certain, and none is in doubt without a reason."""

from concurrent.futures import ThreadPoolExecutor
from time import sleep

import pytest

from engine.deliver.by_chunks import AHEAD
from engine.deliver.places import LOAD
from engine.deliver.pool import Reuse
from engine.deliver.smtp import open_wire
from engine.simulate.sink import EXTENSIONS, Sink, running
from engine.simulate.sink_rules import Fault, Phase, Rule
from tests.deliver.wires import CHUNKING, PATIENT, flight, kinds, nobody


@pytest.mark.parametrize(
    ("extensions", "phase", "first"),
    [
        (EXTENSIONS, Phase.CONNECT, []),
        (EXTENSIONS, Phase.MAIL, ["Deferred"]),
        (EXTENSIONS, Phase.DOT, ["NoAnswer"]),
        (CHUNKING, Phase.DOT, ["NoAnswer"] * AHEAD),
    ],
)
def test_a_wire_that_is_closed_tells_what_is_known_of_each_mail(
    extensions: tuple[str, ...], phase: Phase, first: list[str]
) -> None:
    sink = Sink(extensions=extensions, rules=[Rule(phase=phase, fault=Fault.HANG)])

    with running(sink), ThreadPoolExecutor(1) as thread:
        wire = open_wire(sink.url, timeouts=PATIENT, reuse=Reuse(connections=1))
        flown = thread.submit(wire.fly, [flight(number) for number in range(3 * LOAD)], nobody)
        sleep(0.15)
        wire.close()
        outcomes = kinds(flown.result(timeout=5))
        later = kinds(wire.fly([flight(99)], nobody))

    assert outcomes == [*first, *["NotBegun"] * (3 * LOAD - len(first))]
    assert later == ["NotBegun"]
