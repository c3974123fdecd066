"""Leads and their consents: the people we may write to. The one place that reads and writes those rows.

After `engine.database`, before every verb. A lead's own values stand here alone (and in `bodies`).
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from engine.database import Tx
from engine.prepared import Prepared, PreparedInsert
from engine.schema import consents, leads, scores
from engine.sql import insert, rows_at_once
from engine.suppression import stop_refused
from engine.tokens import Tokens
from engine.vocabulary import Consent


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """A person we may write to. `fields` are typed by leads.yaml; a missing one is absent or None."""

    id: int
    key: str
    email: str | None
    address_key: str | None
    zone: str | None
    fields: Mapping[str, object]
    rep: str | None
    do_not_call: bool
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLead:
    """What an import or a form knows of a lead. `consent`: topic → state."""

    key: str
    email: str | None
    zone: str | None
    fields: Mapping[str, object]
    do_not_call: bool = False
    consent: Mapping[str, Consent]
    consent_source: str


def load_leads(tx: Tx, lead_ids: Collection[int]) -> dict[int, Lead]:
    """The leads with these ids; a missing id is missing in the answer."""
    found: dict[int, Lead] = {}
    for some in rows_at_once(lead_ids):
        for row in BY_ID.rows(tx, ids=some):
            found[row.id] = as_lead(row)
    return found


def lock_leads(tx: Tx, lead_ids: Collection[int]) -> None:
    """On PostgreSQL, hold these leads until the transaction ends, in one order for all; SQLite has one writer anyway.

    Rows that point to them may still be written meanwhile (FOR NO KEY UPDATE).
    """
    if tx.is_sqlite:
        return
    for some in rows_at_once(sorted(lead_ids)):
        LOCKED.rows(tx, ids=some)


def find_lead(tx: Tx, key_or_email: str) -> Lead | None:
    """The lead with this key, else the oldest with this email."""
    wanted = key_or_email.strip()
    found = {row.key == wanted: row for row in NAMED.rows(tx, key=wanted, email=wanted.lower())}
    row = found.get(True) or found.get(False)
    return as_lead(row) if row is not None else None


def as_lead(row: sa.Row[tuple[object, ...]]) -> Lead:
    return Lead(
        id=row.id, key=row.key, email=row.email, address_key=row.address_key, zone=row.zone, fields=row.fields,
        rep=row.rep, do_not_call=row.do_not_call, created_at=row.created_at,
    )  # fmt: skip


def save_leads(tx: Tx, tokens: Tokens, people: Sequence[NewLead]) -> dict[str, int]:
    """Add leads or bring them up to date by key; returns {key: id}. Safe to repeat. A refusal is never overwritten.

    Fields that the newcomer does not name keep their value. Where a key stands several times, the last has the last word.
    """
    ids: dict[str, int] = {}
    for everyone_once in rounds(people):
        ids |= save_once(tx, tokens, everyone_once)
    return ids


def save_lead(tx: Tx, tokens: Tokens, person: NewLead, known: Lead | None) -> int:
    """The same for one who was looked for just now; `known` has the person's key. Raises IntegrityError where somebody else has
    added it since.
    """
    return write(tx, tokens, [person], {} if known is None else {known.key: known})[person.key]


def rounds(people: Sequence[NewLead]) -> list[list[NewLead]]:
    """The first row of each key, then the second of those that have one, and so on."""
    found: list[list[NewLead]] = []
    seen = Counter[str]()
    for person in people:
        if seen[person.key] == len(found):
            found.append([])
        found[seen[person.key]].append(person)
        seen[person.key] += 1
    return found


def save_once(tx: Tx, tokens: Tokens, people: Sequence[NewLead]) -> dict[str, int]:
    ids: dict[str, int] = {}
    for some in rows_at_once(people):
        ids |= write(tx, tokens, some, {row.key: as_lead(row) for row in BY_KEYS.rows(tx, keys=[p.key for p in some])})
    return ids


def write(tx: Tx, tokens: Tokens, people: Sequence[NewLead], known: Mapping[str, Lead]) -> dict[str, int]:
    """{key: id} of people each of whom stands here once. `known`: those that are there, by key."""
    fresh = NEW_LEADS.rows(tx, [lead_row(tx, tokens, person) for person in people if person.key not in known])
    ids = {key: lead.id for key, lead in known.items()} | {row.key: row.id for row in fresh}
    changed = [ids[p.key] for p in people if p.key in known and update_lead(tx, tokens, known[p.key], p)]
    await_scoring(tx, [*(row.id for row in fresh), *changed])
    stop_refused(tx, changed)  # at an address that may be new
    for topic in sorted({topic for person in people for topic in person.consent}):
        save_consents(tx, topic, [(ids[p.key], p.consent[topic], p.consent_source) for p in people if topic in p.consent])
    return ids


def lead_row(tx: Tx, tokens: Tokens, person: NewLead) -> tuple[object, ...]:
    """As NEW_LEADS has the columns."""
    address_key = tokens.address_key(person.email) if person.email else None
    return person.key, person.email, address_key, person.zone, dict(person.fields), person.do_not_call, tx.now, tx.now


def update_lead(tx: Tx, tokens: Tokens, old: Lead, person: NewLead) -> bool:
    """Writes only where something changed, so that a repeated import touches nothing; returns whether it did."""
    email = person.email or old.email
    changed: dict[str, object] = {
        "email": email,
        "address_key": tokens.address_key(email) if email else None,
        "zone": person.zone or old.zone,
        "fields": {**old.fields, **person.fields},
        "do_not_call": old.do_not_call or person.do_not_call,
    }
    if all(getattr(old, name) == value for name, value in changed.items()):
        return False
    tx.run(sa.update(leads).where(leads.c.id == old.id).values(**changed, updated_at=tx.now))
    return True


def set_fields(tx: Tx, changes: Mapping[int, Mapping[str, object]]) -> None:
    """Give each of these leads the values by field; None empties one. The values are of the types that leads.yaml declares."""
    people = load_leads(tx, changes)
    rows = [{"row_id": lead_id, "new": {**lead.fields, **changes[lead_id]}, "at": tx.now} for lead_id, lead in people.items()]
    if rows:
        tx.run(SET_FIELDS, rows)
    await_scoring(tx, people)


def await_scoring(tx: Tx, lead_ids: Collection[int]) -> None:
    """Who a lead is counts in its score, so new leads and changed ones are due to be scored (`engine.scoring.rescore`)."""
    for some in rows_at_once(dict.fromkeys(lead_ids)):
        TO_SCORE.run(tx, [(lead_id, 0.0, [], tx.now, tx.now, False, 0) for lead_id in some])


def ids_by_key(tx: Tx, keys: Sequence[str]) -> dict[str, int]:
    ids: dict[str, int] = {}
    for some in rows_at_once(keys):
        ids.update({row.key: row.id for row in IDS.rows(tx, keys=some)})
    return ids


def save_consents(tx: Tx, topic: str, said: Sequence[tuple[int, Consent, str]]) -> None:
    """Keep (lead id, state, source) for a topic. What a lead refused stays refused, and stops the topic for its address."""
    for some in rows_at_once(said):
        rows = [
            {"lead_id": lead_id, "topic": topic, "state": state, "source": source, "at": tx.now}
            for lead_id, state, source in some
        ]
        new = insert(tx, consents)
        tx.run(
            new.on_conflict_do_update(
                index_elements=["lead_id", "topic"],
                set_={"state": new.excluded.state, "source": new.excluded.source, "at": new.excluded.at},
                where=sa.and_(consents.c.state != new.excluded.state, consents.c.state != Consent.REFUSED),
            ),
            rows,
        )
    stop_refused(tx, [lead_id for lead_id, state, _source in said if state == Consent.REFUSED])


def consents_of(tx: Tx, lead_ids: Collection[int], topic: str) -> dict[int, Consent]:
    """{lead id: state} for a topic; a lead that never said anything is missing, which means unknown."""
    said: dict[int, Consent] = {}
    for some in rows_at_once(lead_ids):
        said.update({row.lead_id: Consent(row.state) for row in SAID.rows(tx, topic=topic, ids=some)})
    return said


SET_FIELDS = (
    sa.update(leads)
    .where(leads.c.id == sa.bindparam("row_id"))
    .values(fields=sa.bindparam("new", type_=leads.c.fields.type), updated_at=sa.bindparam("at"))
)
NEW_LEADS = PreparedInsert(
    leads,
    ("key", "email", "address_key", "zone", "fields", "do_not_call", "created_at", "updated_at"),
    unless=None,
    returning=("key", "id"),
)
TO_SCORE = PreparedInsert(
    scores,
    ("lead_id", "points", "reasons", "as_of", "next_change_at", "above", "crossings"),
    unless=("lead_id",),
    over=("next_change_at",),
)
LOCKED = Prepared(
    sa.select(leads.c.id)
    .where(leads.c.id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(leads.c.id)
    .with_for_update(key_share=True)
)
OLDEST_WITH_EMAIL = sa.select(leads.c.id).where(sa.func.lower(leads.c.email) == sa.bindparam("email", type_=sa.String))
NAMED = Prepared(
    sa.select(leads).where(
        sa.or_(
            leads.c.key == sa.bindparam("key"), leads.c.id == OLDEST_WITH_EMAIL.order_by(leads.c.id).limit(1).scalar_subquery()
        )
    )
)
BY_KEYS = Prepared(sa.select(leads).where(leads.c.key.in_(sa.bindparam("keys", expanding=True))))
IDS = Prepared(sa.select(leads.c.key, leads.c.id).where(leads.c.key.in_(sa.bindparam("keys", expanding=True))))
BY_ID = Prepared(sa.select(leads).where(leads.c.id.in_(sa.bindparam("ids", expanding=True))))
SAID = Prepared(
    sa.select(consents.c.lead_id, consents.c.state).where(
        consents.c.topic == sa.bindparam("topic"), consents.c.lead_id.in_(sa.bindparam("ids", expanding=True))
    )
)
