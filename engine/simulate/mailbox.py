"""What has arrived in people's mailboxes, read back from the ledger, and the wire that puts it there.

Before: `engine.deliver` flies. After: `engine.simulate.recipients` decide what they do with it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from engine.database import Tx
from engine.deliver.wire import Accepted, Flight, Outcome, Recheck, Refused, Wire
from engine.prepared import Prepared
from engine.render.artifact import link_table_id
from engine.schema import leads, sends
from engine.simulate.recipients import Received
from engine.simulate.seen import SeenMail, read_mail
from engine.sql import rows_at_once
from engine.versions import artifact

NO_SUCH_MAILBOX = Refused(code=550, reply="5.1.1 no such mailbox here")
REMINDERS = ("handoff-reminder", "task-reminder")
TAKEN = Accepted(code=250, reply="2.0.0 taken")


@dataclass(slots=True, kw_only=True)
class MailboxWire:
    """The simulator's wire: every mail arrives at once, unless nobody lives there. Notes (send id, when) in `arrived`."""

    arrived: list[tuple[int, datetime]]
    now: Callable[[], datetime]
    is_refused: Callable[[str], bool]  # by the recipient's address

    def fly(self, flights: Sequence[Flight], recheck: Recheck) -> list[Outcome]:
        at = self.now()
        outcomes: list[Outcome] = []
        for flight in flights:
            refused = self.is_refused(flight.recipient)
            outcomes.append(NO_SUCH_MAILBOX if refused else TAKEN)
            if not refused:
                self.arrived.append((flight.send_id, at))
        return outcomes

    def close(self) -> None:
        """There is nothing to close."""


@dataclass(slots=True, kw_only=True)
class NotingWire:
    """A real wire, beside which is noted what arrived: (send id, when) in `arrived`, what is in it in `seen`."""

    wire: Wire
    arrived: list[tuple[int, datetime]]
    seen: dict[int, SeenMail]
    now: Callable[[], datetime]

    def fly(self, flights: Sequence[Flight], recheck: Recheck) -> list[Outcome]:
        outcomes = self.wire.fly(flights, recheck)
        for flight, outcome in zip(flights, outcomes, strict=True):
            if isinstance(outcome, Accepted):
                self.arrived.append((flight.send_id, self.now()))
                self.seen[flight.send_id] = read_mail(flight.envelope_from, flight.message)
        return outcomes

    def close(self) -> None:
        self.wire.close()

    def __enter__(self) -> "NotingWire":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def received(tx: Tx, arrived: Mapping[int, datetime]) -> list[Received]:
    """The mails that arrived, in the order of their sends; of the mails to reps, those that ask for something first."""
    mails: list[Received] = []
    for some in rows_at_once(arrived):
        mails += [as_received(tx, row, arrived[row.id]) for row in CHOSEN.rows(tx, ids=some)]
    return mails


CHOSEN = Prepared(
    sa.select(
        sends.c.id,
        sends.c.email,
        sends.c.stream,
        sends.c.artifact_hash,
        sends.c.address_key,
        sends.c.handoff_id,
        sends.c.task_id,
        leads.c.email.label("address"),
    )
    .join_from(sends, leads, leads.c.id == sends.c.lead_id)
    .where(sends.c.id.in_(sa.bindparam("ids", expanding=True)), sends.c.email.not_in(REMINDERS))
    .order_by(sends.c.id)
)


def as_received(tx: Tx, row: sa.Row[tuple[object, ...]], at: datetime) -> Received:
    links = artifact(tx, row.artifact_hash).links if row.artifact_hash else ()
    return Received(
        send_id=row.id,
        recipient=row.address,
        email=row.email,
        stream=row.stream,
        links=tuple(link.name for link in links),
        at=at,
        link_table_id=link_table_id(row.artifact_hash) if row.artifact_hash else 0,
        address_key=row.address_key,
        handoff_id=row.handoff_id,
        task_id=row.task_id,
    )
