"""Transactional mail: what a person's own act asks for, such as the confirmation of an order.

Before: `webhooks` records the event. After: the send waits in the ledger, ahead of all marketing, until `engine.deliver.send`
takes it.
"""

import json
from collections.abc import Mapping
from datetime import timedelta

import sqlalchemy as sa

from engine.compiler.copies import Copy, Version
from engine.conditions import language_of
from engine.database import Tx
from engine.deliver.offers import pick_offer
from engine.leads import Lead, load_leads
from engine.prepared import Prepared, PreparedInsert
from engine.schedule.arms_had import arms_had
from engine.schedule.draw import pick
from engine.schema import bodies, sends
from engine.versions import Live, live_rules, transactional_copy
from engine.vocabulary import SendState, Stream

KEEP_DATA = timedelta(days=90)


def request_email(tx: Tx, event_id: int, event_type: str, lead_id: int, data: Mapping[str, object]) -> int | None:
    """Put the mail that this type of event asks for into the ledger; returns the send's id.

    None: the type asks for none, or the lead has no address. Safe to repeat: an event asks once. `data` is all that the event
    said, personal parts included; it is kept with the bodies until the mail can no longer need it.
    """
    live = live_rules(tx)
    email = live.policy.event_emails.get(event_type)
    copy = transactional_copy(tx, email) if email else None
    lead = load_leads(tx, [lead_id]).get(lead_id)
    if email is None or copy is None or lead is None or lead.email is None:
        return None
    version = version_for(tx, live, copy, email=email, lead=lead)
    offer = pick_offer(tx, live, lead, email, version.language)
    source, arm = f"event:{event_id}", version.arm if copy.arms else None
    of_mail = (email, version.artifact, version.language, arm, offer.key if offer else None)
    of_lead = (lead_id, lead.address_key, event_id)
    row = (source, Stream.TRANSACTIONAL, *of_lead, *of_mail, False, SendState.READY, tx.now, 0, 0, 0, 0, tx.now)
    [written] = NEW_MAIL.rows(tx, [row]) or OF_SOURCE.rows(tx, source=source)
    keep_data(tx, event_id, data)
    send_id: int = written.id
    return send_id


def version_for(tx: Tx, live: Live, copy: Copy, *, email: str, lead: Lead) -> Version:
    """In the lead's language, and in the arm in which it got that email before."""
    had = arms_had(tx, [lead.id]).get((lead.id, email)) if copy.arms else None
    return pick(copy, email=email, lead_key=lead.key, language=language_of(lead, live.policy), had=had)


def keep_data(tx: Tx, event_id: int, data: Mapping[str, object]) -> None:
    """What the mail will print; left alone where the event came with a body of its own."""
    DATA.run(tx, [(event_id, json.dumps(dict(data)).encode(), tx.now + KEEP_DATA)])


NEW_MAIL = PreparedInsert(
    sends,
    (
        "source", "stream", "lead_id", "address_key", "event_id", "email", "artifact_hash", "language", "arm", "offer",
        "is_shadow", "state", "due_at", "epoch", "claims", "attempts", "unknowns", "created_at",
    ),
    unless=("source",),
    returning=("id",),
)  # fmt: skip
DATA = PreparedInsert(bodies, ("event_id", "content", "delete_after"), unless=("event_id",))
OF_SOURCE = Prepared(sa.select(sends.c.id).where(sends.c.source == sa.bindparam("source")))
