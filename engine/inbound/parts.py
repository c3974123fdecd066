"""A MIME message from a stranger as a flat list of parts, read within bounds.

Before: the receiver hands over raw bytes. After: `replies` and `bounces` look for what they know. The standard library's parser
is not used on whole messages: 100,000 empty parts keep it busy for 14 seconds and 2,000 nested ones exhaust its stack. This one
looks at each byte at most once a level, at no more than MOST_LEVELS levels and MOST_PARTS parts, and never raises.
"""

import re
from base64 import b64decode
from binascii import Error as Base64Error
from binascii import a2b_qp
from codecs import lookup
from dataclasses import dataclass
from email.message import Message

MOST_BYTES = 25 * 1024 * 1024
MOST_PARTS = 100
MOST_LEVELS = 20
LONGEST_HEADERS = 64 * 1024
LONGEST_VALUE = 2_000  # of a structured header: the standard library reads those in quadratic time
LONGEST_TEXT = 256 * 1024
LONGEST_BOUNDARY = 200
SLOW_CODECS = {"punycode", "idna", "undefined"}
FOLD = re.compile(r"\n[ \t]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A message that was not read, and why."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A message or a part of one. `headers` are (name in small letters, unfolded value); `content` is as it was transferred."""

    headers: tuple[tuple[str, str], ...]
    content: bytes

    def header(self, name: str) -> str:
        """The first header of that name, or an empty text."""
        return next((value for key, value in self.headers if key == name), "")

    @property
    def content_type(self) -> str:
        return self._described().get_content_type()

    @property
    def is_attachment(self) -> bool:
        return self.header("content-disposition").strip().lower().startswith("attachment")

    @property
    def boundary(self) -> bytes:
        """What parts a multipart; empty when there is none that could be used."""
        try:
            found = self._described().get_boundary() or ""
        except ValueError:  # RFC 2231 lets a parameter name a charset, and a stranger name one with a NUL in it
            return b""
        return found.encode("utf-8", "replace") if len(found) <= LONGEST_BOUNDARY else b""

    def text(self) -> str:
        """The content as text, at most LONGEST_TEXT bytes of it. Whatever cannot be decoded is replaced."""
        content = decoded(self.content[: 2 * LONGEST_TEXT], self.header("content-transfer-encoding"))
        return as_text(content[:LONGEST_TEXT], self.charset)

    @property
    def charset(self) -> str:
        try:
            return self._described().get_content_charset() or "utf-8"
        except ValueError:  # RFC 2231 lets a charset be in a charset, and a stranger name one with a NUL in it
            return "utf-8"

    def _described(self) -> Message:
        described = Message()
        described["content-type"] = self.header("content-type")[:LONGEST_VALUE] or "text/plain"
        return described


def read_parts(raw: bytes) -> list[Part] | Unreadable:
    """The message itself, then its parts in the order of the text; a forwarded message counts as one part.

    Never raises: a message that is too large, too deep or in too many parts is Unreadable.
    """
    if len(raw) > MOST_BYTES:
        return Unreadable(reason=f"the message is larger than {MOST_BYTES // 1024 // 1024} MB")
    found: list[Part] = []
    waiting = [(raw.replace(b"\r\n", b"\n"), 0)]
    while waiting:
        block, level = waiting.pop()
        part = read_part(block)
        if isinstance(part, Unreadable):
            return part
        found.append(part)
        inner = inner_blocks(part)
        if len(found) + len(waiting) + len(inner) > MOST_PARTS:
            return Unreadable(reason=f"the message has more than {MOST_PARTS} parts")
        if inner and level >= MOST_LEVELS:
            return Unreadable(reason=f"the message is nested more than {MOST_LEVELS} levels deep")
        waiting.extend((block, level + 1) for block in reversed(inner))
    return found


def read_part(block: bytes) -> Part | Unreadable:
    """One part of a message whose lines end in LF."""
    head, _blank, content = (b"", b"", block[1:]) if block.startswith(b"\n") else block.partition(b"\n\n")
    if len(head) > LONGEST_HEADERS:
        return Unreadable(reason=f"the message has more than {LONGEST_HEADERS // 1024} kB of headers")
    return Part(headers=read_headers(head), content=content)


def first_headers(raw: bytes) -> Part:
    """The beginning of a message's headers and nothing else: all that may be said of one that is Unreadable."""
    head, _blank, _content = raw[:LONGEST_HEADERS].replace(b"\r\n", b"\n").partition(b"\n\n")
    return Part(headers=read_headers(head), content=b"")


def read_headers(head: bytes) -> tuple[tuple[str, str], ...]:
    """(name in small letters, value) of each header, folded lines joined. At most LONGEST_HEADERS bytes are looked at."""
    text = FOLD.sub(" ", head[:LONGEST_HEADERS].replace(b"\r\n", b"\n").decode("utf-8", "replace"))
    lines = (line.partition(":") for line in text.split("\n"))
    return tuple((name.strip().lower(), value.strip()) for name, colon, value in lines if colon)


def inner_blocks(part: Part) -> list[bytes]:
    """The parts of a multipart, one more than allowed at the most; nothing for any other part."""
    if not part.content_type.startswith("multipart/") or not part.boundary:
        return []
    blocks: list[bytes] = []
    for piece in (b"\n" + part.content).split(b"\n--" + part.boundary, MOST_PARTS + 1)[1:]:
        rest_of_line, _end, block = piece.partition(b"\n")
        if rest_of_line.startswith(b"--"):
            break
        if rest_of_line.strip():  # a longer boundary that begins like ours: it parts something inside
            blocks[-1:] = [b"\n--".join((*blocks[-1:], part.boundary + piece))]
        else:
            blocks.append(block)
    return blocks


def decoded(content: bytes, encoding: str) -> bytes:
    """The bytes that were transferred as base64 or quoted-printable; as they are where they do not decode."""
    match encoding.strip().lower():
        case "base64":
            return from_base64(content)
        case "quoted-printable":
            return a2b_qp(content)
        case _:
            return content


def from_base64(content: bytes) -> bytes:
    whole = content.translate(None, b" \t\r\n")
    try:
        return b64decode(whole[: len(whole) // 4 * 4])
    except Base64Error:
        return content


def as_text(content: bytes, charset: str) -> str:
    """Text that can be written down anywhere: UTF-7 and Python's own codecs also make halves of letters, which UTF-8 does not
    bear.
    """
    try:
        found = lookup(charset)  # which passes over what is no letter in a name: "punycode!"
        name = "utf-8" if found.name in SLOW_CODECS else charset
        return content.decode(name, "replace").encode("utf-8", "replace").decode("utf-8")
    except (LookupError, ValueError):  # an unknown charset, or a name that is none
        return content.decode("utf-8", "replace")
