"""Events: what was observed, append-only, each told at most once, and the stops that some of them carry.

Before: the receiver, the wire and the imports observe something. After: the reactions (`engine.reactions`). An event that
means stop writes its suppression in the same transaction, so that no mail can begin in between.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import sqlalchemy as sa

from engine.database import Tx
from engine.deliver.replies import POLICIES, About
from engine.expressions.facts import EventFact
from engine.prepared import Prepared, PreparedInsert
from engine.schema import Instant, bodies, events, leads, reactions, sends
from engine.sql import rows_at_once
from engine.suppression import Suppression, suppress
from engine.vocabulary import EventType, Origin, Scope

# Nothing follows from these by itself: they are kept for reports and conditions.
WITHOUT_REACTION = {EventType.ACCEPTED, EventType.AUTO_REPLIED, EventType.IMPORTED}
LATELY_IS = timedelta(days=30)
# What each of these stops, unless `data.scope` says otherwise.
STOPPING = {
    EventType.UNSUBSCRIBED: Scope.MARKETING,
    EventType.BOUNCED: Scope.EVERYTHING,
    EventType.COMPLAINED: Scope.EVERYTHING,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """Something observed. `source_key` makes the same observation, told twice, one row.

    `data` has nothing personal in it; `body` (a reply's text, an order) has, and is kept apart until `body_until`.
    `hold` delays the reaction, for clicks that may turn out to be a scanner's. `address_key`: whose it is where no row says so.
    """

    source_key: str
    type: str
    origin: Origin
    lead_id: int | None
    send_id: int | None = None
    data: Mapping[str, object] = field(default_factory=dict)
    occurred_at: datetime
    body: bytes | None = None
    body_until: datetime | None = None
    hold: timedelta = timedelta(0)
    address_key: str | None = None


def record_events(tx: Tx, observed: Sequence[NewEvent]) -> dict[str, int]:
    """Append events; returns {source key: id} of those that were new. Stops take effect with this transaction."""
    distinct = list({event.source_key: event for event in observed}.values())
    fresh: dict[str, int] = {}
    for some in rows_at_once(distinct):
        fresh.update(append(tx, some))
    new = [event for event in distinct if event.source_key in fresh]
    keep_bodies(tx, new, fresh)
    plan_reactions(tx, new, fresh)
    stop_mail(tx, new, fresh)
    if often := bounced_often(tx, new):
        record_events(tx, often)
    return fresh


def append(tx: Tx, observed: Sequence[NewEvent]) -> dict[str, int]:
    rows = [
        (each.source_key, each.type, each.origin, each.lead_id, each.send_id, dict(each.data), each.occurred_at, tx.now)
        for each in observed
    ]
    return {row.source_key: row.id for row in NEW_EVENTS.rows(tx, rows)}


def keep_bodies(tx: Tx, new: Sequence[NewEvent], ids: Mapping[str, int]) -> None:
    NEW_BODIES.run(tx, [(ids[each.source_key], each.body, each.body_until) for each in new if each.body is not None])


def plan_reactions(tx: Tx, new: Sequence[NewEvent], ids: Mapping[str, int]) -> None:
    """A machine's event is kept and labelled; nothing follows from it, unless it stops mail."""
    rows = [
        (ids[event.source_key], "waiting", tx.now + event.hold, 0, 0)
        for event in new
        if event.lead_id is not None
        and event.type not in WITHOUT_REACTION
        and (event.origin != Origin.MACHINE or event.type in STOPPING)
    ]
    NEW_REACTIONS.run(tx, rows)


def stop_mail(tx: Tx, new: Sequence[NewEvent], ids: Mapping[str, int]) -> None:
    stopping = [event for event in new if event.type in STOPPING and (event.lead_id, event.address_key) != (None, None)]
    if not stopping:
        return
    suppress(
        tx,
        [
            Suppression(
                address_key=address_key,
                scope=str(event.data.get("scope") or STOPPING[EventType(event.type)]),
                reason=event.type,
                source=f"event:{ids[event.source_key]}",
            )
            for event, address_keys in addresses_of(tx, stopping)
            for address_key in sorted(address_keys)
        ],
    )


def bounced_often(tx: Tx, new: Sequence[NewEvent]) -> list[NewEvent]:
    """What bounced for now, as often lately as is enough: that is a bounce for good. Each mail counts once."""
    soft = {event.send_id: event for event in new if event.type == EventType.SOFT_BOUNCED and enough_of(event.data) is not None}
    if not soft:
        return []
    mails: dict[tuple[str, object], set[int]] = {}
    key_of = {}
    for row in LATELY.rows(tx, ids=[send_id for send_id in soft if send_id is not None], since=tx.now - LATELY_IS):
        mails.setdefault((row.address_key, row.data.get("about")), set()).add(row.send_id)
        key_of[row.send_id] = row.address_key
    return [
        replace(event, source_key=f"bounced_often:{send_id}", type=EventType.BOUNCED, body=None)
        for send_id, event in soft.items()
        if len(mails.get((key_of.get(send_id, ""), event.data["about"]), ())) >= (enough_of(event.data) or 0)
    ]


def enough_of(data: Mapping[str, object]) -> int | None:
    """How many such bounces are enough; None: no number is. One that would be enough by itself was not believed."""
    enough = next((POLICIES[kind].suppress_after for kind in About if kind == data.get("about")), None)
    return None if enough == 1 else enough


def addresses_of(tx: Tx, stopping: Sequence[NewEvent]) -> list[tuple[NewEvent, set[str]]]:
    """Which addresses each of these stops: the one the mail went to and the lead's present one; a bounce only the first.

    A lead may have changed its address since: that the old one bounces says nothing about the new one.
    """
    told = sa.select(sends.c.id, sends.c.address_key).where(sends.c.id.in_({event.send_id for event in stopping}))
    went_to = {row.id: row.address_key for row in tx.run(told)}
    chosen = sa.select(leads.c.id, leads.c.address_key).where(leads.c.id.in_({event.lead_id for event in stopping}))
    present = {row.id: row.address_key for row in tx.run(chosen)}
    found = []
    for event in stopping:
        sent, now = went_to.get(event.send_id, event.address_key), present.get(event.lead_id)
        wanted = (sent or now,) if event.type == EventType.BOUNCED else (sent, now)
        found.append((event, {address_key for address_key in wanted if address_key}))
    return found


def facts_of(tx: Tx, lead_ids: Collection[int], *, types: Collection[str] | None = None) -> dict[int, list[EventFact]]:
    """The events of these leads as conditions and scores see them, oldest first. A lead without any has an empty list.

    `types`: only events of these, which over two years are few beside all that were opened; None: every event.
    """
    found: dict[int, list[EventFact]] = {lead_id: [] for lead_id in lead_ids}
    if types is not None and not types:
        return found
    for some in rows_at_once(lead_ids):
        rows = FACTS.rows(tx, ids=some) if types is None else FACTS_OF_TYPES.rows(tx, ids=some, types=sorted(types))
        for row in rows:
            found[row.lead_id].append(as_fact(row))
    return found


EVERY_FACT = (
    sa.select(events.c.lead_id, events.c.type, events.c.occurred_at, events.c.origin, events.c.data)
    .where(events.c.lead_id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(events.c.occurred_at, events.c.id)
)
FACTS = Prepared(EVERY_FACT)
FACTS_OF_TYPES = Prepared(EVERY_FACT.where(events.c.type.in_(sa.bindparam("types", expanding=True))))
OF_THESE = sends.alias("of_these")
LATELY = Prepared(
    sa.select(sends.c.address_key, events.c.send_id, events.c.data)
    .join_from(OF_THESE, sends, sends.c.address_key == OF_THESE.c.address_key)
    .join(events, events.c.send_id == sends.c.id)
    .where(
        OF_THESE.c.id.in_(sa.bindparam("ids", expanding=True)),
        events.c.type == EventType.SOFT_BOUNCED,
        events.c.occurred_at > sa.bindparam("since", type_=Instant),
    )
)
NEW_EVENTS = PreparedInsert(
    events,
    ("source_key", "type", "origin", "lead_id", "send_id", "data", "occurred_at", "received_at"),
    unless=("source_key",),
    returning=("source_key", "id"),
)
NEW_BODIES = PreparedInsert(bodies, ("event_id", "content", "delete_after"), unless=None)
NEW_REACTIONS = PreparedInsert(reactions, ("event_id", "state", "due_at", "epoch", "claims"), unless=("event_id",))


def as_fact(row: sa.Row[tuple[object, ...]]) -> EventFact:
    data = row.data
    return EventFact(
        type=row.type,
        at=row.occurred_at,
        origin=Origin(row.origin),
        email=data.get("email"),
        link=data.get("link"),
        page=data.get("page"),
        form=data.get("form"),
        data=data,
    )
