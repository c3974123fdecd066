"""A TCP proxy that spoils connections when a test says so; it stands before a database, Redis or a mail server.

    with proxied(("127.0.0.1", 2525)) as line:      # or the path of a Unix socket
        line.slow(up=0.01, down=0.01)               # 20 ms for a round trip
        line.cut(at=b"COMMIT", answer_is_lost=True)

All commands may be given from any thread and hold for open and coming connections. Run alone it only delays:
`python -m tests.services.proxy 127.0.0.1:2525 --delay 0.01`.
"""

import argparse
import asyncio
import contextlib
import selectors
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import cast

from tests.services.way import Way

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close at once, with a RST
PAUSE = 0.05  # seconds until a connection to a target that is away is given up

Target = tuple[str, int] | str


@dataclass(slots=True, kw_only=True)
class Cut:
    """How the next connection that fits is reset: after so many bytes of its client, or where it says `at`.

    What the client said up to there is passed on if the answer is to be lost; else what holds `at` never arrives.
    """

    at: bytes | None
    after: int | None
    answer_is_lost: bool


@dataclass(slots=True)
class Line:
    """The proxy, as a test commands it."""

    target: Target
    host: str = "127.0.0.1"
    port: int = 0
    up: float = 0.0  # seconds that a byte takes from the client to the server
    down: float = 0.0
    rate: float | None = None  # bytes a second, in each direction of each connection
    is_hanging: bool = False
    cuts: list[Cut] = field(default_factory=list)
    cut_so_far: int = 0
    opened_so_far: int = 0
    connections: set["Connection"] = field(default_factory=set)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _server: asyncio.Server | None = None

    def slow(self, *, up: float = 0.0, down: float = 0.0, rate: float | None = None) -> None:
        """From now on every byte takes so long; `rate` is how many go through in a second."""
        self.up, self.down, self.rate = up, down, rate

    def drop(self) -> None:
        """Close every connection, as a server does that is asked to stop."""
        self._do(lambda: [connection.close() for connection in tuple(self.connections)])

    def reset(self) -> None:
        """Reset every connection, as a host does that has lost its memory of it."""
        self._do(lambda: [connection.reset() for connection in tuple(self.connections)])

    def hang(self) -> None:
        """Take connections and bytes, pass nothing on, say nothing."""
        self._do(lambda: self._set_hanging(True))

    def refuse(self) -> None:
        """Close what is open and refuse new connections."""
        self._do(self._stop_listening)
        self.drop()

    def heal(self) -> None:
        """Everything as usual, at the same port."""
        self.slow()
        self.cuts.clear()
        self._do(lambda: self._set_hanging(False))
        self._wait(self.listen())

    def cut(self, *, at: bytes | None = None, after: int | None = None, answer_is_lost: bool = False, times: int = 1) -> None:
        self.cuts.extend(Cut(at=at, after=after, answer_is_lost=answer_is_lost) for _ in range(times))

    async def listen(self) -> None:
        if self._server is None:
            make = lambda: Half(Connection(self))  # noqa: E731
            self._server = await asyncio.get_running_loop().create_server(make, self.host, self.port, backlog=512)
            self.port = self._server.sockets[0].getsockname()[1]

    def _set_hanging(self, is_hanging: bool) -> None:
        self.is_hanging = is_hanging
        for connection in tuple(self.connections):
            connection.go_on()

    def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _do(self, work: Callable[[], object]) -> None:
        async def do() -> None:
            work()

        self._wait(do())

    def _wait(self, coroutine: "asyncio._CoroutineLike[None]") -> None:
        done: Future[None] = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        done.result(10)


class Connection:
    """A client's connection and the one to the target that belongs to it."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.client: asyncio.Transport | None = None
        self.server: asyncio.Transport | None = None
        self.up = Way(line, lambda: line.up, there=lambda: self.server, here=lambda: self.client)
        self.down = Way(line, lambda: line.down, there=lambda: self.client, here=lambda: self.server)
        self.said = 0  # bytes of the client
        self._tail = b""
        self.is_answer_lost = False

    async def reach_target(self) -> None:
        loop, target = asyncio.get_running_loop(), self.line.target
        make = lambda: Half(self, is_server=True)  # noqa: E731
        try:
            if isinstance(target, str):
                await loop.create_unix_connection(make, target)
            else:
                await loop.create_connection(make, *target)
        except OSError:
            loop.call_later(PAUSE, self.reset)

    def heard(self, data: bytes, *, of_server: bool) -> None:
        if of_server and self.is_answer_lost and not self.line.is_hanging:
            self.reset()
        elif of_server:
            self.down.carry(data)
        else:
            self._heard_of_client(data)

    def _heard_of_client(self, data: bytes) -> None:
        cut = next((cut for cut in self.line.cuts if self._is_struck(cut, data)), None)
        self.said += len(data)
        if cut is None:
            self._tail = (self._tail + data)[-64:]
            self.up.carry(data)
            return
        self.line.cuts.remove(cut)
        self.line.cut_so_far += 1
        self.is_answer_lost = cut.answer_is_lost
        if cut.answer_is_lost:
            self.up.carry(data)
        elif cut.after is not None:
            self.up.carry(data[: max(0, cut.after - self.said + len(data))])
            self.up.then(self.reset)
        else:
            self.reset()

    def _is_struck(self, cut: Cut, data: bytes) -> bool:
        if cut.at is not None:
            return cut.at in (self._tail[-len(cut.at) + 1 :] if len(cut.at) > 1 else b"") + data
        return cut.after is not None and self.said + len(data) > cut.after

    def go_on(self) -> None:
        self.up.go_on()
        self.down.go_on()

    def close(self) -> None:
        for transport in (self.client, self.server):
            if transport is not None:
                transport.close()
        self.line.connections.discard(self)

    def reset(self) -> None:
        for transport in (self.client, self.server):
            if transport is not None and not transport.is_closing():
                socket_of(transport).setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                transport.abort()
        self.line.connections.discard(self)


class Half(asyncio.Protocol):
    """One end of a connection, as the event loop calls it."""

    def __init__(self, connection: Connection, *, is_server: bool = False) -> None:
        self.connection = connection
        self.is_server = is_server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        made = cast(asyncio.Transport, transport)
        if socket_of(made).family != socket.AF_UNIX:
            socket_of(made).setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.is_server:
            self.connection.server = made
            self.connection.go_on()
            if self.connection.client is None or self.connection.client.is_closing():
                made.abort()
            return
        self.connection.client = made
        self.connection.line.connections.add(self.connection)
        self.connection.line.opened_so_far += 1
        self.reaching = asyncio.ensure_future(self.connection.reach_target())

    def data_received(self, data: bytes) -> None:
        self.connection.heard(data, of_server=self.is_server)

    def pause_writing(self) -> None:
        self._towards_us().wait_for_writing(True)

    def resume_writing(self) -> None:
        self._towards_us().wait_for_writing(False)

    def connection_lost(self, exc: Exception | None) -> None:
        """The other end learns of it when all that was said before has arrived; while the line hangs, nothing does."""
        from_us = self.connection.down if self.is_server else self.connection.up
        from_us.then(self.connection.reset if exc else self.connection.close)

    def _towards_us(self) -> Way:
        return self.connection.up if self.is_server else self.connection.down


def socket_of(transport: asyncio.Transport) -> socket.socket:
    return cast(socket.socket, transport.get_extra_info("socket"))


@contextlib.contextmanager
def proxied(target: Target) -> Iterator[Line]:
    """A line to `target` on a free port of this machine, on a thread of its own, for as long as the block lasts."""
    line = Line(target)
    thread = threading.Thread(target=line._loop.run_forever, name="proxy", daemon=True)
    thread.start()
    line._wait(line.listen())
    try:
        yield line
    finally:
        line.refuse()
        line._loop.call_soon_threadsafe(line._loop.stop)
        thread.join()
        line._loop.close()


async def serve(line: Line) -> None:
    await line.listen()
    print(f"proxy on {line.host}:{line.port}", flush=True)
    await asyncio.Event().wait()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.services.proxy", description="A TCP proxy that delays.")
    parser.add_argument("target", help="host:port")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one and prints it")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds in each direction: half of the round trip")
    parser.add_argument("--rate", type=float, help="bytes a second in each direction of each connection")
    given = parser.parse_args(arguments)
    host, _colon, port = given.target.rpartition(":")
    line = Line((host, int(port)), port=given.port, up=given.delay, down=given.delay, rate=given.rate)
    with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=punctual_loop) as runner:
        runner.run(serve(line))


def punctual_loop() -> asyncio.AbstractEventLoop:
    """`epoll` and `poll` wait for whole milliseconds, uvloop too; `select` does not."""
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


if __name__ == "__main__":
    main()
