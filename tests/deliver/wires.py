"""A wire to the sink, and mails for it: what the tests of SMTP begin with."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from engine.deliver import pool
from engine.deliver.channel import Timeouts
from engine.deliver.smtp import open_wire
from engine.deliver.wire import Flight, NotBegun, Outcome, Recheck, Stopped, Wire
from engine.simulate.sink import EXTENSIONS, Sink, running
from engine.simulate.sink_rules import Fault

CHUNKING = (*EXTENSIONS, "CHUNKING")
SPARED = pool.SPARED * (1 + pool.JITTER)  # seconds until a relay that could not be reached is surely called again
SHORT = Timeouts(connect=0.5, command=0.4, data=0.4, block=0.4, dot=0.4)
PATIENT = Timeouts(connect=10, command=10, data=10, block=10, dot=10)  # a busy machine is not taken for a server that hangs
STEP_BY_STEP = tuple(extension for extension in EXTENSIONS if extension != "PIPELINING")
BODY = b"Message-ID: <abc@reply.example>\r\nSubject: hello\r\n\r\nDear reader\r\n"


@contextmanager
def wire_to(sink: Sink, **options: object) -> Iterator[Wire]:
    with running(sink):
        wire = open_wire(sink.url, timeouts=SHORT if hangs(sink) else PATIENT, **options)  # type: ignore[arg-type]
        try:
            yield wire
        finally:
            wire.close()


def hangs(sink: Sink) -> bool:
    return any(rule.fault == Fault.HANG for rule in sink.rules)


def flight(send_id: int, *, recipient: str | None = None, message: bytes = BODY) -> Flight:
    to = recipient or f"reader{send_id}@mail.example"
    return Flight(send_id=send_id, envelope_from="b+token@reply.example", recipient=to, message=message)


def nobody(_send_ids: Sequence[int]) -> dict[int, Stopped | NotBegun]:
    return {}


def fly(sink: Sink, flights: Sequence[Flight], *, recheck: Recheck = nobody, **options: object) -> list[Outcome]:
    with wire_to(sink, **options) as wire:
        return wire.fly(flights, recheck)


def kinds(outcomes: Sequence[Outcome]) -> list[str]:
    return [type(outcome).__name__ for outcome in outcomes]
