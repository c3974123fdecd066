"""One wire to several relays: each mail through its own, each relay by itself, and no more at once than a domain bears."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.deliver.channel import Channel, Timeouts
from engine.deliver.places import LOAD, MOST_IN_DOUBT, Places
from engine.deliver.pool import Away, Pool, Reuse
from engine.deliver.smtp import open_wires, pool_of, relay_of
from engine.deliver.watch import Watch
from engine.deliver.wire import Accepted, Deferred, Flight, Outcome, Wire
from engine.deliver.wires import PooledWire, loads_of
from engine.errors import SettingsError
from engine.simulate.sink import Sink, running
from engine.simulate.sink_rules import Fault, Phase, Rule
from tests.deliver.wires import PATIENT, SHORT, flight, kinds, nobody


def through(relay: str, *numbers: int, domain: str = "mail.example", connections: int | None = None) -> list[Flight]:
    return [
        replace(flight(number, recipient=f"reader{number}@{domain}"), relay=relay, domain=domain, connections=connections)
        for number in numbers
    ]


@contextmanager
def wire_over(urls: dict[str, str], timeouts: Timeouts = SHORT) -> Iterator[Wire]:
    wire = open_wires(urls, timeouts=timeouts)
    try:
        yield wire
    finally:
        wire.close()


@contextmanager
def sinks(*names: str) -> Iterator[dict[str, Sink]]:
    with ExitStack() as stack:
        yield {name: stack.enter_context(running(Sink(heard=[]))) for name in names}


def calls(sink: Sink) -> int:
    """How many connections it has seen."""
    return sum(line.startswith(b"EHLO") for line in sink.heard or [])


def test_each_mail_goes_through_its_relay_and_is_answered_in_its_place() -> None:
    mixed = [mail for number in range(20) for mail in through("ab"[number % 2], number)]

    refusing = Sink(rules=[Rule(phase=Phase.RCPT, fault=Fault.REPLY, code=550, times=None)])
    with sinks("a") as by_name, running(refusing), wire_over({"a": by_name["a"].url, "b": refusing.url}) as wire:
        outcomes = kinds(wire.fly(mixed, nobody))

    assert outcomes == ["Accepted", "Refused"] * 10
    assert (by_name["a"].kept, refusing.kept) == (10, 0)


def test_a_relay_that_is_away_takes_no_other_with_it() -> None:
    with sinks("here") as by_name, wire_over({"here": by_name["here"].url, "away": "smtp://127.0.0.1:9"}) as wire:
        outcomes = wire.fly([*through("away", 1, 2), *through("here", 3)], nobody)

    assert kinds(outcomes) == ["Deferred", "Deferred", "Accepted"]
    assert all(isinstance(outcome, Deferred) and outcome.is_unreached for outcome in outcomes[:2])


def test_a_relay_that_hangs_takes_no_other_with_it() -> None:
    hanging = Sink(rules=[Rule(phase=Phase.CONNECT, fault=Fault.HANG)])

    with (
        running(hanging),
        sinks("here") as by_name,
        wire_over({"here": by_name["here"].url, "away": hanging.url}, PATIENT) as wire,
    ):
        threading.Thread(target=wire.fly, args=(through("away", *range(100)), nobody), daemon=True).start()
        began = time.monotonic()
        outcomes = wire.fly(through("here", 200), nobody)
        took = time.monotonic() - began

    assert kinds(outcomes) == ["Accepted"]
    assert took < PATIENT.connect / 2


def test_a_relay_without_an_address_is_told_as_one_that_is_away() -> None:
    with wire_over({}) as wire:
        [outcome] = wire.fly(through("new", 1), nobody)

    assert isinstance(outcome, Deferred) and outcome.is_unreached
    assert outcome.reply == "this process has no address of the relay new"


def test_a_relay_that_could_not_be_reached_is_spared_for_a_moment() -> None:
    with counting_server() as (port, called), wire_over({"a": f"smtp://127.0.0.1:{port}"}) as wire:
        first = kinds(wire.fly(through("a", *range(40)), nobody))
        once = len(called)
        again = kinds(wire.fly(through("a", 50), nobody))

        assert (set(first), again) == ({"Deferred"}, ["Deferred"])
        assert once == len(called) <= 40 // LOAD  # one for each load, and no more


def test_a_relay_that_comes_back_is_used_again_by_the_same_wire() -> None:
    with running(Sink()) as sink:
        url = sink.url
    with wire_over({"a": url}) as wire:
        assert kinds(wire.fly(through("a", 1), nobody)) == ["Deferred"]
        with running(Sink(), port=int(url.rpartition(":")[2])) as back:
            assert eventually(lambda: kinds(wire.fly(through("a", 2), nobody)) == ["Accepted"])

    assert back.kept == 1


def test_a_relay_that_was_away_for_long_is_called_again_as_soon_as_one_that_was_not() -> None:
    """Else the one mail that finds out whether it is well would be told what was so ten seconds ago."""
    away, answer, now = Away(), Deferred(code=None, reply="refused"), 100.0

    for _ in range(10):
        away.note(answer, now, now)
        until = away.until
        away.note(answer, now, now + 60)  # a call that was under way at the same time
        assert until == away.until and 0.4 <= until - now <= 0.6
        now = until


def test_mail_for_a_domain_with_a_limit_is_under_way_on_so_many_connections_only() -> None:
    limited = through("a", *range(40), domain="gmail.example", connections=2)
    others = through("a", *range(40, 40 + LOAD), domain="web.example")

    with sinks("a") as by_name, wire_over({"a": by_name["a"].url}) as wire:
        outcomes = kinds(wire.fly([*limited[:20], *others, *limited[20:]], nobody))

    assert outcomes == ["Accepted"] * (40 + LOAD)
    assert calls(by_name["a"]) <= 2


def test_the_limit_of_a_domain_holds_over_all_relays_and_threads() -> None:
    most_at_once: list[int] = []

    with at_once_at_two_relays(most_at_once) as wire:
        threads = [
            threading.Thread(target=wire.fly, args=(through(relay, *numbers, domain="slow.example", connections=3), nobody))
            for relay, numbers in (("a", range(24)), ("b", range(24, 48)), ("a", range(48, 72)))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert len(most_at_once) == 72 // LOAD
    assert max(most_at_once) == 2  # of three that it bears, since one is kept for what somebody waits for


flights = st.lists(
    st.builds(
        lambda number, relay, domain: replace(
            flight(number), relay=relay, domain=domain, connections=2 if domain == "limited.example" else None
        ),
        st.integers(1, 10**6),
        st.sampled_from("abc"),
        st.sampled_from(["limited.example", "free.example", "other.example"]),
    ),
    max_size=60,
)


@given(flights)
@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
def test_a_load_has_one_relay_and_each_mail_is_in_one(some: Sequence[Flight]) -> None:
    loads = list(loads_of(some))

    assert sorted(at for load in loads for at in load) == list(range(len(some)))
    assert all(1 <= len(load) <= LOAD and len({some[at].relay for at in load}) == 1 for load in loads)
    for relay in "abc":  # mails of a limited domain share as few connections as they can, and no other goes with them
        own = [load for load in loads if some[load[0]].relay == relay]
        limited = [load for load in own if any(some[at].connections for at in load)]
        assert len(limited) == -(-sum(some[at].connections is not None for load in own for at in load) // LOAD)
        assert all(len(load) == 1 for load in own if load not in limited)


def test_places_are_counted_for_each_relay() -> None:
    places = Places({"a": 2, "b": 16})
    held, tried = threading.Event(), threading.Event()

    def wait_for_a() -> None:
        with places.held("a", 1):
            tried.set()

    with places.held("a", 2 * MOST_IN_DOUBT):
        waiting = threading.Thread(target=wait_for_a, daemon=True)
        waiting.start()
        with places.held("b", 16 * MOST_IN_DOUBT), places.held("unknown", 99):
            held.set()
        assert not tried.wait(0.05)
    waiting.join(1)

    assert held.is_set() and tried.is_set()
    assert (places.batch_for("a"), places.batch_for("b")) == (12, 64)
    assert (places.reach("a"), places.reach("c"), Places(4).reach("c")) == (True, False, True)


def test_a_mail_waits_until_there_is_room_for_it() -> None:
    places, tried = Places(16), threading.Event()

    def wait_for_room() -> None:
        with places.held("a", 1):
            tried.set()

    with places.held("a", 192):
        waiting = threading.Thread(target=wait_for_room, daemon=True)
        waiting.start()
        assert not tried.wait(0.05)
    assert tried.wait(5)


def test_a_url_says_how_long_a_connection_is_used() -> None:
    relay = relay_of("smtp://127.0.0.1:25?connections=4&messages=20&life=60")

    assert relay.reuse == Reuse(connections=4, most_messages=20, longest_life=60)
    assert relay_of("smtp://127.0.0.1:25").reuse == Reuse()


@pytest.mark.parametrize("option", ["messages=0", "life=x", "connections=-1", "conections=4", "life=9999999999"])
def test_an_option_of_a_url_that_cannot_be_is_told_with_its_setting(option: str) -> None:
    with pytest.raises(SettingsError, match=f"HANDRAISER_SMTP_URL_BULK says {option.partition('=')[0]}"):
        pool_of("bulk", f"smtp://127.0.0.1:25?{option}")


def test_a_connection_is_used_for_so_many_messages() -> None:
    with sinks("a") as by_name, wire_over({"a": by_name["a"].url + "?messages=8&connections=1"}) as wire:
        assert kinds(wire.fly(through("a", *range(24)), nobody)) == ["Accepted"] * 24

    assert calls(by_name["a"]) == 3


def eventually(asked: Callable[[], bool], patience: float = 5.0) -> bool:
    until = time.monotonic() + patience
    while time.monotonic() < until:
        if asked():
            return True
        time.sleep(0.05)
    return False


@contextmanager
def counting_server() -> Iterator[tuple[int, list[int]]]:
    """It takes each call and hangs up."""
    called: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                called.append(1)
                connection.close()

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1], called


@contextmanager
def at_once_at_two_relays(most: list[int]) -> Iterator[Wire]:
    """Two relays that take their time; for each load it is noted how many were under way with it."""
    under_way = 0

    class Slow(Pool):
        async def fly(self, flights: Sequence[Flight], watch: Watch) -> list[Outcome]:
            nonlocal under_way
            under_way += 1
            await asyncio.sleep(0.01)
            most.append(under_way)
            under_way -= 1
            return [Accepted(code=250, reply="ok")] * len(flights)

    async def never() -> Channel:
        raise AssertionError

    wire = PooledWire({name: Slow(name, never, timeouts=SHORT, reuse=Reuse()) for name in "ab"})
    try:
        yield wire
    finally:
        wire.close()
