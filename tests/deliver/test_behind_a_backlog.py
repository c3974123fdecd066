"""What somebody waits for, while nurture waits for servers that take their time."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from engine.database import Database
from engine.deliver.places import MARKETING_BATCH, MOST_CONNECTIONS
from engine.deliver.send import deliver
from engine.deliver.wire import Flight, Wire
from engine.simulate.sink import Sink
from engine.simulate.sink_rules import Fault, Phase, Rule
from engine.vocabulary import SendState
from tests.deliver.given import add_internal, add_mail, add_workspace, deliver_begun, runtime_over, send_of
from tests.deliver.wires import BODY, flight, kinds, nobody, wire_to
from tests.factories import add_lead

PATIENCE = 4  # seconds for which a mail to the slow domain keeps its connection


def hanging() -> Sink:
    return Sink(rules=[Rule(phase=Phase.RCPT, fault=Fault.HANG, recipient="*@slow.example")])


@pytest.mark.both_databases
def test_an_order_does_not_wait_until_a_nurture_to_a_slow_domain_is_through(database: Database, tmp_path: Path) -> None:
    """Three batches, which is all that may be under way, are with a server that says nothing."""
    with database.write() as tx:
        version_id = add_workspace(tx)
        slow = [
            add_mail(tx, version_id, lead_id=add_lead(tx, email=f"reader{number}@slow.example", fields={"rooms": 1}))
            for number in range(3 * MARKETING_BATCH)
        ]
        orders = [add_internal(tx, lead_id=add_lead(tx), content=BODY) for _ in range(3)]

    sink = hanging()
    with runtime_over(database, sink, tmp_path, patience=PATIENCE) as runtime:
        threads = [threading.Thread(target=deliver_begun, args=(runtime, slow[part::3]), daemon=True) for part in range(3)]
        for thread in threads:
            thread.start()
        wait_until_all_are_marked(database, [send_id for send_id, _epoch in slow])
        for order in orders:
            deliver(runtime, [order])

        assert [send_of(database, send_id).state for send_id, _epoch in orders] == [SendState.ACCEPTED] * 3
        assert {send_of(database, send_id).state for send_id, _epoch in slow} == {SendState.ATTEMPTING}
        runtime.wire.close()
        for thread in threads:
            thread.join()


def wait_until_all_are_marked(database: Database, send_ids: list[int]) -> None:
    while {send_of(database, send_id).state for send_id in send_ids} != {SendState.ATTEMPTING}:
        time.sleep(0.05)


def test_the_last_connection_is_kept_for_what_somebody_waits_for() -> None:
    nurture = [flight(number, recipient=f"reader{number}@slow.example") for number in range(4 * MOST_CONNECTIONS)]
    order, another = (replace(flight(number), is_awaited=True) for number in (1_000, 1_001))

    with wire_to(sink := hanging()) as wire, under_way(wire, nurture, sink):
        assert kinds(wire.fly([order, another], nobody)) == ["Accepted", "Accepted"]


@pytest.mark.parametrize("connections", [2, 4])
def test_the_last_connection_to_a_domain_is_kept_for_what_somebody_waits_for(connections: int) -> None:
    def to_the_domain(number: int, name: str) -> Flight:
        return replace(flight(number, recipient=f"{name}@slow.example"), domain="slow.example", connections=connections)

    sink = Sink(rules=[Rule(phase=Phase.RCPT, fault=Fault.HANG, recipient="reader*")])
    nurture = [to_the_domain(number, f"reader{number}") for number in range(40)]
    orders = [replace(to_the_domain(1_000 + number, "buyer"), is_awaited=True) for number in range(3)]

    with wire_to(sink) as wire, under_way(wire, nurture, sink):
        assert kinds(wire.fly(orders, nobody)) == ["Accepted"] * 3


def test_where_a_domain_bears_one_connection_an_order_is_the_next_on_it() -> None:
    def to_the_domain(number: int) -> Flight:
        return replace(flight(number), domain="slow.example", connections=1)

    goes_on, order = threading.Event(), replace(to_the_domain(1_000), is_awaited=True)
    came: list[str] = []

    def keep(_sender: str, recipient: str, _message: bytes) -> None:
        came.append(recipient)
        goes_on.wait(5)

    with wire_to(Sink(on_message=keep)) as wire:
        threads = [threading.Thread(target=wire.fly, args=([to_the_domain(number)], nobody)) for number in range(6)]
        for thread in threads:
            thread.start()
        while not came:
            time.sleep(0.01)
        waiting = threading.Thread(target=wire.fly, args=([order], nobody))
        waiting.start()
        waiting.join(0.1)
        goes_on.set()
        for thread in (*threads, waiting):
            thread.join(5)

    assert came.index(order.recipient) == 1


@contextmanager
def under_way(wire: Wire, nurture: list[Flight], sink: Sink) -> Iterator[None]:
    """All connections that it may have are with the server while the block lasts, in which none of it gets through."""
    sink.heard = heard = []
    thread = threading.Thread(target=wire.fly, args=(nurture, nobody), daemon=True)
    thread.start()
    while not any(line.startswith(b"RCPT") for line in heard):
        time.sleep(0.01)
    yield
    assert thread.is_alive()
    wire.close()
    thread.join()
