"""Makes an event that somebody wrote down happen, through the same functions that the receiver uses.

Before: the clock of a simulated world stands at its time. After: the event is recorded, and the world reacts to it as live.
"""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from engine.compiler.cadence_tests import Happening
from engine.database import Tx
from engine.errors import StaleError
from engine.events import NewEvent, record_events
from engine.leads import Lead
from engine.runtime import Runtime
from engine.schema import sends
from engine.scoring.answers import ANSWERS, answer
from engine.simulate.acts import DirectActs
from engine.simulate.mailbox import received
from engine.simulate.recipients import Act, Intended, Received
from engine.versions import live_rules
from engine.vocabulary import OPEN_HANDOFF, Ask, EventType, Origin, SendState, Stream, TaskState
from webhooks.api import Taken, take_event

ACTS: dict[str, Act] = {
    EventType.OPENED: Act.OPEN,
    EventType.CLICKED: Act.CLICK,
    EventType.REPLIED: Act.REPLY,
    EventType.AUTO_REPLIED: Act.AUTO_REPLY,
    EventType.BOUNCED: Act.BOUNCE,
    EventType.SOFT_BOUNCED: Act.SOFT_BOUNCE,
    EventType.COMPLAINED: Act.COMPLAIN,
    EventType.UNSUBSCRIBED: Act.UNSUBSCRIBE,
}
ANSWERED = {event: (book, state) for state, (book, _after, event) in ANSWERS.items()}
OPEN = {Ask.HANDOFF: (OPEN_HANDOFF, "no hand was raised by then"), Ask.TASK: ((TaskState.OPEN,), "no task was open by then")}
POSTED = (EventType.VISITED, EventType.FORM_SUBMITTED)

Trouble = str | None  # why it could not happen, in words; None: it did


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Where it happens. `acts`: who carries out what is done with a mail."""

    runtime: Runtime
    acts: DirectActs


def happen(stage: Stage, lead: Lead, event: Happening, *, at: datetime, number: int) -> Trouble:
    """Let it happen to the lead now, which is `at`. `number` tells it from others of its kind."""
    if event.type in ACTS:
        return act_on_mail(stage, lead, event, at)
    if event.type in ANSWERED:
        return answer_ask(stage, lead, EventType(event.type))
    return by_post(stage, lead, event, at, number) if is_posted(stage, event) else observe(stage, lead, event, at, number)


def act_on_mail(stage: Stage, lead: Lead, event: Happening, at: datetime) -> Trouble:
    """What a person, or their mail server, does with the newest mail of that name that they have."""
    with stage.runtime.database.read() as tx:
        mails = mails_to(tx, lead, event.email)
    if not mails:
        return f"no mail {event.email} had been sent by then" if event.email else "no mail had been sent by then"
    for mail in mails:
        if event.type != EventType.CLICKED:
            stage.acts.perform([Intended(at=at, act=ACTS[event.type], mail=mail)])
            return None
        if mail.links and (event.link is None or event.link in mail.links):
            link = 0 if event.link is None else mail.links.index(event.link)
            stage.acts.perform([Intended(at=at, act=Act.CLICK, mail=mail, link=link)])
            return None
    return no_link(event, mails[0])


def no_link(event: Happening, mail: Received) -> str:
    known = ", ".join(dict.fromkeys(mail.links)) or "none"
    return f"{mail.email} has no link {event.link}; its links are: {known}" if event.link else f"{mail.email} has no link"


def mails_to(tx: Tx, lead: Lead, email: str | None) -> list[Received]:
    """The mails that the lead has got, the newest first."""
    chosen = sa.select(sends.c.id, sends.c.ended_at).where(
        sends.c.lead_id == lead.id, sends.c.state == SendState.ACCEPTED, sends.c.stream != Stream.INTERNAL
    )
    if email is not None:
        chosen = chosen.where(sends.c.email == email)
    arrived = {row.id: row.ended_at for row in tx.run(chosen)}
    return sorted(received(tx, arrived), key=lambda mail: (mail.at, mail.send_id), reverse=True)


def answer_ask(stage: Stage, lead: Lead, type: EventType) -> Trouble:
    """What sales says to the lead's raised hand, or to the task about it that was asked for first."""
    book, state = ANSWERED[type]
    (open_states, trouble), table = OPEN[book.ask], book.table
    with stage.runtime.database.write() as tx:
        chosen = sa.select(table.c.id).where(table.c.lead_id == lead.id, table.c.state.in_(open_states)).order_by(table.c.id)
        number = tx.run(chosen).scalars().first()
        if number is None:
            return trouble
        try:
            answer(tx, number, state)
        except StaleError as stale:
            return str(stale)
    return None


def is_posted(stage: Stage, event: Happening) -> bool:
    """Whether a site or a shop tells it: all that events.yaml declares, pages and forms."""
    with stage.runtime.database.read() as tx:
        return event.type in POSTED or live_rules(tx).policy.event_schema.kind(event.type) is not None


def by_post(stage: Stage, lead: Lead, event: Happening, at: datetime, number: int) -> Trouble:
    facts = {
        "type": event.type,
        "id": f"{lead.key[:80]} {number}",
        "at": at.isoformat(),
        "lead": {"key": lead.key},
        "data": {name: value for name, value in data_of(event).items() if value is not None},
    }
    taken = take_event(stage.runtime, facts, post_id="")
    return None if isinstance(taken, Taken) else "; ".join(f"{fault.field} {fault.problem}" for fault in taken)


def data_of(event: Happening) -> dict[str, object]:
    named = {"page": event.page, "form": event.form, "link": event.link, "email": event.email}
    return {**event.data, **{name: value for name, value in named.items() if value is not None}}


def observe(stage: Stage, lead: Lead, event: Happening, at: datetime, number: int) -> Trouble:
    """What nobody posts and no mail brings, such as a purchase that another system knows of."""
    told = NewEvent(
        source_key=f"written {lead.key[:100]} {number}",
        type=event.type,
        origin=Origin.HUMAN,
        lead_id=lead.id,
        occurred_at=at,
        data=data_of(event),
    )
    with stage.runtime.database.write() as tx:
        record_events(tx, [told])
    return None
