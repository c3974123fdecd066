"""Puts the mails that touches ask for into the ledger, held by the worker that goes on to deliver them.

Before: `engine.advance` has decided that these touches send. After: `engine.deliver.batch.load_begun`, as long as their
leads are at hand. The touch and its send are one transaction, the caller's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import sqlalchemy as sa

from engine.claim import SEND, Claim, put_back
from engine.compiler.collateral import Matching
from engine.compiler.copies import Version
from engine.database import Tx
from engine.deliver.collateral import Kept, choose
from engine.deliver.load import Row, SendRow
from engine.leads import Lead
from engine.prepared import PreparedInsert
from engine.schedule.passages import TouchRow
from engine.schema import sends
from engine.sql import rows_at_once
from engine.vocabulary import SendState, Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class TouchMail:
    """A touch that sends. The lead has an address. `moves_by`: so many days late, and all that follows moves with it."""

    touch: TouchRow
    lead: Lead
    topic: str
    email: str
    version: Version
    arm: str | None  # which one was drawn; None: the email has no variants
    is_shadow: bool
    moves_by: int = 0
    matching: Matching | None = None  # what it asks of the library


class Begun(NamedTuple):
    """A send that this worker holds, with the row in which it stands, and the touch and the lead as they are now."""

    send_id: int
    epoch: int
    row: Row
    touch: TouchRow
    lead: Lead


def send_rows_for_touches(tx: Tx, mails: Sequence[TouchMail], *, worker_id: str) -> list[Begun]:
    """One send for each touch, claimed by this worker. A touch that has its send gets no second."""
    begun: list[Begun] = []
    mail_of = {mail.touch.id: mail for mail in mails}
    for some in rows_at_once(mails):
        chosen = choose(tx, {mail.touch.id: (mail.lead, mail.matching) for mail in some if mail.matching})
        rows = [send_row(tx, mail, worker_id, chosen.get(mail.touch.id)) for mail in some]
        for row in NEW_SENDS.rows(tx, rows):
            begun.append(begun_with(tx, row.id, mail_of[row.touch_id], chosen.get(row.touch_id)))
    return begun


def begun_with(tx: Tx, send_id: int, mail: TouchMail, collateral: Kept | None) -> Begun:
    """What was written is known and need not be read. What goes late with all that follows is late no more."""
    assert mail.lead.address_key is not None
    touch = mail.touch._replace(late_by=0) if mail.moves_by else mail.touch
    row = SendRow(
        id=send_id,
        epoch=1,
        stream=Stream.MARKETING.value,
        lead_id=mail.lead.id,
        address_key=mail.lead.address_key,
        touch_id=mail.touch.id,
        email=mail.email,
        artifact_hash=mail.version.artifact,
        created_at=tx.now,
        collateral=collateral,
        topic=mail.topic,
        due_at=tx.now,
        is_shadow=mail.is_shadow,
    )
    return Begun(send_id, row.epoch, row, touch, mail.lead)


def open_send_rows(tx: Tx, of_touches: Sequence[Claim], *, worker_id: str) -> None:
    """Nobody can say whether the transaction was committed that made them: those that this worker holds are free to take."""
    touch_ids = [touch_id for touch_id, _epoch in of_touches]
    ours = sa.select(sends.c.id, sends.c.epoch).where(sends.c.touch_id.in_(touch_ids), sends.c.worker_id == worker_id)
    put_back(tx, SEND, [(row.id, row.epoch) for row in tx.run(ours)])


def send_row(tx: Tx, mail: TouchMail, worker_id: str, collateral: Kept | None) -> tuple[object, ...]:
    """The values of `NEW_SENDS`."""
    of_lead = (mail.topic, mail.lead.id, mail.lead.address_key)
    version = mail.version
    of_mail = (mail.touch.id, mail.email, version.artifact, version.language, mail.arm, collateral, mail.is_shadow)
    claimed = (SendState.CLAIMED.value, tx.now, 1, 1, worker_id)
    return (f"touch:{mail.touch.id}", Stream.MARKETING.value, *of_lead, *of_mail, *claimed, 0, 0, tx.now)


NEW_SENDS = PreparedInsert(
    sends,
    (
        "source", "stream", "topic", "lead_id", "address_key", "touch_id", "email", "artifact_hash", "language",
        "arm", "collateral", "is_shadow",
        "state", "due_at", "epoch", "claims", "worker_id", "attempts", "unknowns", "created_at",
    ),
    unless=("touch_id",),
    returning=("id", "touch_id"),
)  # fmt: skip
