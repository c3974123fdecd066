"""Everything that happened to one lead, in order, in its own time: steps, mails, events, points, raised hands.

Before: rows, live or of a simulated world. After: `handraiser simulate --timeline` prints it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from engine.conditions import gather_facts, scope_of, zone_of
from engine.database import Tx
from engine.leads import Lead, find_lead, load_leads
from engine.schema import enrolments, events, handoffs, leads, sends, touches
from engine.scoring.card import name_of
from engine.scoring.rules import score
from engine.story.words import in_words
from engine.versions import live_rules
from engine.vocabulary import Origin, SendState, Stream

MOST_LEADS = 10
MOST_CHANGES = 500  # of points by themselves, so that nothing goes round for ever


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One line. `what`: enrolment, step, mail, event, points or hand."""

    at: datetime  # in the lead's zone
    what: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    lead: str
    key: str
    zone: str
    moments: tuple[Moment, ...]


def timelines_of(tx: Tx, keys: Sequence[str] | None) -> tuple[Timeline, ...]:
    """Of the leads with these keys or addresses; of the first ones where none is named; of nobody for None."""
    if keys is None:
        return ()
    if keys:
        return tuple(timeline(tx, lead) for key in keys if (lead := find_lead(tx, key)) is not None)
    first = tx.run(sa.select(leads.c.id).order_by(leads.c.id).limit(MOST_LEADS)).scalars().all()
    return tuple(timeline(tx, lead) for lead in load_leads(tx, first).values())


def timeline(tx: Tx, lead: Lead) -> Timeline:
    """Up to now. Raises DatabaseError when no workspace was applied yet."""
    local = zone_of(lead, live_rules(tx).policy)
    found = [*passages(tx, lead, local), *steps(tx, lead, local), *mails(tx, lead, local)]
    found += [*observed(tx, lead, local), *points(tx, lead, local), *hands(tx, lead, local)]
    order = {"event": 0, "points": 1, "hand": 2, "mail": 3, "step": 4, "enrolment": 5}
    found.sort(key=lambda each: (each.at, order[each.what]))
    return Timeline(lead=name_of(lead), key=lead.key, zone=local.key, moments=tuple(found))


def passages(tx: Tx, lead: Lead, local: ZoneInfo) -> Iterator[Moment]:
    for row in tx.run(sa.select(enrolments).where(enrolments.c.lead_id == lead.id)):
        yield moment(row.created_at, local, "enrolment", f"comes into {row.cadence}")
        if row.ended_at is not None:
            yield moment(row.ended_at, local, "enrolment", f"{row.cadence} {row.state} ({row.reason}): {in_words(row.reason)}")


def steps(tx: Tx, lead: Lead, local: ZoneInfo) -> Iterator[Moment]:
    """Steps that are over. One with a mail is told by the mail, unless that never began."""
    chosen = (
        sa.select(touches.c.step_id, touches.c.state, touches.c.reason, touches.c.arm, touches.c.ended_at)
        .join(enrolments, enrolments.c.id == touches.c.enrolment_id)
        .join(sends, sends.c.touch_id == touches.c.id, isouter=True)
        .where(enrolments.c.lead_id == lead.id, touches.c.ended_at.is_not(None), sends.c.id.is_(None))
    )
    for row in tx.run(chosen):
        why = f" ({row.reason}): {in_words(row.reason)}" if row.reason else ""
        arm = f", drew the arm {row.arm}" if row.arm else ""
        yield moment(row.ended_at, local, "step", f"{row.step_id} {row.state}{arm}{why}")


def mails(tx: Tx, lead: Lead, local: ZoneInfo) -> Iterator[Moment]:
    for row in tx.run(sa.select(sends).where(sends.c.lead_id == lead.id)):
        to = f" to {row.rep}" if row.stream == Stream.INTERNAL else ""
        if row.ended_at is None:
            if row.reason:
                yield moment(row.due_at or tx.now, local, "mail", f"{row.email}{to} waits ({row.reason}): {in_words(row.reason)}")
            continue
        state = "sent" if row.state == SendState.ACCEPTED else row.state
        why = f" ({row.reason}): {in_words(row.reason)}" if row.reason else ""
        said = f" [{row.smtp_code} {row.smtp_reply}]" if row.smtp_code and row.state != SendState.ACCEPTED else ""
        yield moment(row.ended_at, local, "mail", f"{row.email}{to} {state}{why}{said}")


def observed(tx: Tx, lead: Lead, local: ZoneInfo) -> Iterator[Moment]:
    for row in tx.run(sa.select(events).where(events.c.lead_id == lead.id)):
        about = " ".join(str(row.data[name]) for name in ("link", "page", "form") if row.data.get(name))
        where = f" in {row.data['email']}" if row.data.get("email") else ""
        by = ", by a machine" if row.origin == Origin.MACHINE else ""
        yield moment(row.occurred_at, local, "event", f"{row.type}{' ' + about if about else ''}{where}{by}")


def points(tx: Tx, lead: Lead, local: ZoneInfo) -> Iterator[Moment]:
    """The score is a function of the events and the instant, so its whole course can be told from them."""
    live = live_rules(tx)
    now = gather_facts(tx, {lead.id: lead}, live)[lead.id]
    instants = sorted({event.at for event in now.events if event.at <= tx.now})
    before, number = 0.0, 0
    while instants and number < MOST_CHANGES:
        at, number = instants.pop(0), number + 1
        facts = replace(now, now=at, events=tuple(event for event in now.events if event.at <= at))
        found = score(live.scoring, facts, scope_of(live.policy))
        if found.points != before:
            yield moment(at, local, "points", f"{before:g} → {found.points:g} points")
            before = found.points
        change = found.next_change_at
        if change is not None and at < change <= tx.now and change not in instants:
            instants = sorted([*instants, max(change, at + timedelta(microseconds=1))])


def hands(tx: Tx, lead: Lead, local: ZoneInfo) -> Iterator[Moment]:
    for row in tx.run(sa.select(handoffs).where(handoffs.c.lead_id == lead.id)):
        yield moment(row.raised_at, local, "hand", f"hand raised to {row.rep} with {row.points:g} points")


def moment(at: datetime, local: ZoneInfo, what: str, words: str) -> Moment:
    return Moment(at=at.astimezone(local), what=what, words=words)
