"""Rows with defaults, so that a test names only what matters to it. Each inserts one row and returns its id.

Add to it what your tests need; a parent row that is not named is made on the way.
"""

import json
from datetime import datetime
from itertools import count

import sqlalchemy as sa

from engine.compiler.copies import PLAIN, Copy, Version
from engine.database import Tx
from engine.languages import USUAL
from engine.schema import (
    artifacts,
    bodies,
    cadence_versions,
    consents,
    enrolments,
    events,
    leads,
    posts,
    reactions,
    sends,
    suppressions,
    touches,
    workers,
)
from engine.tokens import Tokens
from engine.vocabulary import Consent, EnrolmentState, Origin, Scope, SendState, Stream, TouchState

SECRET = "a secret key that only the tests know: 0123456789"
TOKENS = Tokens((SECRET,))
serial = count(1)


def plain_copy(digest: str) -> Copy:
    """The copy of an email in one language and without variants."""
    return Copy(language=USUAL, versions=(Version(language=USUAL, arm=PLAIN, artifact=digest),))


def add_lead(tx: Tx, *, email: str | None = "", fields: dict[str, object] | None = None, **values: object) -> int:
    """A lead in London; every one has an address of its own unless the test gives one (None: none at all)."""
    return insert(tx, leads, lead_row(tx, email=email, fields=fields, **values))


def lead_row(tx: Tx, *, email: str | None = "", fields: dict[str, object] | None = None, **values: object) -> dict[str, object]:
    if email == "":
        email = f"lead{next(serial)}@example.com"
    defaults = {
        "key": email or f"lead-{next(serial)}",
        "email": email,
        "address_key": None if email is None else TOKENS.address_key(email),
        "zone": "Europe/London",
        "fields": fields or {},
        "do_not_call": False,
        "created_at": tx.now,
        "updated_at": tx.now,
    }
    return defaults | values


def add_consent(tx: Tx, *, lead_id: int, topic: str = "air-lessons", state: str = Consent.GRANTED, source: str = "test") -> None:
    tx.run(sa.insert(consents).values(lead_id=lead_id, topic=topic, state=state, source=source, at=tx.now))


def add_version(tx: Tx, *, cadence: str = "new-enquiry", body: str = "{}", **values: object) -> int:
    """A cadence version whose body, unless given, is not a plan."""
    number = next(serial)
    defaults = {"cadence": cadence, "hash": f"{number:064x}", "structure_hash": f"{number:064x}", "body": body}
    return insert(tx, cadence_versions, defaults | {"created_at": tx.now} | values)


def add_enrolment(
    tx: Tx, *, lead_id: int | None = None, version_id: int | None = None, cadence: str = "new-enquiry", **values: object
) -> int:
    """An active passage, anchored now."""
    defaults = {
        "lead_id": add_lead(tx) if lead_id is None else lead_id,
        "cadence": cadence,
        "version_id": add_version(tx, cadence=cadence) if version_id is None else version_id,
        "passage": 1,
        "state": EnrolmentState.ACTIVE,
        "anchor_at": tx.now,
        "shift_days": 0,
        "created_at": tx.now,
    }
    return insert(tx, enrolments, defaults | values)


def add_touch(
    tx: Tx,
    *,
    enrolment_id: int | None = None,
    step_id: str = "enquiry-01-welcome",
    state: str = TouchState.WAITING,
    due_at: datetime | None = None,
    **values: object,
) -> int:
    """A waiting touch that is due now."""
    defaults = {
        "enrolment_id": add_enrolment(tx) if enrolment_id is None else enrolment_id,
        "step_id": step_id,
        "state": state,
        "due_at": due_at or tx.now,
        "planned_on": tx.now.date(),
        "created_at": tx.now,
    }
    return insert(tx, touches, defaults | values)


def add_send(
    tx: Tx,
    *,
    lead_id: int | None = None,
    stream: str = Stream.MARKETING,
    state: str = SendState.READY,
    due_at: datetime | None = None,
    **values: object,
) -> int:
    """A marketing send that is due now, to the address the lead has."""
    lead_id = add_lead(tx) if lead_id is None else lead_id
    address_key = tx.run(sa.select(leads.c.address_key).where(leads.c.id == lead_id)).scalar_one()
    defaults = {
        "source": f"test:{next(serial)}",
        "stream": stream,
        "topic": "air-lessons" if stream == Stream.MARKETING else None,
        "lead_id": lead_id,
        "address_key": address_key,
        "email": "enquiry-01-welcome",
        "state": state,
        "due_at": due_at or tx.now,
        "created_at": tx.now,
    }
    return insert(tx, sends, defaults | values)


def add_post(tx: Tx, *, touch_id: int | None = None, **values: object) -> int:
    """A post that is due now."""
    touch_id = add_touch(tx, state=TouchState.DONE) if touch_id is None else touch_id
    lead_id = tx.run(
        sa.select(enrolments.c.lead_id).join(touches, touches.c.enrolment_id == enrolments.c.id).where(touches.c.id == touch_id)
    ).scalar_one()
    defaults = {"touch_id": touch_id, "lead_id": lead_id, "webhook": "crm", "fields": [], "state": "ready", "due_at": tx.now}
    return insert(tx, posts, defaults | {"created_at": tx.now} | values)


def add_artifact(tx: Tx, *, email: str = "enquiry-01-welcome", body: str = "{}", **values: object) -> str:
    """A compiled email whose body, unless given, is not one; its hash."""
    number = next(serial)
    defaults = {"hash": f"{number:064x}", "link_table_id": number, "email": email, "brand": "clearroom", "body": body}
    row = defaults | {"created_at": tx.now} | values
    tx.run(sa.insert(artifacts).values(**row))
    return str(row["hash"])


def add_event(
    tx: Tx,
    *,
    type: str,
    lead_id: int | None = None,
    data: dict[str, object] | None = None,
    personal: dict[str, object] | None = None,
    **values: object,
) -> int:
    """Something a person did just now. `personal`: the part of the data that is kept apart."""
    defaults = {
        "source_key": f"test:{next(serial)}",
        "type": type,
        "origin": Origin.HUMAN,
        "lead_id": add_lead(tx) if lead_id is None else lead_id,
        "data": data or {},
        "occurred_at": tx.now,
        "received_at": tx.now,
    }
    event_id = insert(tx, events, defaults | values)
    if personal is not None:
        insert(tx, bodies, {"event_id": event_id, "content": json.dumps(personal).encode()})
    return event_id


def add_reaction(tx: Tx, *, event_id: int, **values: object) -> int:
    return insert(tx, reactions, {"event_id": event_id, "due_at": tx.now} | values)


def add_suppression(tx: Tx, *, address_key: str, scope: str = Scope.EVERYTHING, reason: str = "complained") -> int:
    row = {"address_key": address_key, "scope": scope, "reason": reason, "source": "test", "created_at": tx.now}
    return insert(tx, suppressions, row)


def add_worker(tx: Tx, *, id: str = "worker-1", lease_until: datetime | None = None, relays: str | None = None) -> str:
    row = {
        "id": id,
        "kind": "worker",
        "host": "test",
        "pid": 1,
        "started_at": tx.now,
        "lease_until": lease_until or tx.now,
        "relays": relays,
    }
    tx.run(sa.insert(workers).values(**row))
    return id


def insert(tx: Tx, table: sa.Table, row: dict[str, object]) -> int:
    new_id: int = tx.run(sa.insert(table).values(**row).returning(table.c.id)).scalar_one()
    return new_id
