"""A lead's whole history, as a rep reads it: what we sent, what came back, what sales did, newest first.

Read by the mails to reps, the pages on which they answer and `handraiser explain`.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from engine.database import Tx
from engine.leads import load_leads
from engine.schedule.tasks import worded_title
from engine.schema import bodies, enrolments, events, handoffs, sends, tasks
from engine.sql import rows_at_once
from engine.versions import artifact
from engine.vocabulary import EventType, Origin, SendState, Stream


class Kind(StrEnum):
    """Whose doing an entry is, for its look."""

    OURS = "ours"
    HUMAN = "human"
    MACHINE = "machine"  # or not known to be a person
    SALES = "sales"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the history. `said`: what the person wrote, in their own words."""

    at: datetime
    kind: Kind
    words: str
    said: str = ""

    @property
    def line(self) -> str:
        """Everything on one line, for a terminal."""
        return f"{self.words}: “{' '.join(self.said.split())}”" if self.said else self.words


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A task's row, with its title as the rep reads it."""

    row: sa.Row[Any]
    title: str


# {subject}: of the mail that the event is about; {task}: its title
WORDS: dict[str, str] = {
    EventType.OPENED: "opened {subject}",
    EventType.CLICKED: "clicked {link} in {subject}",
    EventType.REPLIED: "replied to {subject}",
    EventType.AUTO_REPLIED: "an automatic reply to {subject}",
    EventType.BOUNCED: "{subject} came back: the address does not work",
    EventType.SOFT_BOUNCED: "{subject} came back for now",
    EventType.REFUSED: "{subject} was refused by their mail server",
    EventType.COMPLAINED: "marked {subject} as spam",
    EventType.UNSUBSCRIBED: "asked for no more mail",
    EventType.VISITED: "looked at {page}",
    EventType.FORM_SUBMITTED: "sent {form}",
    EventType.PURCHASED: "bought something",
    EventType.IMPORTED: "came in by a file",
    EventType.HANDOFF_ACCEPTED: "sales took the lead",
    EventType.HANDOFF_DECLINED: "sales gave the lead back",
    EventType.HANDOFF_CLOSED: "sales was through with the lead",
    EventType.TASK_DONE: "sales did “{task}”",
    EventType.TASK_NOT_NEEDED: "sales found it not needed: “{task}”",
}
NAMED = {"link": ("“{}”", "a link"), "page": ("{}", "a page"), "form": ("the form “{}”", "a form")}
OF_TASKS = (EventType.TASK_DONE, EventType.TASK_NOT_NEEDED)
OF_SALES = (EventType.HANDOFF_ACCEPTED, EventType.HANDOFF_DECLINED, EventType.HANDOFF_CLOSED, *OF_TASKS)
OF_US = (EventType.IMPORTED, EventType.BOUNCED, EventType.SOFT_BOUNCED, EventType.REFUSED)
TOLD_BY_THE_SEND = (EventType.ACCEPTED,)
LONGEST_SAID = 1_200
UNPRINTABLE = re.compile(r"[^\S\n]+|[\x00-\x09\x0b-\x1f\x7f-\x9f]+")

Found = Iterator[tuple[int, Entry]]
Titles = Mapping[tuple[int, str], str]


def histories(tx: Tx, lead_ids: Collection[int]) -> dict[int, list[Entry]]:
    """The history of each of these leads, newest first."""
    found: dict[int, list[Entry]] = {lead_id: [] for lead_id in lead_ids}
    for some in rows_at_once(lead_ids):
        titles, asked = subjects(tx, some), asked_of(tx, some)
        told = (raised(tx, some), in_tasks(asked), observed(tx, some, titles, asked), sent(tx, some, titles), enrolled(tx, some))
        for entries in told:
            for lead_id, entry in entries:
                found[lead_id].append(entry)
    return {lead_id: sorted(entries, key=lambda entry: entry.at, reverse=True) for lead_id, entries in found.items()}


def subjects(tx: Tx, lead_ids: Collection[int]) -> Titles:
    """The subjects that these leads read last, by lead and email's name; one with values in it goes by the name."""
    chosen = (
        sa.select(sends.c.lead_id, sends.c.email, sends.c.artifact_hash)
        .where(sends.c.lead_id.in_(lead_ids), sends.c.artifact_hash.is_not(None), sends.c.state == SendState.ACCEPTED)
        .order_by(sends.c.id)
    )
    found = {(row.lead_id, row.email): artifact(tx, row.artifact_hash).subject for row in tx.run(chosen)}
    return {mail: subject for mail, subject in found.items() if "{" not in subject}


def asked_of(tx: Tx, lead_ids: Collection[int]) -> dict[int, Asked]:
    """{task: what cadences asked reps to do}, with the titles filled in."""
    rows = tx.run(sa.select(tasks).where(tasks.c.lead_id.in_(lead_ids))).all()
    people = load_leads(tx, {row.lead_id for row in rows})
    return {row.id: Asked(row=row, title=worded_title(row.title, people[row.lead_id])) for row in rows}


def in_tasks(asked: Mapping[int, Asked]) -> Found:
    for task in asked.values():
        yield task.row.lead_id, Entry(at=task.row.created_at, kind=Kind.SALES, words=f"sales was asked: “{task.title}”")


def enrolled(tx: Tx, lead_ids: Collection[int]) -> Found:
    for row in tx.run(sa.select(enrolments).where(enrolments.c.lead_id.in_(lead_ids))):
        yield row.lead_id, Entry(at=row.created_at, kind=Kind.OURS, words=f"began the cadence “{row.cadence}”")


def sent(tx: Tx, lead_ids: Collection[int], titles: Titles) -> Found:
    chosen = sa.select(sends.c.lead_id, sends.c.email, sends.c.ended_at).where(
        sends.c.lead_id.in_(lead_ids), sends.c.state == SendState.ACCEPTED, sends.c.stream != Stream.INTERNAL
    )
    for row in tx.run(chosen):
        words = f"was sent “{titles.get((row.lead_id, row.email), row.email)}”"
        yield row.lead_id, Entry(at=row.ended_at, kind=Kind.OURS, words=words)


def observed(tx: Tx, lead_ids: Collection[int], titles: Titles, asked: Mapping[int, Asked]) -> Found:
    chosen = sa.select(events).where(events.c.lead_id.in_(lead_ids), events.c.type.not_in(TOLD_BY_THE_SEND))
    notes, said = notes_of(tx, lead_ids), replies_of(tx, lead_ids)
    for row in tx.run(chosen):
        task = asked.get(row.data.get("task")) if row.type in OF_TASKS else None
        note = task.row.said if task else notes.get((row.data.get("handoff"), row.type))
        words = in_words(row, titles).replace("{task}", task.title if task else "a task") + (f": “{note}”" if note else "")
        yield row.lead_id, Entry(at=row.occurred_at, kind=kind_of(row), words=words, said=said.get(row.id, ""))


def notes_of(tx: Tx, lead_ids: Collection[int]) -> dict[tuple[object, str], str]:
    """{(hand-off, type of event): what the rep wrote with the answer}."""
    noted = sa.select(handoffs).where(handoffs.c.lead_id.in_(lead_ids), handoffs.c.note.is_not(None))
    return {(row.id, f"handoff_{row.state}"): row.note for row in tx.run(noted)}


def replies_of(tx: Tx, lead_ids: Collection[int]) -> dict[int, str]:
    """{event: what they wrote}. What could not be read as mail is kept raw, and nothing for a reader."""
    chosen = (
        sa.select(events.c.id, events.c.data, bodies.c.content)
        .join_from(events, bodies, bodies.c.event_id == events.c.id)
        .where(events.c.lead_id.in_(lead_ids), events.c.type == EventType.REPLIED)
    )
    return {row.id: readable(row.content) for row in tx.run(chosen) if "unreadable" not in row.data}


def readable(content: bytes) -> str:
    text = printable(content.decode("utf-8", "replace"))
    return text if len(text) <= LONGEST_SAID else text[:LONGEST_SAID].rsplit(" ", 1)[0] + " …"


def printable(text: str) -> str:
    return UNPRINTABLE.sub(" ", text).strip()


def in_words(row: sa.Row[tuple[object, ...]], titles: Titles) -> str:
    words: str = WORDS.get(row.type) or row.type.replace("_", " ")
    email = row.data.get("email")
    words = words.replace("{subject}", f"“{titles.get((row.lead_id, email), email)}”" if email else "a mail")
    for name, (named, unnamed) in NAMED.items():
        value = row.data.get(name)
        words = words.replace("{" + name + "}", named.format(value) if value else unnamed)
    return words + doubt_about(row)


def doubt_about(row: sa.Row[tuple[object, ...]]) -> str:
    if kind_of(row) != Kind.MACHINE or row.type == EventType.AUTO_REPLIED:
        return ""
    return " (a machine, not the person)" if row.origin == Origin.MACHINE else " (perhaps a machine)"


def kind_of(row: sa.Row[tuple[object, ...]]) -> Kind:
    if row.type in OF_SALES:
        return Kind.SALES
    if row.type in OF_US:
        return Kind.OURS
    return Kind.HUMAN if row.origin == Origin.HUMAN else Kind.MACHINE


def raised(tx: Tx, lead_ids: Collection[int]) -> Found:
    for row in tx.run(sa.select(handoffs).where(handoffs.c.lead_id.in_(lead_ids))):
        yield row.lead_id, Entry(at=row.raised_at, kind=Kind.SALES, words=f"raised a hand with {row.points:g} points")
