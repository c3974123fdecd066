"""What the pipeline must know of the sends that it holds, read in a few statements for the whole batch.

Before: `engine.deliver.send` has begun the claims. After: `engine.deliver.flights` writes their messages.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from engine.claim import Claim, is_still
from engine.compiler.collateral import for_template
from engine.compiler.plan import EmailStep, Policy, Promptness, Window
from engine.conditions import zone_of
from engine.database import Tx
from engine.deliver.collateral import attachments_of, titles_of
from engine.deliver.files import parts_of
from engine.deliver.kept import unpacked
from engine.deliver.relays import relays_for
from engine.domains import domain_of
from engine.leads import Lead, load_leads
from engine.prepared import Prepared
from engine.schedule.beyond import newest_with
from engine.schedule.courses import course, days_off_of
from engine.schedule.passages import TouchRow
from engine.schema import bodies, enrolments, events, sends, touches
from engine.spans import NO_DAYS_OFF, DaysOff
from engine.sql import rows_at_once
from engine.versions import Live, artifact, cadence_plan
from engine.vocabulary import EnrolmentState, Reason, SendState, Stream


class SendRow(NamedTuple):
    """The columns of a send that are read of it; the defaults are those of one that was just made."""

    id: int
    epoch: int
    stream: str
    lead_id: int
    address_key: str
    touch_id: int | None
    email: str
    artifact_hash: str | None
    created_at: datetime
    collateral: list[dict[str, Any]] | None
    topic: str | None
    due_at: datetime | None
    is_shadow: bool
    rep: str | None = None
    offer: str | None = None
    attempts: int = 0
    unknowns: int = 0
    reason: str | None = None
    relay: str | None = None
    held_since: datetime | None = None


Row = SendRow | sa.Row[Any]  # of a send


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The event that asked for a transactional mail. `body`: the personal part of its data, as JSON."""

    type: str
    at: datetime
    data: Mapping[str, object]
    body: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A send that this worker holds. `stored`: the bytes of an earlier attempt, to be sent again as they are."""

    send_id: int
    epoch: int
    stream: Stream
    topic: str | None
    lead: Lead
    address_key: str
    touch_id: int | None
    passage: EnrolmentState | None  # of the touch
    rep: str | None
    email: str
    artifact_hash: str | None
    domain: str  # of the recipient; empty where there is no address
    relays: tuple[str, ...]  # that take it, the preferred one first
    offer: str | None
    reason: str | None  # why it was put off
    held_since: datetime | None  # in trouble, or by limits
    relay: str | None  # through which it was tried last
    attempts: int
    unknowns: int
    created_at: datetime
    zone: ZoneInfo
    window: Window | None
    days_off: DaysOff
    cadence: str | None
    owner: str | None  # of the cadence
    step: EmailStep | None
    attached: tuple[bytes, ...] | None  # finished parts of the message; None: one is missing
    collateral: Mapping[str, object] | None  # what the template may print of it
    pictures: tuple[bytes, ...] | None  # the same of those that its HTML shows
    is_shadow: bool  # its step or its cadence only pretends, or did when it was asked for
    late_by: timedelta  # up to `due_at`, by our own fault
    due_at: datetime | None
    read_at: datetime
    asked: Asked | None
    promptness: Promptness | None  # of a transactional email; None: it bears any lateness
    stored: bytes | None

    @property
    def size_of_files(self) -> int:
        return sum(map(len, (*(self.attached or ()), *(self.pictures or ()))))

    def local_date(self, instant: datetime) -> date:
        return instant.astimezone(self.zone).date()


def load_sends(tx: Tx, claims: Sequence[Claim], live: Live) -> list[Loaded]:
    """The sends still claimed under these epochs, in the order given."""
    rows = claimed_rows(tx, dict(claims))
    people = load_leads(tx, {row.lead_id for row in rows})
    stored, asked = kept_of(tx, [row.id for row in rows if row.stream != Stream.MARKETING])
    return [as_loaded(tx, row, row, people[row.lead_id], live, stored, asked) for row in rows]


def load_sent(tx: Tx, send_id: int, live: Live) -> Loaded | None:
    """A send that went out, to be looked at again; None when there is none, or its lead was erased."""
    row = next(iter(WENT_OUT.rows(tx, ids=[send_id])), None)
    lead = load_leads(tx, [row.lead_id]).get(row.lead_id) if row is not None else None
    if row is None or lead is None:
        return None
    _stored, asked = kept_of(tx, [row.id])
    return as_loaded(tx, row, row, lead, live, {}, asked)


def claimed_rows(tx: Tx, epochs: Mapping[int, int]) -> list[sa.Row[Any]]:
    found = {}
    for some in rows_at_once(epochs):
        for row in CLAIMED.rows(tx, ids=some):
            if row.epoch == epochs[row.id]:
                found[row.id] = row
    return [found[send_id] for send_id in epochs if send_id in found]


def kept_of(tx: Tx, send_ids: Sequence[int]) -> tuple[dict[int, bytes], dict[int, Asked]]:
    """What is kept for these sends: their messages, and the events that asked for them, each by the send's id."""
    rows = KEPT.rows(tx, ids=send_ids) if send_ids else []
    stored = {row.id: unpacked(row.message) for row in rows if row.message is not None}
    told = [row for row in rows if row.type is not None]
    return stored, {row.id: Asked(type=row.type, at=row.occurred_at, data=row.data, body=row.content) for row in told}


def as_loaded(
    tx: Tx,
    row: Row,
    touch: TouchRow | sa.Row[Any],
    lead: Lead,
    live: Live,
    stored: Mapping[int, bytes],
    asked: Mapping[int, Asked],
) -> Loaded:
    """From a row with a `SendRow`'s columns and one with what `CHOSEN` has of the touch: nothing where no touch asked for it."""
    cadence = cadence_plan(tx, touch.version_id) if touch.version_id is not None else None
    step, made = email_step(tx, touch), artifact(tx, row.artifact_hash) if row.artifact_hash is not None else None
    domain = domain_of(recipient_in(row, lead, live) or "")
    return Loaded(
        send_id=row.id,
        epoch=row.epoch,
        stream=Stream(row.stream),
        topic=row.topic,
        lead=lead,
        address_key=row.address_key,
        touch_id=row.touch_id,
        passage=None if touch.enrolment_state is None else EnrolmentState(touch.enrolment_state),
        rep=row.rep,
        email=row.email,
        artifact_hash=row.artifact_hash,
        domain=domain,
        relays=relays_of(row, made.brand if made else live.policy.brand, domain, live.policy),
        offer=row.offer,
        reason=row.reason,
        held_since=row.held_since,
        relay=row.relay,
        attempts=row.attempts,
        unknowns=row.unknowns,
        created_at=row.created_at,
        zone=zone_of(lead, live.policy),
        window=cadence.window if cadence else None,
        days_off=days_off_of(lead.fields, cadence, live.policy) if cadence else NO_DAYS_OFF,
        cadence=cadence.name if cadence else None,
        owner=cadence.owner if cadence else None,
        step=step,
        attached=parts_of(tx, attachments_of(step, row.collateral)),
        collateral=for_template(titles_of(row.collateral)),
        pictures=parts_of(tx, made.pictures, are_pictures=True) if made and made.pictures else (),
        is_shadow=row.is_shadow or (cadence is not None and cadence.shadow) or (step is not None and step.shadow),
        late_by=timedelta(seconds=touch.late_by or 0),
        due_at=row.due_at,
        read_at=tx.now,
        asked=asked.get(row.id),
        promptness=live.policy.promptness.get(row.email) if row.stream == Stream.TRANSACTIONAL else None,
        stored=stored.get(row.id),
    )


def recipient_in(row: Row, lead: Lead, live: Live) -> str | None:
    """To whose address it goes; None: they have none."""
    if row.stream != Stream.INTERNAL:
        return lead.email
    rep = live.assignment.reps.get(row.rep or "")
    return rep.email if rep else None


def relays_of(row: Row, brand: str, domain: str, policy: Policy) -> tuple[str, ...]:
    """A server that told us to come again knows us when we do; one that we did not reach knows nothing. One that gave no answer
    may have the mail, so it alone is given it once more, as long as it takes such mail: what another brings is a second mail.
    """
    last = row.relay if row.unknowns or row.reason in (Reason.TEMPORARY, Reason.DOMAIN_PAUSED) else None
    found = tuple(relays_for(row.id, Stream(row.stream), brand, domain, policy, last=last))
    return found[:1] if row.unknowns and last in found else found


def email_step(tx: Tx, touch: TouchRow | sa.Row[Any]) -> EmailStep | None:
    """The step that asked for it, as the lead's version has it, else as the newest that knows it does; None: none does."""
    if touch.version_id is None:
        return None
    way = course(tx, touch.version_id)
    knowing = way if touch.step_id in way.steps else newest_with(tx, way.plan.name, touch.step_id)
    step = knowing.steps[touch.step_id] if knowing is not None else None
    return step if isinstance(step, EmailStep) else None


CHOSEN = (
    sa.select(
        *(sends.c[name] for name in SendRow._fields),
        enrolments.c.version_id, touches.c.step_id, touches.c.late_by, enrolments.c.state.label("enrolment_state"),
    )
    .join_from(sends, touches, touches.c.id == sends.c.touch_id, isouter=True)
    .join(enrolments, enrolments.c.id == touches.c.enrolment_id, isouter=True)
    .where(sends.c.id.in_(sa.bindparam("ids", expanding=True)))
)  # fmt: skip
MESSAGES = bodies.alias("messages")
KEPT = Prepared(
    sa.select(
        sends.c.id, MESSAGES.c.content.label("message"),
        events.c.type, events.c.occurred_at, events.c.data, bodies.c.content,
    )
    .join_from(sends, MESSAGES, MESSAGES.c.send_id == sends.c.id, isouter=True)
    .join(events, events.c.id == sends.c.event_id, isouter=True)
    .join(bodies, bodies.c.event_id == sends.c.event_id, isouter=True)
    .where(sends.c.id.in_(sa.bindparam("ids", expanding=True)))
)  # fmt: skip
CLAIMED = Prepared(CHOSEN.where(is_still(sends, SendState.CLAIMED)))
WENT_OUT = Prepared(CHOSEN.where(sends.c.state.in_((SendState.ATTEMPTING, SendState.ACCEPTED, SendState.UNKNOWN))))
