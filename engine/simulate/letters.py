"""What simulated people and their mail servers write: a reply, an absence note, a delivery report, a complaint. Pure.

Before: a recipient means to write. After: it goes to the receiver, by SMTP or straight into its bookkeeping.
"""

from email.message import EmailMessage
from email.policy import SMTP

from engine.simulate.seen import SeenMail

BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36"
SCANNER = "Mozilla/5.0 (compatible; Barracuda Sentinel (EE))"
ANSWER = "Thanks, this is what we were looking for. Could somebody call me about it this week?"
AWAY = "I am out of the office and back on Monday."
REPORT = """\
From: MAILER-DAEMON@mx.example
To: {envelope_from}
Subject: {subject}
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type={kind}; boundary="report"

--report
Content-Type: text/plain

{words}
--report
Content-Type: message/{kind}

{fields}

--report--
"""
NO_SUCH_MAILBOX = """\
Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; {recipient}
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 no such mailbox here"""
MAILBOX_FULL = """\
Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; {recipient}
Action: failed
Status: 4.2.2
Diagnostic-Code: smtp; 452 4.2.2 the mailbox is full"""
SPAM = """\
Feedback-Type: abuse
User-Agent: mx.example/1.0
Version: 1"""


def reply(recipient: str, seen: SeenMail) -> bytes:
    """A person's own words."""
    return letter(recipient, seen, "Re: your mail", ANSWER).as_bytes(policy=SMTP)


def away_note(recipient: str, seen: SeenMail) -> bytes:
    """By a machine, and it says so (RFC 3834)."""
    message = letter(recipient, seen, "Out of office", AWAY)
    message["Auto-Submitted"] = "auto-replied"
    return message.as_bytes(policy=SMTP)


def delivery_report(recipient: str, seen: SeenMail) -> bytes:
    """That the address does not work (RFC 3464)."""
    return returned(recipient, seen, NO_SUCH_MAILBOX)


def full_report(recipient: str, seen: SeenMail) -> bytes:
    """That it does not work for now (RFC 3464)."""
    return returned(recipient, seen, MAILBOX_FULL)


def returned(recipient: str, seen: SeenMail, why: str) -> bytes:
    fields = why.format(recipient=recipient)
    return report(seen, "delivery-status", "Undelivered Mail Returned to Sender", "It could not be delivered.", fields)


def complaint_report(_recipient: str, seen: SeenMail) -> bytes:
    """RFC 5965."""
    return report(seen, "feedback-report", "complaint", "Somebody marked it as spam.", SPAM)


def letter(recipient: str, seen: SeenMail, subject: str, words: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"] = recipient, seen.reply_to
    message["Subject"], message["In-Reply-To"] = subject, seen.message_id
    message.set_content(words)
    return message


def report(seen: SeenMail, kind: str, subject: str, words: str, fields: str) -> bytes:
    text = REPORT.format(envelope_from=seen.envelope_from, kind=kind, subject=subject, words=words, fields=fields)
    return text.replace("\n", "\r\n").encode()
