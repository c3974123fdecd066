"""How a process and its child that renders talk: a length, then so many bytes, over a pair of sockets.

Before: nothing. After: `engine.render.child` asks and `engine.render.behind` answers. What the parent says is a pickle of plain
values; what the child says is read as JSON and bytes, since a marketer's templates have run there.
"""

import io
import json
import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from socket import MSG_WAITALL, socket
from struct import Struct
from typing import Any

LENGTH = Struct(">Q")
PLAIN_CLASSES = (date, datetime)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A batch: for each mail the number of its form and its values. `forms` are those that the child has not met: an
    artifact as JSON, and the brand, which is the same for everybody; `forget`: the numbers begin anew.

    Values are packed one by one, so that a mail whose values are too much for the child is known to be the one.
    """

    forget: bool
    forms: Mapping[int, tuple[str, bytes]]
    mails: Sequence[tuple[int, bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """One mail as the child wrote it. `addresses`: personal ones for which stand-ins stand in the bodies."""

    subject: str
    text_qp: bytes
    html_qp: bytes
    addresses: tuple[str, ...]


def send_frame(connection: socket, content: bytes) -> None:
    connection.sendall(LENGTH.pack(len(content)) + content)


def read_frame(connection: socket, *, most: int, on_silence: Callable[[], None] | None = None) -> memoryview:
    """The next frame. Raises EOFError at the end, and where more is announced than anybody should say.

    `on_silence` is called whenever the socket's own time-out passes; it raises to give up.
    """
    (length,) = LENGTH.unpack(read_bytes(connection, LENGTH.size, on_silence))
    if length > most:
        raise EOFError("a frame is too long")
    return read_bytes(connection, length, on_silence)


def read_bytes(connection: socket, length: int, on_silence: Callable[[], None] | None) -> memoryview:
    """Exactly so many, in one call of the system where that is possible: each call may cost a turn at the GIL."""
    view, got = memoryview(bytearray(length)), 0
    while got < length:
        try:
            some = connection.recv_into(view[got:], 0, MSG_WAITALL)
        except BlockingIOError:
            if on_silence is None:
                raise
            on_silence()
            continue
        if not some:
            raise EOFError("the other end is gone")
        got += some
    return view


class PlainPickler(pickle.Pickler):
    """Refuses whatever is not a text, a number, a date, a list or a mapping."""

    def reducer_override(self, value: object) -> Any:
        if type(value) in PLAIN_CLASSES or value in PLAIN_CLASSES:
            return NotImplemented
        raise pickle.PicklingError(f"a value is a {type(value).__name__}, which no template may have")


def pack(values: Mapping[str, Any]) -> bytes:
    """A mail's values. Raises PicklingError for those that are not plain data."""
    written = io.BytesIO()
    PlainPickler(written, pickle.HIGHEST_PROTOCOL).dump(dict(values))
    return written.getvalue()


def unpack(packed: bytes) -> dict[str, Any]:
    values: dict[str, Any] = pickle.loads(packed)
    return values


def write_asked(asked: Asked) -> bytes:
    return pickle.dumps((asked.forget, dict(asked.forms), list(asked.mails)), pickle.HIGHEST_PROTOCOL)


def read_asked(frame: memoryview) -> Asked:
    forget, forms, mails = pickle.loads(frame)
    return Asked(forget=forget, forms=forms, mails=mails)


def write_answers(answers: Sequence[Answered | str]) -> bytes:
    """A text in place of an answer says why there is none."""
    told = [
        answer if isinstance(answer, str) else (answer.subject, len(answer.text_qp), len(answer.html_qp), answer.addresses)
        for answer in answers
    ]
    heading = json.dumps(told).encode()
    bodies = [body for answer in answers if isinstance(answer, Answered) for body in (answer.text_qp, answer.html_qp)]
    return b"".join((LENGTH.pack(len(heading)), heading, *bodies))


def read_answers(frame: memoryview) -> Iterator[Answered | str]:
    """Raises ValueError for what is not of this form."""
    at = LENGTH.size + LENGTH.unpack(frame[: LENGTH.size])[0]
    for told in json.loads(bytes(frame[LENGTH.size : at])):
        if isinstance(told, str):
            yield told
            continue
        subject, text_length, html_length, addresses = told
        text, html = bytes(frame[at : at + text_length]), bytes(frame[at + text_length : at + text_length + html_length])
        at += text_length + html_length
        yield Answered(subject=str(subject), text_qp=text, html_qp=html, addresses=tuple(map(str, addresses)))
