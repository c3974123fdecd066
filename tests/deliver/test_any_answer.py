"""A server that answers anything at all, in turn: what it took is accepted or in doubt, and nothing else is accepted."""

import socketserver
import threading
from collections.abc import Sequence
from contextlib import suppress
from random import Random

import pytest

from engine.deliver.channel import Timeouts
from engine.deliver.pool import Reuse
from engine.deliver.smtp import open_wire
from engine.deliver.wire import Accepted, Deferred, NotBegun, OurFault, Outcome
from tests.deliver.wires import flight, nobody

WAYS = ((), ("PIPELINING",), ("PIPELINING", "CHUNKING"), ("PIPELINING", "CHUNKING", "8BITMIME", "SMTPUTF8", "SIZE 1000000"))
CODES = (0, 199, 220, 250, 251, 334, 354, 450, 452, 500, 502, 550, 552, 554, 600, 999)
NO_REPLIES = (b"garbage\r\n", b"\xff\x00\r\n", b"2" * 9_000, b"250-more\r\n" * 10_000)
BRIEF = Timeouts(connect=1, command=0.5, data=0.5, block=0.5, dot=0.5)
MAILS = 24


class Server(socketserver.ThreadingTCPServer):
    """Keeps to the order of SMTP (no text without a recipient) and answers each command once; `oddness`: how often oddly."""

    request_queue_size = 50

    def __init__(self, chance: Random) -> None:
        super().__init__(("127.0.0.1", 0), Session)
        self.chance = chance
        self.extensions = chance.choice(WAYS)
        self.oddness = chance.choice((0.02, 0.1, 0.2))
        self.kept: set[str] = set()


class Session(socketserver.StreamRequestHandler):
    server: Server

    def handle(self) -> None:
        with suppress(ConnectionError):
            self.converse()

    def converse(self) -> None:
        self.sender_stands, self.recipient = False, ""
        if not self.says_yes(220):
            return
        while line := self.rfile.readline():
            words = line.decode("ascii").split()
            match words[0]:
                case "EHLO":
                    self.greet()
                case "MAIL":
                    self.sender_stands, self.recipient = self.says_yes(), ""
                case "RCPT":
                    named = line.decode().partition("<")[2].partition(">")[0]
                    self.recipient = named if self.says_yes() and self.sender_stands else ""
                case "DATA" if not self.recipient:
                    self.wfile.write(b"503 5.5.1 no recipient\r\n")
                case "DATA":
                    if self.answer(354) == 354:
                        self.take_text()
                case "BDAT":
                    self.take_chunk(int(words[1]), is_last=words[-1] == "LAST")
                case "RSET":
                    self.sender_stands, self.recipient = False, ""
                    self.answer(250)
                case "QUIT":
                    return

    def greet(self) -> None:
        if self.server.chance.random() < self.server.oddness:
            self.answer(250)
            return
        names = ("any.example", *self.server.extensions)
        self.wfile.write("".join(f"250{' ' if name is names[-1] else '-'}{name}\r\n" for name in names).encode())

    def take_text(self) -> None:
        while (line := self.rfile.readline()) != b".\r\n":
            if not line:
                raise ConnectionError
        self.end_text()

    def take_chunk(self, size: int, *, is_last: bool) -> None:
        if len(self.rfile.read(size)) < size:
            raise ConnectionError
        if not self.recipient:
            self.wfile.write(b"503 5.5.1 no recipient\r\n")
        elif is_last:
            self.end_text()
        elif not self.says_yes():
            self.recipient = ""

    def end_text(self) -> None:
        recipient, self.recipient, self.sender_stands = self.recipient, "", False
        if self.says_yes():
            self.server.kept.add(recipient)

    def says_yes(self, usual: int = 250) -> bool:
        return 200 <= self.answer(usual) < 300

    def answer(self, usual: int) -> int:
        """The code that was said; 0 for what is no reply."""
        chance = self.server.chance
        if chance.random() >= self.server.oddness:
            self.wfile.write(b"%d 2.0.0 ok\r\n" % usual)
            return usual
        kind = chance.random()
        if kind < 0.02:
            raise ConnectionError
        if kind < 0.05:
            self.wfile.write(b"421 4.3.2 bye\r\n")
            raise ConnectionError
        if kind < 0.08:
            self.wfile.write(chance.choice(NO_REPLIES))
            return 0
        code = chance.choice(CODES)
        words = chance.choice(("%03d", "%03d 2.0.0 \0\x1b\xe9", "%03d 5.1.1 who?", "%03d-5.1.1 a\r\n%03d-\0\r\n%03d "))
        self.wfile.write((words.replace("%03d", f"{code:03d}") + "\r\n").encode("latin-1"))
        return code


def flown(server: Server) -> Sequence[tuple[str, Outcome]]:
    flights = [flight(number) for number in range(MAILS)]
    url = f"smtp://127.0.0.1:{server.server_address[1]}"
    wire = open_wire(url, timeouts=BRIEF, reuse=Reuse(connections=server.chance.choice((1, 3))))
    try:
        return list(zip((each.recipient for each in flights), wire.fly(flights, nobody), strict=True))
    finally:
        wire.close()


def test_whatever_it_answers_what_it_took_is_never_sent_again(
    pytestconfig: pytest.Config, caplog: pytest.LogCaptureFixture
) -> None:
    for seed in range(1_000 if pytestconfig.getoption("--full") else 40):
        with Server(Random(seed)) as server:
            serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            serving.start()
            try:
                outcomes = flown(server)
            finally:
                server.shutdown()
                serving.join()

        accepted = {recipient for recipient, outcome in outcomes if isinstance(outcome, Accepted)}
        tried_again = {recipient for recipient, outcome in outcomes if isinstance(outcome, Deferred | NotBegun | OurFault)}
        assert accepted <= server.kept, f"seed {seed}"
        assert not tried_again & server.kept, f"seed {seed}"
        assert not [record for record in caplog.records if record.exc_info], f"seed {seed}"
