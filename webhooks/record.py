"""Entries become events: whose they are, what they are about, and whether a machine made them.

Before: `webhooks.drainer` reads the journal; the simulator hands over what its recipients do. After: `engine.events` stores them,
each once. A token proves that a mail of ours is meant; what may follow from it is limited to that send.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from engine.database import Tx
from engine.events import NewEvent, record_events
from engine.inbound.machines import AT_ONCE, Request, label
from engine.prepared import Prepared
from engine.schema import events, leads, sends
from engine.sql import rows_at_once
from engine.vocabulary import EventType, Origin, Scope, SendState, Stream, topic_scope
from webhooks.entries import Entry, Fetched, OptedOut
from webhooks.links import LinkTables
from webhooks.mail import Told

log = logging.getLogger(__name__)
CLICK_HOLD = timedelta(seconds=60)  # before anything follows from a click
BOUNCE_AGE = timedelta(days=14)  # a bounce that comes later is about something else, or made up
KEPT_FOR = timedelta(days=400)  # what people wrote
NEVER = datetime.min.replace(tzinfo=UTC) + AT_ONCE
SENT = {SendState.ACCEPTED, SendState.UNKNOWN, SendState.ATTEMPTING}  # a report may be quicker than our own record

Row = Any  # one of `SENDS`, or of `FETCHED`


def record(
    tx: Tx,
    entries: Sequence[Entry],
    told: Sequence[Told],
    links: LinkTables,
    *,
    near: Collection[Fetched] = (),
    click_hold: timedelta = CLICK_HOLD,
) -> dict[str, int]:
    """Store entries as events; returns {source key: id} of the new ones. Safe to repeat with the same entries.

    `told`: what the mails among them say (`webhooks.mail.read_mails`), read beforehand: nobody else writes for as long as the
    transaction takes. `near`: requests that were noted but are not recorded yet; they help to tell machines apart.
    """
    opted_out = [entry for entry in entries if isinstance(entry, OptedOut)]
    fetched = [entry for entry in entries if isinstance(entry, Fetched)]
    rows = sends_of(
        tx, {*(mail.send_id for mail in told), *(entry.send_id for entry in opted_out), *(entry.send_id for entry in fetched)}
    )
    neighbours = neighbours_of(tx, fetched, near)
    said = [
        *(told_event(item, rows.get(item.send_id)) for item in told),
        *(opted_out_event(entry, rows.get(entry.send_id)) for entry in opted_out),
    ]
    keys = {mail.send_id: mail.address_key for mail in told} | {entry.send_id: entry.address_key for entry in opted_out}
    lost = {send_id: key for send_id, key in keys.items() if send_id not in rows}
    return record_events(
        tx,
        [
            *by_address(tx, said, lost),
            *(fetched_event(entry, rows.get(entry.send_id), neighbours[entry.send_id], links, click_hold) for entry in fetched),
        ],
    )


def by_address(tx: Tx, said: Sequence[NewEvent], lost: Mapping[int, str]) -> list[NewEvent]:
    """What was said by mails of which no row is left, as after a backup was put back, counts for whoever has the address."""
    if not lost:
        return list(said)
    log.warning(
        "an answer came by a mail that is not in the database: its address tells whose", extra={"facts": {"sends": sorted(lost)}}
    )
    lead_of_key = {row.address_key: row.id for row in tx.run(HAVING.where(leads.c.address_key.in_(set(lost.values()))))}
    return [
        each if (key := lost.get(each.send_id or 0)) is None else replace(each, lead_id=lead_of_key.get(key), address_key=key)
        for each in said
    ]


def fetched_event(
    entry: Fetched, row: Row | None, others: Collection[Request], links: LinkTables, click_hold: timedelta
) -> NewEvent:
    """A link is told by its name and, since two may have the same, by its number."""
    table = () if entry.link is None else links.find(entry.link_table_id) or ()
    named = entry.link is not None and entry.link < len(table)
    link = {"link": table[entry.link].name, "link_number": entry.link} if named and entry.link is not None else {}
    return NewEvent(
        source_key=f"fetched:{entry.key}",
        type=EventType.OPENED if entry.link is None else EventType.CLICKED,
        origin=label(request_of(entry), others, accepted_at(row)),
        lead_id=lead_of(row),
        send_id=entry.send_id,
        data=email_of(row) | link,
        occurred_at=entry.at,
        hold=timedelta(0) if entry.link is None else click_hold,
    )


def opted_out_event(entry: OptedOut, row: Row | None) -> NewEvent:
    """A mail without a topic, a confirmation say, opts out of all marketing."""
    of_topic = entry.scope == "topic" and row is not None and row.topic is not None
    return NewEvent(
        source_key=f"opted_out:{entry.key}",
        type=EventType.UNSUBSCRIBED,
        origin=Origin.HUMAN,
        lead_id=lead_of(row),
        send_id=entry.send_id,
        data=email_of(row) | {"scope": topic_scope(row.topic) if of_topic and row is not None else str(Scope.MARKETING)},
        occurred_at=entry.at,
    )


def told_event(told: Told, row: Row | None) -> NewEvent:
    """A bounce for good counts only for a mail that went out lately: else somebody might silence a lead with an old token."""
    kind = told.type
    if kind == EventType.BOUNCED and not went_out_lately(row, told.at):
        kind = EventType.SOFT_BOUNCED
    scope: dict[str, object] = {}
    if kind == EventType.UNSUBSCRIBED:
        scope = {"scope": topic_scope(row.topic) if row is not None and row.topic else str(Scope.MARKETING)}
    return NewEvent(
        source_key=told.source_key,
        type=kind,
        origin=told.origin,
        lead_id=lead_of(row),
        send_id=told.send_id,
        data={**email_of(row), **told.data, **scope},
        occurred_at=told.at,
        body=told.body,
        body_until=told.at + KEPT_FOR if told.body is not None else None,
    )


def went_out_lately(row: Row | None, at: datetime) -> bool:
    if row is None or row.state not in SENT:
        return False
    return row.ended_at is None or at - row.ended_at <= BOUNCE_AGE


def lead_of(row: Row | None) -> int | None:
    """Whose doing it is. What a rep does with an internal mail is not the lead's doing."""
    return None if row is None or row.stream == Stream.INTERNAL else row.lead_id


def email_of(row: Row | None) -> dict[str, object]:
    return {} if row is None else {"email": row.email}


def accepted_at(row: Row | None) -> datetime | None:
    """When the mail server took the mail, as far as we know."""
    if row is None:
        return None
    instant: datetime | None = row.ended_at if row.state == SendState.ACCEPTED else row.attempting_at
    return instant


def request_of(entry: Fetched) -> Request:
    return Request(at=entry.at, method=entry.method, agent=entry.agent, link=entry.link, prefetch=entry.prefetch)


def sends_of(tx: Tx, send_ids: Collection[int]) -> dict[int, Row]:
    """What is needed of each send; one that is not there is missing."""
    found: dict[int, Row] = {}
    for some in rows_at_once(send_ids):
        found |= {row.id: row for row in SENDS.rows(tx, ids=some)}
    return found


SENDS = Prepared(
    sa.select(
        sends.c.id, sends.c.lead_id, sends.c.stream, sends.c.topic, sends.c.email, sends.c.state,
        sends.c.attempting_at, sends.c.ended_at,
    ).where(sends.c.id.in_(sa.bindparam("ids", expanding=True)))
)  # fmt: skip

HAVING = sa.select(leads.c.address_key, sa.func.min(leads.c.id).label("id")).group_by(leads.c.address_key)


def neighbours_of(tx: Tx, fetched: Collection[Fetched], near: Collection[Fetched]) -> Mapping[int, list[Request]]:
    """{send id: every request for it about that time}, those that are events already included."""
    found: dict[int, list[Request]] = {entry.send_id: [] for entry in fetched}
    for entry in (*fetched, *near):
        if entry.send_id in found:
            found[entry.send_id].append(request_of(entry))
    earliest = min((entry.at for entry in fetched), default=NEVER)
    latest = max((entry.at for entry in fetched), default=NEVER)
    for some in rows_at_once(found):
        for row in FETCHED.rows(tx, ids=some, earliest=earliest - AT_ONCE, latest=latest + AT_ONCE):
            found[row.send_id].append(past_request(row))
    return found


FETCHED = Prepared(
    sa.select(events.c.send_id, events.c.occurred_at, events.c.origin, events.c.data).where(
        events.c.send_id.in_(sa.bindparam("ids", expanding=True)),
        events.c.type.in_((EventType.OPENED, EventType.CLICKED)),
        events.c.occurred_at.between(sa.bindparam("earliest"), sa.bindparam("latest")),
    )
)


def past_request(row: Row) -> Request:
    """An event as the request it was; of its words only the verdict is left."""
    method = "HEAD" if row.origin == Origin.MACHINE else "GET"
    return Request(at=row.occurred_at, method=method, agent="recorded", link=row.data.get("link_number"))
