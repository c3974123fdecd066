"""One client of the sink: enough of SMTP (RFC 5321, with 2920 and 3030: PIPELINING, CHUNKING), failing where a rule says so.

Before: `engine.simulate.sink` listens and makes one for each connection. After: it keeps what was accepted.
"""

import asyncio
import re
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, cast

from engine.simulate.sink_rules import Fault, Phase, Rule

HANGS_FOR = 10.0  # seconds
END = b"\r\n.\r\n"
PATH = re.compile(rb"<([^>]*)>")
GO_ON = b"250 2.0.0 go on\r\n"
CHUNK = re.compile(rb"BDAT (\d{1,10})( LAST)?", re.IGNORECASE)


@dataclass(slots=True, kw_only=True)
class Chunk:
    """What a BDAT announced. `is_refused`: as it was announced; it is read and forgotten."""

    size: int
    is_last: bool
    is_refused: bool


class Host(Protocol):
    """What a session needs of its sink."""

    extensions: tuple[str, ...]

    def rule_at(self, phase: Phase, recipient: str = "") -> Rule | None: ...
    def keep(self, envelope_from: str, recipient: str, message: bytes) -> None: ...
    def hear(self, line: bytes) -> None: ...


class Session(asyncio.Protocol):
    """Commands that come in one packet are answered in one."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._buffer = bytearray()
        self._searched = 0
        self._in_body = False
        self._body_was_judged = False  # the rule of MID_BODY was asked
        self._is_answered_early = False
        self._is_deaf = False  # hanging, or gone
        self._answers: list[bytes] = []
        self._trickle: bytearray | None = None
        self._reset()

    def _reset(self) -> None:
        self._sender: str | None = None
        self._recipient: str | None = None
        self._chunk: Chunk | None = None
        self._chunks: list[bytes] = []  # those before the last

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's do not inherit from it
        self._answer(Phase.CONNECT, b"220 sink.localhost ESMTP\r\n")
        self._flush()

    def data_received(self, data: bytes) -> None:
        if self._is_deaf:
            return
        self._buffer += data
        while not self._is_deaf and self._take_next():
            pass
        self._flush()

    def _take_next(self) -> bool:
        """Take what comes next in the buffer; False when that is not there yet."""
        if self._chunk is not None:
            return self._take_chunk(self._chunk)
        return self._take_body() if self._in_body else self._take_command()

    def _take_command(self) -> bool:
        """Answer the next command in the buffer; False when there is no whole one."""
        end = self._buffer.find(b"\r\n")
        if end < 0:
            return False
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        self._host.hear(line)
        answer = COMMANDS.get(line[:4].upper())
        if answer is None:
            self._say(b"502 5.5.1 not implemented\r\n")
        else:
            answer(self, line)
        return True

    def _hello(self, line: bytes) -> None:
        lines = ["sink.localhost", *(self._host.extensions if line[:1] in b"eE" else ())]
        said = [f"250{' ' if at == len(lines) - 1 else '-'}{text}\r\n" for at, text in enumerate(lines)]
        self._answer(Phase.EHLO, "".join(said).encode())

    def _mail(self, line: bytes) -> None:
        path = PATH.search(line)
        if path is None:
            self._say(b"501 5.5.4 syntax\r\n")
        elif self._sender is not None:
            self._say(b"503 5.5.1 nested MAIL\r\n")
        elif self._answer(Phase.MAIL, b"250 2.1.0 ok\r\n"):
            self._sender = path.group(1).decode("utf-8", "replace")

    def _rcpt(self, line: bytes) -> None:
        path = PATH.search(line)
        if path is None or self._sender is None:
            self._say(b"503 5.5.1 MAIL first\r\n")
            return
        recipient = path.group(1).decode("utf-8", "replace")
        if self._answer(Phase.RCPT, b"250 2.1.5 ok\r\n", recipient):
            self._recipient = recipient

    def _data(self, _line: bytes) -> None:
        if self._recipient is None:
            self._say(b"503 5.5.1 RCPT first\r\n")
        elif self._answer(Phase.DATA, b"354 go on\r\n", self._recipient):
            self._in_body, self._body_was_judged, self._searched = True, False, 0
            self._buffer[:0] = b"\r\n"  # so that the dot of an empty body is found as any other

    def _bdat(self, line: bytes) -> None:
        asked = CHUNK.fullmatch(line)
        if asked is None:
            self._say(b"501 5.5.4 syntax\r\n")
            self._hang_up()  # nobody knows where the next command begins
            return
        is_last = asked[2] is not None
        if self._recipient is None:
            self._say(b"503 5.5.1 RCPT first\r\n")
        is_refused = self._recipient is None or (is_last and not self._chunks and not self._begins_text(b""))
        self._chunk = Chunk(size=int(asked[1]), is_last=is_last, is_refused=is_refused)
        self._body_was_judged = self._is_answered_early = False

    def _begins_text(self, usual: bytes) -> bool:
        """Whether the sink goes on to take the text, which it may refuse where DATA is refused."""
        return self._answer(Phase.DATA, usual, self._recipient or "")

    def _take_chunk(self, chunk: Chunk) -> bool:
        if self._buffer and chunk.is_last and not chunk.is_refused and not self._body_was_judged:
            self._body_was_judged = True
            self._is_answered_early = not self._answer(Phase.MID_BODY, b"", self._recipient or "")
        if self._is_deaf or len(self._buffer) < chunk.size:
            return False
        octets = bytes(self._buffer[: chunk.size])
        del self._buffer[: chunk.size]
        self._chunk = None
        self._end_chunk(chunk, octets)
        return True

    def _end_chunk(self, chunk: Chunk, octets: bytes) -> None:
        """After a refusal the transaction stays open, as some servers have it."""
        if chunk.is_refused:
            return
        if chunk.is_last:
            self._end_body(b"".join((*self._chunks, octets)))
            return
        if self._chunks:
            self._say(GO_ON)
        if self._chunks or self._begins_text(GO_ON):
            self._chunks.append(octets)

    def _rset(self, _line: bytes) -> None:
        self._reset()
        self._say(b"250 2.0.0 ok\r\n")

    def _noop(self, _line: bytes) -> None:
        self._say(b"250 2.0.0 ok\r\n")

    def _quit(self, _line: bytes) -> None:
        self._say(b"221 2.0.0 bye\r\n")
        self._hang_up()

    def _take_body(self) -> bool:
        """Take the rest of the body; False when its end is not there yet."""
        if len(self._buffer) > len(b"\r\n") and not self._body_was_judged:
            self._body_was_judged = True
            self._is_answered_early = not self._answer(Phase.MID_BODY, b"", self._recipient or "")
            if self._is_deaf:
                return False
        end = self._buffer.find(END, self._searched)
        if end < 0:
            self._searched = max(0, len(self._buffer) - len(END))
            return False
        message = bytes(self._buffer[: end + 2]).replace(b"\r\n..", b"\r\n.")[2:]
        del self._buffer[: end + len(END)]
        self._in_body = False
        self._end_body(message)
        return True

    def _end_body(self, message: bytes) -> None:
        sender, recipient = self._sender or "", self._recipient or ""
        self._reset()
        if self._is_answered_early or not self._answer(Phase.DOT, b"", recipient):
            return
        self._host.keep(sender, recipient, message)
        if self._answer(Phase.ACCEPTED, b"250 2.0.0 ok: kept\r\n", recipient):
            self._answer(Phase.AFTER_250, b"", recipient)

    def _answer(self, phase: Phase, usual: bytes, recipient: str = "") -> bool:
        """Answer as usual, or as a rule says. Whether the session goes on as usual."""
        rule = self._host.rule_at(phase, recipient)
        if rule is None:
            self._say(usual)
            return True
        self._fail(rule, phase, usual)
        return rule.fault == Fault.SLOW

    def _fail(self, rule: Rule, phase: Phase, usual: bytes) -> None:
        match rule.fault:
            case Fault.REPLY:
                self._say(f"{rule.code} {rule.text}\r\n".encode())
            case Fault.CLOSING:
                self._say(b"421 4.3.2 closing\r\n")
                self._hang_up()
            case Fault.REPLY_THEN_DROP:
                self._say(usual)
                self._hang_up()
            case Fault.DROP:
                self._hang_up()
            case Fault.RESET:
                self._tear_down()
            case Fault.HANG:
                self._hang(phase)
            case Fault.SLOW:
                self._slow_down(phase, usual, rule.pause)

    def _say(self, answer: bytes) -> None:
        if answer:
            self._answers.append(answer)

    def _flush(self) -> None:
        if not self._answers or self._transport.is_closing():
            return
        said = b"".join(self._answers)
        self._answers.clear()
        if self._trickle is not None:
            self._trickle += said
        else:
            self._transport.write(said)

    def _slow_down(self, phase: Phase, usual: bytes, pause: float) -> None:
        """From this answer on a byte at a time; in a body, read nothing for a while."""
        if phase == Phase.MID_BODY:
            self._transport.pause_reading()
            asyncio.get_running_loop().call_later(pause * 20, self._transport.resume_reading)
            return
        self._flush()
        self._trickle = self._trickle or bytearray()
        self._trickle += usual
        self._go_on_trickling(pause)

    def _go_on_trickling(self, pause: float) -> None:
        if self._trickle and not self._transport.is_closing():
            self._transport.write(bytes(self._trickle[:1]))
            del self._trickle[:1]
        if self._trickle:
            asyncio.get_running_loop().call_later(pause, self._go_on_trickling, pause)
        else:
            self._trickle = None

    def _hang(self, phase: Phase) -> None:
        """In a body, as one that does not even read it; for a while, so that a test of many leaves no open connections."""
        self._flush()
        self._is_deaf = True
        if phase == Phase.MID_BODY:
            self._transport.pause_reading()
            asyncio.get_running_loop().call_later(HANGS_FOR, self._transport.abort)

    def _tear_down(self) -> None:
        self._flush()
        self._is_deaf = True
        connection = self._transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def _hang_up(self) -> None:
        self._flush()
        self._is_deaf = True
        self._transport.close()


COMMANDS: dict[bytes, Callable[[Session, bytes], None]] = {
    b"EHLO": Session._hello,
    b"HELO": Session._hello,
    b"MAIL": Session._mail,
    b"RCPT": Session._rcpt,
    b"DATA": Session._data,
    b"BDAT": Session._bdat,
    b"RSET": Session._rset,
    b"NOOP": Session._noop,
    b"QUIT": Session._quit,
}
