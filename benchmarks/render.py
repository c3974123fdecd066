"""What one recipient costs: subject, HTML and text rendered, and the message written.

Run: `python -m benchmarks.render [email …]`.

The baseline in the same run is the plain form put into `email.message.EmailMessage`. Each figure is the median of several rounds
on one core, templates compiled beforehand; the lead's values differ from mail to mail, and every order has five items.
Goal: 250 µs for the order confirmation.
"""

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Any

import yaml

from benchmarks.conditions import conditions
from engine.deliver.mime import MessageHeaders, write_message
from engine.render.artifact import Artifact
from engine.render.context import values_for
from engine.render.library import compile_emails, email_names
from engine.render.wire import render, render_wire
from engine.tokens import NOBODY, SendToken, Tokens, in_url

WORKSPACE = Path(__file__).parent.parent
ROUNDS, MAILS, SLOW_MAILS = 7, 200, 20
ITEMS = 5  # in every order
TOKENS = Tokens(("a key for the benchmark",))
SENT_AT = datetime(2027, 3, 1, 9, 0, tzinfo=UTC)
OFFER = {
    "title": "Inlet filters",
    "text": "Six in a pack.",
    "link": "https://www.clearroom.example/shop/filters",
    "button": "Add",
}
NAMES = ("Ada", "Zoë", "Müller & Söhne", "李小龍", "O'Neill")


def main(emails: list[str]) -> None:
    """Measure each email and print the table."""
    brands = {path.stem: plain(path) for path in (WORKSPACE / "templates/brands").glob("*.yaml")}
    brand = next(iter(brands))
    began = time.perf_counter()
    editions, problems = compile_emails(WORKSPACE, brands, [(email, brand) for email in emails])
    compile_ms = (time.perf_counter() - began) * 1000 / max(len(emails), 1)
    if problems:
        sys.exit("\n".join(f"{problem.file}:{problem.line}: {problem.message}" for problem in problems))
    print(f"{conditions()}; microseconds a recipient,")
    print(f"median of {ROUNDS} rounds of {MAILS} mails (EmailMessage: {SLOW_MAILS}); compiled once in {compile_ms:.0f} ms\n")
    print(f"{'email':24}{'message':>10}{'plain':>9}{'wire form':>11}{'headers':>9}{'in all':>9}{'EmailMessage':>14}{'times':>7}")
    for (email, _), edition in editions.items():
        print(row(email, edition.plain, [person(email, brands[brand], number) for number in range(MAILS)]))


def row(email: str, artifact: Artifact, people: list[dict[str, Any]]) -> str:
    parts = [render_wire(artifact, values) for values in people]
    size = len(write_message(headers(0), parts[0]))
    plain_us = timed(people, lambda values: render(artifact, values))
    wire_us = timed(people, lambda values: render_wire(artifact, values))
    headers_us = timed(parts, lambda part: write_message(headers(7), part))
    baseline_us = timed(people[:SLOW_MAILS], lambda values: by_email_message(artifact, values))
    times = baseline_us / (wire_us + headers_us)
    columns = f"{plain_us:9.0f}{wire_us:11.0f}{headers_us:9.0f}{wire_us + headers_us:9.0f}{baseline_us:14.0f}{times:7.1f}"
    return f"{email:24}{size / 1024:7.1f} KB{columns}"


def timed(arguments: list[Any], work: Callable[[Any], object]) -> float:
    """Microseconds for one call."""
    work(arguments[0])
    rounds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for argument in arguments:
            work(argument)
        rounds.append((time.process_time() - began) / len(arguments) * 1e6)
    return median(rounds)


def by_email_message(artifact: Artifact, values: dict[str, Any]) -> bytes:
    """The same mail by the standard library."""
    rendered, meant = render(artifact, values), headers(7)
    message = EmailMessage(policy=SMTP)
    message["From"] = f"{meant.sender_name} <{meant.sender_address}>"
    message["To"] = meant.recipient
    message["Subject"] = rendered.subject
    message["Message-ID"] = f"<{meant.message_id}>"
    message["Date"] = meant.date
    message["List-Unsubscribe"] = f"<{meant.one_click_url}>"
    message.set_content(rendered.text)
    message.add_alternative(rendered.html, subtype="html")
    return message.as_bytes()


def headers(number: int) -> MessageHeaders:
    return MessageHeaders(
        sender_name="Clearroom",
        sender_address="hello@clearroom.example",
        recipient=f"lead{number}@fernhill.example",
        date=SENT_AT,
        message_id=f"s{number}@clearroom.example",
        one_click_url=f"https://t.clearroom.example/u/{token(number)}",
    )


def person(email: str, brand: dict[str, Any], number: int) -> dict[str, Any]:
    """Values from the email's own sample, with another name each time."""
    sample = plain(WORKSPACE / f"templates/emails/{email}/sample.yaml")
    fields = dict.fromkeys(plain(WORKSPACE / "leads.yaml")["fields"])
    return values_for(
        lead={**fields, **sample["lead"], "first_name": NAMES[number % len(NAMES)]},
        brand=brand,
        rep={"name": "Dana Whitfield", "email": "dana@clearroom.example", "phone": "+44 20 7946 0311"},
        event=with_items(sample.get("event")),
        offer=OFFER if number % 2 else None,
        track="https://t.clearroom.example",
        token=token(number),
        seal=TOKENS.seal_target,
        unsubscribe_url=f"https://t.clearroom.example/u/{token(number)}",
        web_url=f"https://t.clearroom.example/w/{token(number)}",
    )


def with_items(event: dict[str, Any] | None) -> dict[str, Any] | None:
    """The event with `ITEMS` things ordered, if it is an order."""
    if event is None or "items" not in event:
        return event
    return {**event, "items": list(islice(cycle(event["items"]), ITEMS))}


def token(number: int) -> str:
    return in_url(TOKENS.seal(SendToken(send_id=number, link_table_id=1, address_key=NOBODY)))


def plain(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)
    return content


if __name__ == "__main__":
    main(sys.argv[1:] or email_names(WORKSPACE))
