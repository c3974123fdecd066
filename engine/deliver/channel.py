"""One open SMTP connection: bytes out, whole replies in, in order, each with its own patience.

Before: `engine.deliver.smtp` connected, secured and authenticated the transport and hands it over. After:
`engine.deliver.transaction` speaks through it. It knows replies and nothing of what they answer.
"""

import asyncio
import re
import ssl
from collections import deque
from dataclasses import dataclass
from functools import lru_cache

from engine.errors import HandraiserError
from engine.said import on_one_line

LONGEST_LINE = 8_192
LONGEST_REPLY = 65_536
# Exim drops a connection after ten RSETs that followed no message, Postfix after twenty errors. When we hear of the third, three
# more are under way at most, and a load was taken along at most: nine.
MOST_REFUSED = 3
CLOSING = 421  # "service not available, closing": may answer anything (RFC 5321 section 3.8)
OUT_OF_STEP = "the server's answers are out of step with what it was asked"
ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3} ?")


class LostError(HandraiserError, ConnectionError):
    """The connection ended or went silent. Caught in `engine.deliver`, where it becomes an outcome. `is_ours`: by our will."""

    is_ours = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long to wait, in seconds; the defaults are those of RFC 5321 section 4.5.3.2 (`connect` is ours)."""

    call: float = 15.0  # until its machine answers; giving up early costs nothing there, nor at the next
    connect: float = 60.0  # the greeting
    command: float = 300.0  # EHLO, STARTTLS, AUTH, MAIL, RCPT
    data: float = 120.0  # the invitation after DATA
    block: float = 180.0  # until the server has taken what was written of a body
    dot: float = 600.0  # giving up earlier would send mails twice


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A reply of one or more lines, as one line; the enhanced code, said once, begins its text."""

    code: int
    text: str


class Channel(asyncio.Protocol):
    """A connection ready for mail transactions. Lives on one event loop."""

    def __init__(self, transport: asyncio.Transport, *, extensions: frozenset[str]) -> None:
        self.extensions = extensions
        self.needs_reset = False  # a transaction was begun and not ended by its dot
        self.flown = 0  # messages begun over this connection
        self.refused = 0  # of these, those that it did not take
        self.is_hung_up = False  # by the server
        self._loop = asyncio.get_running_loop()
        self._opened_at = self._used_at = self._loop.time()
        self._transport = transport
        self._reader = ReplyReader()
        self._replies: deque[Reply] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._lost: str | None = None
        transport.set_write_buffer_limits(high=0)
        transport.set_protocol(self)

    def write(self, data: bytes) -> None:
        if self._lost is not None:
            raise LostError(self._lost)
        self._transport.write(data)

    async def flushed(self, patience: float) -> None:
        """Wait until all that was written is in the kernel's hands. Raises LostError."""
        if self._transport.get_write_buffer_size() == 0 or self._lost is not None:
            return
        self._drained = self._loop.create_future()
        await self._within(patience, self._drained, "the server stopped reading")

    async def reply(self, patience: float) -> Reply:
        """The next reply. After a 421 the connection is of no more use. Raises LostError."""
        if not self._replies:
            if self._lost is not None:
                raise LostError(self._lost)
            self._waiter = self._loop.create_future()
            await self._within(patience, self._waiter, "no answer")
        reply = self._replies.popleft()
        if reply.code == CLOSING:
            self.lose("the server is closing the connection")
        return reply

    async def _within(self, patience: float, awaited: "asyncio.Future[None]", complaint: str) -> None:
        alarm = self._loop.call_later(patience, self.lose, f"{complaint} within {patience:g} s")
        try:
            await awaited
        finally:
            alarm.cancel()

    def may_carry_on(self, *, most_messages: int, longest_life: float) -> bool:
        """Whether it is there, and was not used for long, nor for much that the server refused."""
        is_welcome = self.flown < most_messages and self.refused < MOST_REFUSED
        return self._lost is None and is_welcome and self._loop.time() - self._opened_at < longest_life

    def require_silence(self) -> None:
        """Where nothing is asked nothing is to be heard: an answer too many would be taken for that to the next question, and so
        on for ever. Raises LostError. A 421 may come at any time, and is heard where it is waited for.
        """
        if self._replies and self._replies[0].code != CLOSING:
            raise LostError(f"{OUT_OF_STEP}: {self._replies[0].code} {self._replies[0].text}")

    def has_rested_well(self, longest_idle: float) -> bool:
        """Not for long, and anything heard while idle (a 421, mostly) spoils it."""
        return not self._replies and self._loop.time() - self._used_at < longest_idle

    def rest(self) -> None:
        """Note when the connection became idle."""
        self._used_at = self._loop.time()

    @property
    def encryption(self) -> ssl.SSLObject | None:
        """What was agreed upon; None: the connection is plain."""
        agreed: ssl.SSLObject | None = self._transport.get_extra_info("ssl_object")
        return agreed

    @property
    def is_lost(self) -> bool:
        return self._lost is not None

    def lose(self, why: str) -> None:
        """Give the connection up; replies that were already heard can still be read."""
        if self._lost is None:
            self._lost = why
            self._transport.abort()
        for future in (self._waiter, self._drained):
            if future is not None and not future.done():
                future.set_exception(LostError(self._lost))

    def leave(self) -> None:
        """Say QUIT and close, without waiting for the answer."""
        if self._lost is None:
            self._transport.write(b"QUIT\r\n")
            self._lost = "closed"
            self._transport.close()

    # what the transport calls

    def data_received(self, data: bytes) -> None:
        try:
            self._replies.extend(self._reader.feed(data))
        except ValueError as error:
            self.lose(str(error))
        if self._replies and self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def resume_writing(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_hung_up = self._lost is None
        self.lose(f"the connection broke: {exc}" if exc else "the server closed the connection")


class ReplyReader:
    """Cuts a stream of bytes into replies (RFC 5321 section 4.2.1)."""

    def __init__(self) -> None:
        self._rest = b""
        self._lines: list[str] = []
        self._size = 0

    def feed(self, data: bytes) -> list[Reply]:
        """The replies that `data` completes. Raises ValueError for what is not SMTP."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LONGEST_LINE:
            raise ValueError("the server sent a line without an end")
        return [reply for line in lines if (reply := self._take(line.rstrip(b"\r"))) is not None]

    def _take(self, line: bytes) -> Reply | None:
        self._size += len(line)
        if self._size > LONGEST_REPLY:
            raise ValueError("the server sent a reply without an end")
        spoken, is_last = read_line(line)
        if is_last and not self._lines:
            self._size = 0
            return spoken
        self._lines.append(ENHANCED.sub("", spoken.text, count=1) if self._lines else spoken.text)
        if not is_last:
            return None
        reply = Reply(code=spoken.code, text=" ".join(filter(None, self._lines)))
        self._lines, self._size = [], 0
        return reply


@lru_cache(256)  # servers say the same three things over and over
def read_line(line: bytes) -> tuple[Reply, bool]:
    """What one line says, and whether it is the last of its reply. Raises ValueError for what is not SMTP."""
    code, separator, text = line[:3], line[3:4], on_one_line(line[4:].decode("utf-8", "replace"), LONGEST_LINE)
    if len(code) < 3 or not code.isdigit() or separator not in (b"", b" ", b"-"):
        raise ValueError(f"the server sent something that is not a reply: {line[:80]!r}")
    return Reply(code=int(code), text=text), separator != b"-"
