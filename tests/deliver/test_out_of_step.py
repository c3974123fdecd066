"""A server that says a line too much: what it says of one mail is never taken for what it says of another."""

import socketserver
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product

import pytest

from engine.deliver.pool import Reuse
from engine.deliver.smtp import open_wire
from engine.deliver.wire import Accepted, Deferred, NotBegun, Outcome, Wire
from tests.deliver.wires import SHORT, flight, nobody

WAYS = {"pipelined": ("PIPELINING",), "step by step": (), "by chunks": ("PIPELINING", "CHUNKING")}
MAILS = 4


@dataclass
class Babbler:
    """Takes the mails with an even number and refuses the others at their end. After its `at`-th answer to `verb` it says `extra`
    as well.
    """

    extensions: tuple[str, ...]
    verb: str
    extra: str
    at: int
    kept: list[str] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    said: int = 0


class Session(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.recipient, self.size = "", 0
        self.say("", "220 babbler.example")
        while line := self.rfile.readline():
            words = line.decode().split()
            self.babbler.heard.append(words[0])
            match words[0]:
                case "EHLO":
                    names = ("babbler.example", *self.babbler.extensions)
                    self.say("EHLO", *(f"250{' ' if name is names[-1] else '-'}{name}" for name in names))
                case "RCPT":
                    self.recipient = words[1].partition("<")[2].partition(">")[0]
                    self.say("RCPT", "250 2.1.5 ok")
                case "DATA":
                    self.say("DATA", "354 go on")
                    while (line := self.rfile.readline()) not in (b".\r\n", b""):
                        pass
                    if line:
                        self.end("dot")
                case "BDAT":
                    if len(self.rfile.read(int(words[1]))) == int(words[1]):
                        self.end("dot") if words[-1] == "LAST" else self.say("BDAT", "250 2.0.0 more")
                case "QUIT":
                    return
                case verb:
                    self.say(verb, "250 2.0.0 ok")

    def end(self, verb: str) -> None:
        is_even = self.recipient[len("reader")] in "02468"
        if is_even:
            self.babbler.kept.append(self.recipient)
        self.say(verb, "250 2.0.0 kept" if is_even else "550 5.6.0 not this one")

    def say(self, verb: str, *lines: str) -> None:
        self.babbler.said += verb == self.babbler.verb
        if verb == self.babbler.verb and self.babbler.said == self.babbler.at:
            lines = (*lines, self.babbler.extra)
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())

    @property
    def babbler(self) -> Babbler:
        return self.server.babbler  # type: ignore[attr-defined,no-any-return]


@contextmanager
def listening(babbler: Babbler) -> Iterator[str]:
    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Session) as server:
        server.babbler = babbler  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"smtp://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def wire_to(babbler: Babbler) -> Iterator[Wire]:
    with listening(babbler) as url:
        wire = open_wire(url, timeouts=SHORT, reuse=Reuse(connections=1))
        try:
            yield wire
        finally:
            wire.close()


def flown(wire: Wire) -> dict[str, Outcome]:
    flights = [flight(number) for number in range(1, MAILS + 1)]
    return dict(zip((each.recipient for each in flights), wire.fly(flights, nobody), strict=True))


EXTRA = ["250 2.0.0 ok", "354 go on", "451 4.3.0 hm", "550 5.7.1 no"]
FOUND_OUT = [
    *product(["pipelined", "step by step"], ["EHLO", "MAIL", "RCPT", "DATA", "RSET", "dot"]),
    *product(["by chunks"], ["EHLO", "BDAT"]),
]


@pytest.mark.parametrize("at", [1, 2])
@pytest.mark.parametrize("extra", EXTRA)
@pytest.mark.parametrize(("way", "verb"), FOUND_OUT)
def test_what_is_said_too_much_is_no_answer_to_a_text(way: str, verb: str, extra: str, at: int) -> None:
    babbler = Babbler(extensions=WAYS[way], verb=verb, extra=extra, at=at)

    with wire_to(babbler) as wire:
        outcomes = flown(wire)

    accepted = {recipient for recipient, outcome in outcomes.items() if isinstance(outcome, Accepted)}
    tried_again = {recipient for recipient, outcome in outcomes.items() if isinstance(outcome, Deferred | NotBegun)}
    assert accepted <= set(babbler.kept)
    assert not tried_again & set(babbler.kept)


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "RSET", "dot"])
def test_one_that_says_too_much_among_texts_written_ahead_gets_them_by_data_from_then_on(verb: str) -> None:
    """All answers to BDAT are alike, so it is found out where nothing more is to be heard."""
    babbler = Babbler(extensions=WAYS["by chunks"], verb=verb, extra="250 2.0.0 ok", at=2)

    with wire_to(babbler) as wire:
        flown(wire)
        asked_before = Counter(babbler.heard)
        flown(wire)

    assert asked_before["DATA"] == 0
    assert Counter(babbler.heard)["BDAT"] == asked_before["BDAT"]
    assert babbler.kept[-2:] == ["reader2@mail.example", "reader4@mail.example"]
