"""Transactional mail: what a person's own act asks for, such as the confirmation of an order.

Before: `webhooks` records the event. After: the send waits in the ledger, ahead of all marketing, until `engine.deliver.send`
takes it.
"""

from datetime import timedelta

from engine.claim import Claim
from engine.compiler.copies import Copy, Version
from engine.conditions import language_of
from engine.database import Tx
from engine.deliver.offers import pick_offer
from engine.leads import Lead, load_leads
from engine.prepared import PreparedInsert
from engine.schedule.arms_had import arms_had
from engine.schedule.draw import pick
from engine.schema import sends
from engine.versions import Live, live_rules, transactional_copy
from engine.vocabulary import SendState, Stream


def request_email(tx: Tx, event_id: int, event_type: str, lead_id: int, *, lease: timedelta) -> Claim | None:
    """Put the mail that this type of event asks for into the ledger, claimed already: no dispatcher has to find it first.

    None: the type asks for none, the lead has no address, or the event has asked before. The mail will print what the event said.
    `lease`: how long a queue may take.
    """
    live = live_rules(tx)
    email = live.policy.event_emails.get(event_type)
    copy = transactional_copy(tx, email) if email else None
    lead = load_leads(tx, [lead_id]).get(lead_id)
    if email is None or copy is None or lead is None or lead.email is None:
        return None
    version = version_for(tx, live, copy, email=email, lead=lead)
    offer = pick_offer(tx, live, lead, email, version.language)
    arm = version.arm if copy.arms else None
    of_mail = (email, version.artifact, version.language, arm, offer.key if offer else None)
    of_event = (f"event:{event_id}", Stream.TRANSACTIONAL, lead_id, lead.address_key, event_id)
    claimed = (SendState.CLAIMED, tx.now, 1, 1, tx.now + lease)
    written = NEW_MAIL.rows(tx, [(*of_event, *of_mail, False, *claimed, 0, 0, tx.now)])
    return (written[0].id, written[0].epoch) if written else None


def version_for(tx: Tx, live: Live, copy: Copy, *, email: str, lead: Lead) -> Version:
    """In the lead's language, and in the arm in which it got that email before."""
    had = arms_had(tx, [lead.id]).get((lead.id, email)) if copy.arms else None
    return pick(copy, email=email, lead_key=lead.key, language=language_of(lead, live.policy), had=had)


NEW_MAIL = PreparedInsert(
    sends,
    (
        "source", "stream", "lead_id", "address_key", "event_id", "email", "artifact_hash", "language", "arm", "offer",
        "is_shadow", "state", "due_at", "epoch", "claims", "lease_until", "attempts", "unknowns", "created_at",
    ),
    unless=(),  # the event has its mail: `source` is unique among those that no touch asked for
    returning=("id", "epoch"),
)  # fmt: skip
