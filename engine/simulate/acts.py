"""Recipients whose acts are told to the receiver's own bookkeeping, without a connection in between.

Before: `engine.simulate.recipients` decided. After: `webhooks.record` makes events of it, just as of what comes over HTTP or
SMTP (`engine.simulate.over_wire` is the way that does use connections).
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa

from engine.database import Tx
from engine.errors import StaleError
from engine.events import NewEvent, record_events
from engine.inbound.addressee import Purpose
from engine.runtime import Runtime
from engine.schema import sends
from engine.scoring.answers import answer
from engine.simulate.letters import BROWSER, SCANNER, away_note, complaint_report, delivery_report, full_report, reply
from engine.simulate.recipients import Act, Intended
from engine.simulate.seen import SeenMail
from engine.tokens import SendToken, in_address
from engine.vocabulary import EventType, HandoffState, Origin, TaskState
from webhooks.entries import Entry, Fetched, Mailed, OptedOut
from webhooks.links import LinkTables
from webhooks.mail import read_mails
from webhooks.record import record

ANSWERS: dict[Act, HandoffState | TaskState] = {
    Act.ACCEPT: HandoffState.ACCEPTED,
    Act.DECLINE: HandoffState.DECLINED,
    Act.CLOSE: HandoffState.CLOSED,
    Act.DO: TaskState.DONE,
}


@dataclass(slots=True)
class DirectActs:
    """Carries out intentions in the database of a simulated world."""

    runtime: Runtime
    links: LinkTables
    done: int = 0

    def perform(self, intended: Sequence[Intended]) -> None:
        """All that was due at one look at the clock, in one transaction."""
        entries = [self.entry_of(one) for one in intended if one.act not in BEYOND_MAIL]
        told = read_mails(entries, self.runtime.tokens)
        with self.runtime.database.write() as tx:
            record(tx, entries, told, self.links, click_hold=timedelta(0))
            for one in intended:
                if one.act in ANSWERS:
                    answer_ask(tx, one)
                elif one.act in OBSERVED:
                    record_events(tx, [observed(tx, one)])

    def entry_of(self, one: Intended) -> Entry:
        """What the receiver would have noted."""
        self.done += 1
        match one.act:
            case Act.OPEN | Act.CLICK:
                return Fetched(
                    key=f"act {self.done}",
                    at=one.at,
                    send_id=one.mail.send_id,
                    link_table_id=one.mail.link_table_id,
                    link=one.link,
                    method="GET",
                    agent=SCANNER if one.by_machine else BROWSER,
                    prefetch=False,
                )
            case Act.UNSUBSCRIBE:
                return OptedOut(
                    key=f"act {self.done}", at=one.at, send_id=one.mail.send_id, address_key=one.mail.address_key, scope="topic"
                )
            case _:
                return self.letter_of(one)

    def letter_of(self, one: Intended) -> Mailed:
        """A mail that comes in: to where the answers go, or to where the reports go."""
        write, purpose = LETTERS[one.act]
        domain = self.runtime.settings.reply_domain
        mail = one.mail
        sealed = SendToken(send_id=mail.send_id, link_table_id=mail.link_table_id, address_key=mail.address_key)
        token = in_address(self.runtime.tokens.seal(sealed))
        seen = SeenMail(message_id=f"<{token}@{domain}>", reply_to=f"r+{token}@{domain}", envelope_from=f"b+{token}@{domain}")
        return Mailed(
            at=one.at,
            purpose=purpose,
            recipient=f"{purpose}+{token}@{domain}",
            envelope_sender="" if purpose == Purpose.BOUNCE else one.mail.recipient,
            raw=write(one.mail.recipient, seen),
        )


OBSERVED: dict[Act, tuple[EventType, dict[str, object]]] = {
    Act.VISIT: (EventType.VISITED, {"page": "/pricing"}),
    Act.ASK: (EventType.FORM_SUBMITTED, {"form": "contact"}),
    Act.ORDER: (EventType.PURCHASED, {}),
}
BEYOND_MAIL = {*ANSWERS, *OBSERVED, Act.SHIPMENT}
LETTERS: dict[Act, tuple[Callable[[str, SeenMail], bytes], Purpose]] = {
    Act.REPLY: (reply, Purpose.REPLY),
    Act.AUTO_REPLY: (away_note, Purpose.REPLY),
    Act.BOUNCE: (delivery_report, Purpose.BOUNCE),
    Act.SOFT_BOUNCE: (full_report, Purpose.BOUNCE),
    Act.COMPLAIN: (complaint_report, Purpose.BOUNCE),
}


def answer_ask(tx: Tx, one: Intended) -> None:
    """A rep's answer; one that comes too late changes nothing."""
    number = one.mail.task_id if one.act == Act.DO else one.mail.handoff_id
    assert number is not None
    with suppress(StaleError):
        answer(tx, number, ANSWERS[one.act])


def observed(tx: Tx, one: Intended) -> NewEvent:
    """What a site or a shop would tell. What else a shop says is for `engine.simulate.over_wire`."""
    kind, data = OBSERVED[one.act]
    return NewEvent(
        source_key=f"simulated {one.act} {one.mail.send_id}",
        type=kind,
        origin=Origin.HUMAN,
        lead_id=tx.run(sa.select(sends.c.lead_id).where(sends.c.id == one.mail.send_id)).scalar(),
        occurred_at=one.at,
        data=data,
    )
