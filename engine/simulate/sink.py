"""A mail server that keeps what it is sent to itself: for the demo, the outbox, the tests and the benchmarks.

Listens on loopback only and delivers to nobody. It speaks real SMTP, can be told to fail at any phase for any recipient
(`engine.simulate.sink_rules`), and may keep an fsynced journal, which a test joins with the ledger after a crash.
Run alone: `python -m engine.simulate.sink --port 2525 --journal accepted.jsonl`.
"""

import argparse
import asyncio
import contextlib
import json
import os
import re
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from engine.clock import HostClock
from engine.deliver.wires import new_loop
from engine.errors import UsageError
from engine.settings import is_loopback
from engine.simulate.sink_rules import Phase, Rule, fate_of
from engine.simulate.sink_session import Session

EXTENSIONS = ("PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES", "SIZE 25000000")
MESSAGE_ID = re.compile(rb"^message-id:\s*<([^@>]*)", re.IGNORECASE | re.MULTILINE)

OnMessage = Callable[[str, str, bytes], None]  # envelope sender, recipient, message


@dataclass(slots=True, kw_only=True)
class Sink:
    """What the server does with what it is sent.

    `journal`: gets a line for each message kept, on disk before its 250 unless `fsync` is off. `obeys_addresses`: recipients
    choose their fate by their own address. `heard`: every command, when a list is given. `tls`: encrypted from the first byte.
    """

    rules: Sequence[Rule] = ()
    on_message: OnMessage | None = None
    journal: Path | None = None
    fsync: bool = True
    obeys_addresses: bool = False
    extensions: tuple[str, ...] = EXTENSIONS
    heard: list[bytes] | None = None
    tls: ssl.SSLContext | None = None
    kept: int = 0
    port: int = 0
    _file: int | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        return f"smtp{'s' if self.tls else ''}://127.0.0.1:{self.port}"

    async def listen(self, *, host: str = "127.0.0.1", port: int = 0) -> asyncio.Server:
        """Take connections; `port` then says where. Raises UsageError for an address that others could reach."""
        if not is_loopback(host):
            raise UsageError(f"the sink would listen on {host}; it takes any mail, so it listens on loopback only")
        server = await asyncio.get_running_loop().create_server(lambda: Session(self), host, port, ssl=self.tls, backlog=512)
        self.port = server.sockets[0].getsockname()[1]
        return server

    def rule_at(self, phase: Phase, recipient: str = "") -> Rule | None:
        for rule in self.rules:
            if rule.strikes(phase, recipient):
                return rule
        chosen = fate_of(recipient) if self.obeys_addresses else None
        return chosen if chosen is not None and chosen.phase == phase else None

    def keep(self, envelope_from: str, recipient: str, message: bytes) -> None:
        self.kept += 1
        if self.journal is not None:
            self._write_down(self.journal, recipient, message)
        if self.on_message is not None:
            self.on_message(envelope_from, recipient, message)

    def hear(self, line: bytes) -> None:
        if self.heard is not None:
            self.heard.append(line)

    def _write_down(self, journal: Path, recipient: str, message: bytes) -> None:
        if self._file is None:
            self._file = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(self._file, json.dumps(journal_line(recipient, message)).encode() + b"\n")
        if self.fsync:
            os.fdatasync(self._file)


def journal_line(recipient: str, message: bytes) -> dict[str, object]:
    """`token`: what our Message-ID begins with; whoever has the key reads the send's id from it."""
    found = MESSAGE_ID.search(message)
    return {
        "token": found.group(1).decode("ascii", "replace") if found else None,
        "to": recipient,
        "sha256": sha256(message).hexdigest(),
        "bytes": len(message),
        "at": HostClock().now().isoformat(),
    }


@contextlib.contextmanager
def running(sink: Sink, *, port: int = 0) -> Iterator[Sink]:
    """The sink on a thread of its own, for as long as the block lasts."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="sink", daemon=True)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(sink.listen(port=port), loop).result()
    try:
        yield sink
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def serve(sink: Sink, port: int) -> None:
    server = await sink.listen(port=port)
    print(f"sink on {sink.url}", flush=True)
    async with server:
        await server.serve_forever()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m engine.simulate.sink", description="A mail server that delivers to nobody.")
    parser.add_argument("--port", type=int, default=2525, help="0 takes a free one and prints it")
    parser.add_argument("--journal", type=Path, help="append a JSON line for each message kept")
    parser.add_argument("--no-fsync", action="store_true", help="do not wait for the disk before each 250")
    parser.add_argument("--obey-addresses", action="store_true", help="dana+rcpt-550@… is refused, dana+dot-drop@… dropped")
    parser.add_argument("--chunking", action="store_true", help="offer CHUNKING (BDAT)")
    given = parser.parse_args(arguments)
    sink = Sink(
        journal=given.journal,
        fsync=not given.no_fsync,
        obeys_addresses=given.obey_addresses,
        extensions=(*EXTENSIONS, *(["CHUNKING"] if given.chunking else [])),
    )
    with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(serve(sink, given.port))


if __name__ == "__main__":
    main()
