"""Recipients who act over real connections: they fetch links from the receiver by HTTP and answer by SMTP.

Before: `engine.simulate.recipients` decided. After: the receiver (`webhooks`) takes it for real life.
"""

import http.client
import smtplib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from typing import assert_never
from urllib.parse import urlsplit

from engine.simulate.post import Post
from engine.simulate.recipients import Act, Intended

BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36"
SCANNER = "Mozilla/5.0 (compatible; Barracuda Sentinel (EE))"
DELIVERY_REPORT = """\
From: MAILER-DAEMON@mx.example
To: {envelope_from}
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="report"

--report
Content-Type: text/plain

The mail below could not be delivered.
--report
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; {recipient}
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 no such mailbox here

--report--
"""  # as a mail server writes it, RFC 3464
ANSWER = "Thanks, this is what we were looking for. Could somebody call me about it this week?"


@dataclass(slots=True)
class WireActs:
    """Carries out intentions over HTTP and SMTP. `posts`: the mails as they arrived, by send id."""

    posts: Mapping[int, Post]
    reply_port: int
    _connection: http.client.HTTPConnection | None = field(default=None, init=False)

    def perform(self, intended: Sequence[Intended]) -> None:
        for one in intended:
            post = self.posts.get(one.mail.send_id)
            if post is not None:
                self.do(one, post)

    def do(self, one: Intended, post: Post) -> None:
        match one.act:
            case Act.OPEN:
                self.fetch(post.pixel, BROWSER)
            case Act.CLICK:
                self.fetch(post.links.get(one.link or 0), SCANNER if one.by_machine else BROWSER)
            case Act.UNSUBSCRIBE:
                self.fetch(post.unsubscribe, BROWSER, form="List-Unsubscribe=One-Click")
            case Act.REPLY:
                self.send(answer_to(one, post).as_bytes(policy=SMTP), post.reply_to, one.mail.recipient)
            case Act.AUTO_REPLY:
                self.send(away_note(one, post).as_bytes(policy=SMTP), post.reply_to, one.mail.recipient)
            case Act.BOUNCE:
                self.send(delivery_report(one, post), post.envelope_from, "")
            case Act.COMPLAIN:
                self.fetch(post.unsubscribe, BROWSER, form="List-Unsubscribe=One-Click")
            case _:
                assert_never(one.act)

    def fetch(self, url: str | None, agent: str, *, form: str | None = None) -> None:
        """GET, or POST a form; redirects are not followed, because they lead out of this machine."""
        if url is None:
            return
        parts = urlsplit(url)
        if self._connection is None:
            self._connection = http.client.HTTPConnection(parts.netloc, timeout=20)
        headers = {"User-Agent": agent}
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        self._connection.request("GET" if form is None else "POST", parts.path, body=form, headers=headers)
        self._connection.getresponse().read()

    def send(self, message: bytes, recipient: str | None, sender: str) -> None:
        if recipient is None:
            return
        with smtplib.SMTP("127.0.0.1", self.reply_port, timeout=20) as server:
            server.sendmail(sender, [recipient], message)


def answer_to(one: Intended, post: Post) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"] = one.mail.recipient, post.reply_to
    message["Subject"], message["In-Reply-To"] = "Re: your mail", post.message_id
    message.set_content(ANSWER)
    return message


def away_note(one: Intended, post: Post) -> EmailMessage:
    message = answer_to(one, post)
    message.replace_header("Subject", "Out of office")
    message["Auto-Submitted"] = "auto-replied"
    message.set_content("I am away until Monday.")
    return message


def delivery_report(one: Intended, post: Post) -> bytes:
    text = DELIVERY_REPORT.format(recipient=one.mail.recipient, envelope_from=post.envelope_from)
    return text.replace("\n", "\r\n").encode()
