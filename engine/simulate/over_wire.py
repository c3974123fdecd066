"""Recipients who act over real connections: they fetch links from the receiver by HTTP and answer by SMTP.

Before: `engine.simulate.recipients` decided. After: the receiver (`webhooks`) takes it for real life.
"""

import http.client
import smtplib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import assert_never
from urllib.parse import urlencode, urlsplit

from engine.simulate.letters import BROWSER, SCANNER, away_note, complaint_report, delivery_report, full_report, reply
from engine.simulate.recipients import Act, Intended
from engine.simulate.seen import SeenMail
from engine.simulate.shop import Shop

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@dataclass(slots=True)
class WireActs:
    """Carries out intentions over HTTP and SMTP. `seen`: the mails as they arrived, by send id."""

    seen: Mapping[int, SeenMail]
    reply_port: int
    shop: Shop
    afterwards: Callable[[], None]  # what the receiver does behind its answers
    _connection: http.client.HTTPConnection | None = field(default=None, init=False)

    def perform(self, intended: Sequence[Intended]) -> None:
        for one in intended:
            seen = self.seen.get(one.mail.send_id)
            if seen is not None:
                self.do(one, seen)
        self.afterwards()

    def do(self, one: Intended, seen: SeenMail) -> None:
        recipient = one.mail.recipient
        match one.act:
            case Act.OPEN:
                self.fetch(seen.pixel)
            case Act.CLICK:
                self.fetch(seen.links.get(one.link or 0), agent=SCANNER if one.by_machine else BROWSER)
            case Act.UNSUBSCRIBE:
                self.fetch(seen.unsubscribe, form=ONE_CLICK)
            case Act.REPLY:
                self.send(reply(recipient, seen), seen.reply_to, recipient)
            case Act.AUTO_REPLY:
                self.send(away_note(recipient, seen), seen.reply_to, recipient)
            case Act.BOUNCE:
                self.send(delivery_report(recipient, seen), seen.envelope_from, "")
            case Act.SOFT_BOUNCE:
                self.send(full_report(recipient, seen), seen.envelope_from, "")
            case Act.COMPLAIN:
                self.send(complaint_report(recipient, seen), seen.envelope_from, "")
            case Act.ACCEPT | Act.DECLINE | Act.CLOSE | Act.DO:
                self.fetch(seen.answer, form={"answer": ANSWERS[one.act]})
            case Act.VISIT:
                self.shop.tell_visit(recipient, one.mail.send_id, one.at)
            case Act.ASK:
                self.shop.tell_form(recipient, one.mail.send_id, one.at)
            case Act.ORDER:
                self.shop.place_order(recipient, order_number(one), one.at)
            case Act.SHIPMENT:
                self.shop.ship_order(recipient, order_number(one), one.at)
            case _:
                assert_never(one.act)

    def fetch(self, url: str | None, *, agent: str = BROWSER, form: Mapping[str, str] | None = None) -> None:
        """GET, or POST a form; redirects are not followed, because they lead out of this machine."""
        if url is None:
            return
        parts = urlsplit(url)
        if self._connection is None:
            self._connection = http.client.HTTPConnection(parts.netloc, timeout=20)
        headers = {"User-Agent": agent}
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        body = None if form is None else urlencode(form)
        self._connection.request("GET" if form is None else "POST", parts.path, body=body, headers=headers)
        self._connection.getresponse().read()

    def send(self, message: bytes, recipient: str | None, sender: str) -> None:
        if recipient is None:
            return
        with smtplib.SMTP("127.0.0.1", self.reply_port, timeout=20) as server:
            server.sendmail(sender, [recipient], message)


ANSWERS = {Act.ACCEPT: "accepted", Act.DECLINE: "declined", Act.CLOSE: "closed", Act.DO: "done"}


def order_number(one: Intended) -> str:
    """One order for each hand."""
    return f"CR-{10_000 + (one.mail.handoff_id or 0)}"
