"""Puts the mails that touches ask for into the ledger, held by the worker that goes on to deliver them.

Before: `engine.advance` has decided that these touches send. After: `engine.deliver.send.deliver_begun`. The touch and its send
are one transaction, the caller's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.claim import Claim
from engine.database import Tx
from engine.leads import Lead
from engine.schema import sends
from engine.sql import insert, rows_at_once
from engine.vocabulary import SendState, Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class TouchMail:
    """A touch that sends. The lead has an address."""

    touch_id: int
    lead: Lead
    topic: str
    email: str
    artifact_hash: str


def send_rows_for_touches(tx: Tx, mails: Sequence[TouchMail], *, worker_id: str) -> list[Claim]:
    """One send for each touch, claimed by this worker; what `deliver_begun` wants. A touch that has its send gets no second."""
    claims: list[Claim] = []
    for some in rows_at_once(mails):
        rows = [send_row(tx, mail, worker_id) for mail in some]
        new = insert(tx, sends).on_conflict_do_nothing(index_elements=["source"]).returning(sends.c.id, sends.c.epoch)
        claims.extend((row.id, row.epoch) for row in tx.run(new, rows))
    return claims


def send_row(tx: Tx, mail: TouchMail, worker_id: str) -> dict[str, object]:
    return {
        "source": f"touch:{mail.touch_id}",
        "stream": Stream.MARKETING,
        "topic": mail.topic,
        "lead_id": mail.lead.id,
        "address_key": mail.lead.address_key,
        "touch_id": mail.touch_id,
        "email": mail.email,
        "artifact_hash": mail.artifact_hash,
        "state": SendState.CLAIMED,
        "due_at": tx.now,
        "epoch": 1,
        "claims": 1,
        "worker_id": worker_id,
        "created_at": tx.now,
    }
