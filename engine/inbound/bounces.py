"""Bounces and complaints: the bytes of a report (RFC 3464, RFC 6522, RFC 5965) → which send, and whether it is for good.

Before: the receiver keeps the raw mail. After: an event, which for a bad address or a complaint stops all mail to it. So a report
counts only with a token of ours, and "for good" means that this mailbox cannot be written to: never a full one, never our own
reputation or our own mistake.
"""

import re
from dataclasses import dataclass

from engine.deliver.replies import POLICIES, About, Where, about
from engine.inbound.addressee import Purpose, read_addressee, token_in
from engine.inbound.autoreply import bare_address
from engine.inbound.parts import Part, Unreadable, read_headers, read_parts
from engine.inbound.replies import NAMING
from engine.said import on_one_line
from engine.tokens import SendToken, Tokens

LONGEST_DIAGNOSTIC = 500
STATUS = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")
FAILED = re.compile(
    r"could not be delivered|delivery (?:has )?failed|undeliver|returning message to sender|returned mail|failure notice|"
    r"delivery status notification \(failure\)|permanent (?:fatal )?errors?|did not reach|wasn't able to deliver|"
    r"unable to deliver",
    re.IGNORECASE,
)
DAEMON = re.compile(r"^(mailer-daemon|postmaster)@|^(mailer-daemon|postmaster)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedBounce:
    """A report about one mail. `token` is None when it names no send of ours: then nothing may follow from it.

    `status` is the enhanced code (RFC 3463). `diagnostic` is a stranger's text and usually names the address.
    """

    token: SendToken | None
    permanent: bool
    about: About | None  # None: it is a complaint
    complaint: bool
    status: str | None
    diagnostic: str
    message_id: str | None


def parse_bounce(
    raw: bytes, *, tokens: Tokens, recipient: str = "", envelope_sender: str | None = None
) -> ParsedBounce | Unreadable | None:
    """Read a report; None for a mail that reports no failure (a reply, a note of delay or of success). Never raises."""
    parts = read_parts(raw)
    if isinstance(parts, Unreadable):
        return parts
    message_id = parts[0].header("message-id").strip(" <>")[:300] or None
    addressee = read_addressee(recipient, tokens)
    token = addressee.token if addressee else token_in(named_in(parts), tokens)
    if any(part.content_type == "message/feedback-report" for part in parts):
        return ParsedBounce(
            token=token,
            permanent=True,
            about=None,
            complaint=True,
            status=None,
            diagnostic=complaint_of(parts),
            message_id=message_id,
        )
    verdict = status_report(parts)
    if verdict is None and not has_report(parts) and is_from_daemon(parts[0], envelope_sender):
        verdict = prose_report(parts, certainly=addressee is not None and addressee.purpose is Purpose.BOUNCE)
    if verdict is None:
        return None
    status, diagnostic = verdict
    kind = about(None, f"{status or ''} {diagnostic}", Where.REPORT)
    return ParsedBounce(
        token=token,
        permanent=POLICIES[kind].suppress_after == 1,
        about=kind,
        complaint=False,
        status=status,
        diagnostic=diagnostic,
        message_id=message_id,
    )


def status_report(parts: list[Part]) -> tuple[str | None, str] | None:
    """(status, diagnostic) of the first recipient that failed, by the machine-readable part; None when none did."""
    for part in parts:
        if part.content_type not in ("message/delivery-status", "message/global-delivery-status"):
            continue
        for group in part.text().encode().split(b"\n\n")[:20]:
            fields = dict(reversed(read_headers(group.strip(b"\n"))))
            if fields.get("action", "").strip().lower() == "failed":
                return status_in(fields.get("status", ""), fields.get("diagnostic-code", ""))
    return None


def status_in(status: str, diagnostic: str) -> tuple[str | None, str]:
    """A status of x.0.0 says nothing: then the server's own words may hold a better one."""
    stated, said = STATUS.search(status), STATUS.search(diagnostic)
    best = said if said is not None and (stated is None or stated[1].endswith(".0.0")) else stated
    return (best[1] if best is not None else None), on_one_line(diagnostic, LONGEST_DIAGNOSTIC)


def prose_report(parts: list[Part], *, certainly: bool) -> tuple[str | None, str] | None:
    """A bounce without a machine-readable part, as qmail and Exim write them: read from its first text."""
    text = next((part.text() for part in parts if part.content_type == "text/plain"), "")[:10_000]
    if not FAILED.search(parts[0].header("subject")[:500] + "\n" + text):
        return None
    status = STATUS.search(text)
    if status is None:
        return (None, on_one_line(text, LONGEST_DIAGNOSTIC)) if certainly else None
    return status[1], on_one_line(text, LONGEST_DIAGNOSTIC)


def has_report(parts: list[Part]) -> bool:
    return any(part.content_type.endswith("delivery-status") for part in parts)


def is_from_daemon(message: Part, envelope_sender: str | None) -> bool:
    null = envelope_sender == "" or message.header("return-path").strip() == "<>"
    return null or DAEMON.match(bare_address(message.header("from"))) is not None


def complaint_of(parts: list[Part]) -> str:
    report = next(part for part in parts if part.content_type == "message/feedback-report")
    kinds = dict(reversed(read_headers(report.text().encode().strip(b"\n"))))
    return on_one_line(kinds.get("feedback-type", "abuse"), LONGEST_DIAGNOSTIC)


def named_in(parts: list[Part]) -> str:
    """The headers of the mail that the report gives back, and what it answers: our token may stand there."""
    returned = "\n".join(
        part.text()[:64_000]
        for part in parts
        if part.content_type in ("message/rfc822", "text/rfc822-headers", "message/feedback-report", "message/global")
    )
    return "\n".join((returned, *(parts[0].header(name) for name in NAMING)))
