"""Calling a relay: the first of its addresses that answers is taken, and one at which nobody does is given up soon."""

import asyncio
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from time import monotonic

import pytest

from engine.deliver.channel import Timeouts
from engine.deliver.connect import Relay, open_channel
from engine.deliver.pool import NoConnectionError, Reuse
from engine.deliver.wire import Deferred
from engine.simulate.sink import Sink, running
from engine.vocabulary import SmtpPhase

LEADS_NOWHERE, HERE = "127.0.0.2", "127.0.0.1"
NO_ANSWER = 0.2


@contextmanager
def swallowing(port: int) -> Iterator[None]:
    """Whoever calls there hears nothing: the kernel drops the first packet where too many wait to be taken."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server((LEADS_NOWHERE, port), backlog=0))
        while not is_full(stack, listener.getsockname()):
            pass
        yield


def is_full(stack: ExitStack, address: tuple[str, int]) -> bool:
    caller = stack.enter_context(socket.socket())
    caller.settimeout(NO_ANSWER)
    try:
        caller.connect(address)
    except TimeoutError:
        return True
    return False


def known_as(monkeypatch: pytest.MonkeyPatch, *hosts: str) -> None:
    """The DNS has these addresses for any name."""

    def answer(_host: str, port: int, *_more: object, **_kinds: object) -> Sequence[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port)) for host in hosts]

    monkeypatch.setattr(socket, "getaddrinfo", answer)


def call(port: int, timeouts: Timeouts) -> float:
    """How long it takes until there is a connection. Raises NoConnectionError."""
    relay = Relay(host="relay.example", port=port, login=None, tls="none", reuse=Reuse())

    async def open_and_leave() -> None:
        channel = await open_channel(relay, timeouts, "localhost")
        line = channel._transport.get_extra_info("socket")
        assert line.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY), "or each small packet waits for the last one's answer"
        channel.leave()

    began = monotonic()
    asyncio.run(open_and_leave())
    return monotonic() - began


def test_an_address_that_leads_nowhere_holds_up_no_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(Sink()) as sink, swallowing(sink.port):
        known_as(monkeypatch, LEADS_NOWHERE, HERE)
        took = call(sink.port, Timeouts(call=10, connect=10))

    assert took < 5


def test_a_machine_that_does_not_answer_is_given_up_before_a_greeting_would_be(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(Sink()) as sink, swallowing(sink.port):
        known_as(monkeypatch, LEADS_NOWHERE)
        with pytest.raises(NoConnectionError) as told:
            call(sink.port, Timeouts(call=NO_ANSWER, connect=60))

    outcome = told.value.outcome
    assert isinstance(outcome, Deferred) and outcome.phase == SmtpPhase.CONNECT
    assert f"relay.example:{sink.port} does not answer" in outcome.reply


def test_where_nobody_listens_at_any_address_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server((HERE, 0)) as taken:
        port = taken.getsockname()[1]
    known_as(monkeypatch, LEADS_NOWHERE, HERE)

    with pytest.raises(NoConnectionError, match=f"nobody listens at relay.example:{port}"):
        call(port, Timeouts())
