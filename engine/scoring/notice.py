"""The mail that tells a rep of a raised hand or a task, and the reminder: of a hand before the promised time runs out, of a task
when it is due.

Before: `engine.scoring.handoff` raised the hand, or `engine.advance` wrote the task. After: both are ordinary rows of the ledger,
with their bytes stored, which `engine.deliver` sends like any other; an answer cancels what has not gone out.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

import sqlalchemy as sa
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from engine.compiler.senders import sender_of
from engine.database import Tx
from engine.deliver.kept import keep_messages
from engine.deliver.mime import MessageHeaders, address, write_message
from engine.render.quoted import quote_piece
from engine.render.wire import WireParts
from engine.runtime import Runtime
from engine.schema import sends
from engine.scoring.card import Card, cards
from engine.versions import Live
from engine.vocabulary import Ask, SendState, Stream

MOST_ENTRIES = 40  # of the history in the mail; the page has all of it
REMIND_AT = 0.75  # of the promised time
KEPT = timedelta(days=30)  # the bytes of a notice that was never sent
TEMPLATES = Path(__file__).parent / "notice_templates"


def queue_notices(tx: Tx, runtime: Runtime, live: Live, handoff_ids: Collection[int]) -> None:
    """Put the mail of each raised hand, and its reminder, into the ledger. The caller commits."""
    for card in cards(tx, live, Ask.HANDOFF, handoff_ids).values():
        queue(tx, runtime, live, card, "raised", tx.now)
        queue(tx, runtime, live, card, "reminder", card.asked_at + (card.answer_by - card.asked_at) * REMIND_AT)


def queue_task_notices(tx: Tx, runtime: Runtime, live: Live, task_ids: Collection[int]) -> None:
    """Put the mail of each new task, and its reminder, into the ledger. The caller commits."""
    if not task_ids:
        return
    for card in cards(tx, live, Ask.TASK, task_ids).values():
        queue(tx, runtime, live, card, "asked", tx.now)
        queue(tx, runtime, live, card, "reminder", card.answer_by)


def queue(tx: Tx, runtime: Runtime, live: Live, card: Card, which: str, due_at: datetime) -> None:
    if card.rep is None:
        return
    row = {
        "source": f"{card.ask}:{card.number}:{which}",
        "stream": Stream.INTERNAL,
        "lead_id": card.lead_id,
        "rep": card.rep.key,
        "address_key": runtime.tokens.address_key(card.rep.email),
        f"{card.ask}_id": card.number,
        "email": f"{card.ask}-{which}",
        "state": SendState.READY,
        "due_at": due_at,
        "created_at": due_at,
    }
    send_id = tx.run(sa.insert(sends).values(row).returning(sends.c.id)).scalar_one()
    message = write_notice(runtime, live, card, which, due_at)
    keep_messages(tx, [(send_id, message)], until=due_at + KEPT)


def write_notice(runtime: Runtime, live: Live, card: Card, which: str, at: datetime) -> bytes:
    """The whole message. Its replies go to the lead, so that a rep may simply answer."""
    assert card.rep is not None
    subject, heading = headed(card, which)
    values = {
        "card": card,
        "subject": subject,
        "heading": heading,
        "page": f"{runtime.settings.public_url}/h/{runtime.tokens.seal_ask(card.ask, card.number)}",
        "history": card.history[:MOST_ENTRIES],
        "more": max(0, len(card.history) - MOST_ENTRIES),
    }
    headers = MessageHeaders(
        sender_name=live.policy.name,
        sender_address=sender_of(live.policy.brands[live.policy.brand]).address,
        recipient=card.rep.email,
        date=at,
        message_id=f"{card.ask}-{card.number}-{which}-{at:%Y%m%d%H%M%S}@{runtime.settings.reply_domain}",
        reply_to=card.email if may_reply_to(card.email) else None,
        auto_submitted=True,
    )
    return write_message(headers, parts_of(subject, values))


def headed(card: Card, which: str) -> tuple[str, str]:
    """The subject, and what stands over the card."""
    if card.ask == Ask.TASK:
        due = f"{card.answer_by:%a %d %b}"
        return (
            (f"{card.title} (due {due})", "To do") if which == "asked" else (f"Overdue: {card.title} (was due {due})", "Overdue")
        )
    heading = "Raised hand" if which == "raised" else "Still waiting for you"
    return f"{heading}: {card.who} ({card.points} points)", heading


def parts_of(subject: str, values: dict[str, object]) -> WireParts:
    text, html = (quote_piece(template(f"notice.{kind}").render(values)).encode("ascii") for kind in ("txt", "html"))
    return WireParts(subject=subject, text_qp=text, html_qp=html)


def may_reply_to(mail_address: str | None) -> bool:
    """An address that no header can bear must not keep the rep from hearing of the lead."""
    try:
        return mail_address is not None and bool(address(mail_address))
    except ValueError:
        return False


@cache
def template(name: str) -> Template:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=lambda file: bool(file and file.endswith(".html")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)
