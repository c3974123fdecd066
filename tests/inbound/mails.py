"""Mails as strangers send them, for the tests of what reads them."""

from base64 import b64encode
from email.message import EmailMessage

from engine.tokens import SendToken, Tokens, in_address

TOKENS = Tokens(("the secret of these tests, long enough",))
SEND = SendToken(send_id=7, link_table_id=-3, address_key=TOKENS.address_key("maya@school.example"))
SPELT = in_address(TOKENS.seal(SEND))


def reply(text: str = "Yes, call me on Tuesday.", *, html: str | None = None, **headers: str) -> bytes:
    """A person's answer; a header name is written with _ for -."""
    message = EmailMessage()
    wanted = {"From": "Maya <maya@school.example>", "Subject": "Re: Air in Room 12", "Message-Id": "<abc@school.example>"}
    for name, value in (wanted | {name.replace("_", "-").title(): value for name, value in headers.items()}).items():
        message[name] = value
    message.set_content(text)
    if html is not None:
        message.add_alternative(html, subtype="html")
    return bytes(message)


def bounce(
    status: str = "5.1.1", diagnostic: str = "smtp; 550 5.1.1 <maya@school.example>: User unknown", action: str = "failed"
) -> bytes:
    """A delivery status notification (RFC 3464) as Postfix writes it."""
    return (
        "Return-Path: <>\r\nFrom: MAILER-DAEMON@mx.example (Mail Delivery System)\r\n"
        "Subject: Undelivered Mail Returned to Sender\r\n"
        "Message-Id: <20260105@mx.example>\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="B1"\r\n\r\nThis is a MIME message.\r\n'
        "--B1\r\nContent-Description: Notification\r\nContent-Type: text/plain\r\n\r\nI'm sorry to have to inform you.\r\n"
        "--B1\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n"
        f"Final-Recipient: rfc822; maya@school.example\r\nAction: {action}\r\nStatus: {status}\r\n"
        f"Diagnostic-Code: {diagnostic}\r\n\r\n"
        f"--B1\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: <{SPELT}@mail.example>\r\nSubject: Air\r\n\r\n--B1--\r\n"
    ).encode()


def complaint() -> bytes:
    """An abuse report (RFC 5965)."""
    return (
        "From: fbl@provider.example\r\nSubject: complaint\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/report; report-type=feedback-report; boundary=X\r\n\r\n"
        "--X\r\nContent-Type: text/plain\r\n\r\nThis is an abuse report.\r\n"
        "--X\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nUser-Agent: FBL/1.0\r\nVersion: 1\r\n\r\n"
        f"--X\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: <{SPELT}@mail.example>\r\n"
        "From: a@b.example\r\n\r\nHello\r\n--X--\r\n"
    ).encode()


def nested(levels: int) -> bytes:
    """Multiparts within multiparts, the deepest with a text."""
    head = b"From: a@b.example\r\n"
    opening = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(levels))
    return head + opening + b"Content-Type: text/plain\r\n\r\nHi\r\n"


def crowded(parts: int) -> bytes:
    """One multipart of very many empty parts."""
    return b"From: a@b.example\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\n" * parts


HALF = "\ud800"  # of a letter: no UTF-8 bears it
HALVES = {"utf-7": b"+2AA-", "unicode_escape": b"\\ud800", "raw_unicode_escape": b"\\ud800"}  # by charset that makes one
ODD = (
    *HALVES.values(), b"charset=utf-7", b"unicode_escape", b"=?utf-7?q?+2AA-?=", b"=?\xc0?q?a?=", b"\x00", b"\n\n", b"--B1",
    b"base64", b"charset*=utf-8''%00",
)  # fmt: skip


def report_in(charset: str, report: bytes, kind: str = "delivery-status") -> bytes:
    """A report whose machine-readable part is in a charset of its own."""
    return (
        b"Return-Path: <>\r\nFrom: MAILER-DAEMON@mx.example\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: multipart/report; boundary=B\r\n\r\n"
        b"--B\r\nContent-Type: message/%b; charset=%b\r\n\r\n%b\r\n--B--\r\n" % (kind.encode(), charset.encode(), report)
    )


def base64_part(charset: str, content: bytes) -> bytes:
    head = f"From: a@b.example\r\nContent-Type: text/plain; charset={charset}\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    return head.encode() + b64encode(content)
