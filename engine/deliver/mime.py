"""Writes a finished message: headers from typed values around bodies that are already quoted-printable.

Before: `engine.render.wire` has made the parts, `engine.deliver.send` knows the headers. After: the bytes are stored or given to
the wire. The same input is the same bytes, so that a receiver can drop a second copy; a header value that could begin another
header is refused, never repaired. Follows RFC 5322 and RFC 2045 to 2047; written by hand because `email.message` takes some
twenty times as long, and tested against it.
"""

import re
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from functools import lru_cache
from hashlib import sha256

import idna

from engine.render.wire import WireParts

LONGEST_LINE = 998  # RFC 5322 section 2.1.1, without the CRLF
PREFERRED_LINE = 76  # RFC 2047 section 2 for lines with encoded words; 78 otherwise
LONGEST_VALUE = 10_000  # of a header, in characters: at most 65 kB as encoded words; Postfix cuts a header off at 100 kB
LONGEST_ADDRESS = 254  # RFC 5321 section 4.5.3.1.3, without the angle brackets
LONGEST_LOCAL_PART = 64
ENCODED_WORD = len("=?utf-8?b??=")
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
PRINTABLE = re.compile(r"[ -~]*")
ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
LOCAL_PART = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+")
DOT_ATOM = re.compile(r"[^.]+(?:\.[^.]+)*")
DOMAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")
MESSAGE_ID = re.compile(r"[A-Za-z0-9._=+-]{1,200}@[A-Za-z0-9.-]{1,200}")
LIST_ID = re.compile(r"[A-Za-z0-9._-]{1,250}")
# No blanks, quotes or angle brackets. One-click needs https (RFC 8058 section 3.1); plain http only towards this very machine.
ONE_CLICK = re.compile(r"(?:https://|http://(?:localhost|127\.0\.0\.1)[:/])[!#-;=?-~]{1,900}")
MAILTO = re.compile(r"mailto:[!#-;=?-~]{1,900}")

FOLD = "\r\n "
MESSAGE = (
    "From: {sender}\r\n"
    "To: {recipient}\r\n"
    "Subject: {subject}\r\n"
    "Date: {date}\r\n"
    "Message-ID: <{message_id}>\r\n"
    "{further}"
    "MIME-Version: 1.0\r\n"
    "{opening}"
    'Content-Type: multipart/alternative; boundary="{boundary}"\r\n'
    "\r\n"
    "--{boundary}\r\n"
    "Content-Type: text/plain; charset=utf-8\r\n"
    "Content-Transfer-Encoding: quoted-printable\r\n"
    "\r\n"
)
WITH_FILES = 'Content-Type: multipart/mixed; boundary="{outer}"\r\n\r\n--{outer}\r\n'
# Around both bodies rather than around the HTML alone: where the second alternative is no text/html, Gmail's list shows the first
# words of the text in the place of the preheader (github.com/nodemailer/nodemailer/issues/1157). RFC 2387 wants the root's type.
WITH_PICTURES = 'Content-Type: multipart/related; type="multipart/alternative"; boundary="{inner}"\r\n\r\n--{inner}\r\n'
BETWEEN = "--{boundary}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageHeaders:
    """What stands above a mail's bodies; the subject comes with the parts.

    `recipient` is an address, without a name: a name is the lead's data and adds nothing. `message_id` is without its angle
    brackets. `date` is aware. `one_click_url` takes the POST of RFC 8058, `unsubscribe_mailto` is `mailto:…`, for programs that
    know no other way; transactional mail has neither and is `auto_submitted` (RFC 3834).
    """

    sender_name: str
    sender_address: str
    recipient: str
    date: datetime
    message_id: str
    reply_to: str | None = None
    one_click_url: str | None = None
    unsubscribe_mailto: str | None = None
    list_id: str | None = None
    feedback_id: str | None = None
    auto_submitted: bool = False


def write_message(
    headers: MessageHeaders, parts: WireParts, attached: Sequence[bytes] = (), pictures: Sequence[bytes] = ()
) -> bytes:
    """The whole message with CRLF line ends, not dot-stuffed. Raises ValueError for a value that cannot stand in its header.

    `attached`, `pictures`: finished parts that go with it, and that its HTML shows (`engine.deliver.attach`).
    """
    boundary = boundary_of(headers.message_id)
    outer, inner = f"=_m{boundary[3:]}", f"=_r{boundary[3:]}"  # none of the three is the beginning of another
    head = MESSAGE.format(
        sender=mailbox(headers.sender_name, headers.sender_address),
        recipient=address(headers.recipient),
        subject=unstructured("Subject", parts.subject),
        date=spelt_date(headers.date),
        message_id=matching(MESSAGE_ID, headers.message_id, "message id"),
        further=further_headers(headers),
        opening=(WITH_FILES.format(outer=outer) if attached else "") + (WITH_PICTURES.format(inner=inner) if pictures else ""),
        boundary=boundary,
    )
    between = BETWEEN.format(boundary=boundary)
    return b"".join(
        (
            head.encode("ascii"),
            ended(parts.text_qp),
            between.encode("ascii"),
            ended(parts.html_qp),
            f"--{boundary}--\r\n".encode(),
            *behind(pictures, inner),
            *behind(attached, outer),
        )
    )


def behind(attached: Sequence[bytes], outer: str) -> Iterator[bytes]:
    """The parts, each behind its line, and the last line of them all."""
    for part in attached:
        yield f"--{outer}\r\n".encode()
        yield part
    if attached:
        yield f"--{outer}--\r\n".encode()


@lru_cache(64)
def spelt_date(date: datetime) -> str:
    return format_datetime(date)


def boundary_of(message_id: str) -> str:
    """A line that no quoted-printable text can hold, since "=" is always followed there by two hex digits or a line end."""
    return f"=_{sha256(message_id.encode()).hexdigest()[:32]}"


def further_headers(headers: MessageHeaders) -> str:
    """The headers that not every mail has, each with its line end."""
    lines = []
    if headers.reply_to:
        lines.append(f"Reply-To: {address(headers.reply_to)}\r\n")
    lines += unsubscribe_headers(headers)
    if headers.list_id:
        lines.append(f"List-Id: <{matching(LIST_ID, headers.list_id, 'list id')}>\r\n")
    if headers.feedback_id:
        lines.append(f"Feedback-ID: {unstructured('Feedback-ID', headers.feedback_id)}\r\n")
    if headers.auto_submitted:
        lines.append("Auto-Submitted: auto-generated\r\n")
    return "".join(lines)


def unsubscribe_headers(headers: MessageHeaders) -> list[str]:
    """RFC 2369 and RFC 8058. The addresses stand as they are: never encoded, never folded inside."""
    ways = []
    if headers.one_click_url:
        ways.append(f"<{matching(ONE_CLICK, headers.one_click_url, 'one-click address')}>")
    if headers.unsubscribe_mailto:
        ways.append(f"<{matching(MAILTO, headers.unsubscribe_mailto, 'mailto address')}>")
    lines = [f"List-Unsubscribe: {f',{FOLD}'.join(ways)}\r\n"] if ways else []
    return [*lines, "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"] if headers.one_click_url else lines


def matching(form: re.Pattern[str], value: str, what: str) -> str:
    if not form.fullmatch(value):
        raise ValueError(f"this cannot be the {what} of a mail: {value[:60]!r}")
    return value


@lru_cache(1024)
def mailbox(name: str, mail_address: str) -> str:
    """`Dana Whitfield <dana@example.com>`, with the name in whatever spelling its characters need."""
    return f"{phrase(name)}{FOLD if len(name) > 40 else ' '}<{address(mail_address)}>" if name else address(mail_address)


def phrase(name: str) -> str:
    """A display name (RFC 5322 section 3.2.5)."""
    refuse_unfit(name, "sender's name")
    if len(name) > 60 or not PRINTABLE.fullmatch(name) or "=?" in name:
        return encoded_words(name, PREFERRED_LINE - len("Reply-To: "))
    if ATOMS.fullmatch(name):
        return name
    return '"' + re.sub(r'(["\\])', r"\\\1", name) + '"'


@lru_cache(4_096)  # the recipient's is asked for twice for each mail, and between the two for those of all mails under way
def address(mail_address: str) -> str:
    """An address as it stands in a header and in SMTP: a domain in ASCII (RFC 5890), a local part that needs no SMTPUTF8.

    Raises ValueError for anything else. Dots where grammar has none, which some carriers hand out, are put in quotes.
    """
    refuse_unfit(mail_address, "address")
    local, _, domain = mail_address.rpartition("@")
    if not LOCAL_PART.fullmatch(local) or len(local) > LONGEST_LOCAL_PART:
        raise ValueError("an address has a local part that cannot be written to")
    ascii_domain = in_ascii(domain)
    if len(local) + len(ascii_domain) >= LONGEST_ADDRESS:
        raise ValueError("an address has a domain that cannot be written to")
    return f"{local}@{ascii_domain}" if DOT_ATOM.fullmatch(local) else f'"{local}"@{ascii_domain}'


@lru_cache(1024)
def in_ascii(domain: str) -> str:
    try:
        ascii_domain = domain if domain.isascii() else idna.encode(domain, uts46=True).decode("ascii")
    except idna.IDNAError as error:
        raise ValueError("an address has a domain that cannot be written to") from error
    if not DOMAIN.fullmatch(ascii_domain) or ".." in ascii_domain:
        raise ValueError("an address has a domain that cannot be written to")
    return ascii_domain


@lru_cache(256)  # most subjects are the same for every reader
def unstructured(name: str, value: str) -> str:
    """A header's free text: as it is, folded at blanks, or in encoded words."""
    refuse_unfit(value, name)
    room = PREFERRED_LINE - len(name) - 2
    if not PRINTABLE.fullmatch(value) or "=?" in value or max(map(len, value.split(" "))) > LONGEST_LINE // 2:
        return encoded_words(value, room)
    return value if len(value) <= room else folded(value, room)


def refuse_unfit(value: str, what: str) -> None:
    """A CR or LF would begin another header; servers cut off what is very long. Raises ValueError."""
    if len(value) > LONGEST_VALUE:
        raise ValueError(f"the {what} of a mail is longer than {LONGEST_VALUE} characters")
    if CONTROL.search(value):
        raise ValueError(f"a control character in the {what} of a mail")


def folded(value: str, room: int) -> str:
    """Broken before blanks, each of which then begins the next line, so that unfolding gives the value back."""
    lines, line = [], ""
    for word in re.findall(r" *[^ ]+ *$| *[^ ]+", value):
        if line and len(line) + len(word) > room:
            lines.append(line)
            line, room = "", PREFERRED_LINE
        line += word
    return "\r\n".join([*lines, line])


def encoded_words(value: str, room: int) -> str:
    """RFC 2047: whole characters in each word, words parted by a fold; without it some receivers refuse the mail."""
    words, chunk = [], b""
    for character in value:
        encoded = character.encode("utf-8", "replace")
        if len(chunk) + len(encoded) > (room - ENCODED_WORD) // 4 * 3:
            words.append(chunk)
            chunk, room = b"", PREFERRED_LINE - 1
        chunk += encoded
    return FOLD.join(f"=?utf-8?b?{b64encode(word).decode()}?=" for word in [*words, chunk])


def ended(body: bytes) -> bytes:
    """A body that ends with a line end of its own: a soft one must not be the last (RFC 2045 section 6.7 (3))."""
    if body.endswith(b"=\r\n"):
        return body[:-3] + b"\r\n"
    return body if body.endswith(b"\r\n") else body + b"\r\n"
