"""`POST /api/events`: what a shop, an app or a site tells, signed; and the mail that it may ask for, at once.

Before: `webhooks.signature`, `webhooks.posted`. After: the lead, the event and the transactional send are one transaction, and
the send is on its way to a worker before the answer. It needs the database: without one the answer is 503, and the sender posts
again.
"""

import json
import logging
from dataclasses import asdict, dataclass
from datetime import timedelta

import sqlalchemy as sa
from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from engine.claim import SEND, Claim, put_back
from engine.compiler.plan import Policy
from engine.database import Tx
from engine.deliver.transactional import request_email
from engine.deliver.write_ahead import write_ahead
from engine.errors import DatabaseError
from engine.events import NewEvent, record_events
from engine.leads import NewLead, find_lead, save_lead
from engine.log import Trouble
from engine.prepared import Prepared
from engine.render.children import NotRendering
from engine.runtime import Runtime
from engine.schema import events, sends
from engine.tokens import fold_address
from engine.versions import live_rules
from engine.vocabulary import Origin
from webhooks.hooks import refuse_unsigned
from webhooks.posted import Fault, PostedEvent, read_event
from webhooks.receiver import Receiver

log = logging.getLogger(__name__)
not_at_once = Trouble(log, "transactional sends cannot be handed to a worker at once; a dispatcher will")
LARGEST_POST = 256 * 1024
KEPT_FOR = timedelta(days=400)  # what an event says of a person
SOURCE = "a post of the site"
OF_EVENT = sends.c.source == sa.literal("event:") + sa.cast(events.c.id, sa.Text)
TOLD = Prepared(
    sa.select(events.c.id, events.c.lead_id, sends.c.id.label("send"))
    .join_from(events, sends, sa.and_(OF_EVENT, sends.c.touch_id.is_(None)), isouter=True)
    .where(events.c.source_key == sa.bindparam("key"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of a post. `send`: the mail that it asked for, None when it asked for none; `is_new`: not told before."""

    event: int
    lead: int
    send: int | None
    is_new: bool


class ToldBefore(Exception):
    """The same event is stored already: a sender repeats a post until it has heard that we have it."""


class Unwritable(Exception):
    """The mail that an event asks for lacks something. The shop must know: an order without its confirmation is an order lost."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("the mail that this event asks for cannot be written")
        self.faults = faults


def pages(receiver: Receiver) -> Blueprint:
    blueprint = Blueprint("api", __name__, url_prefix="/api")

    @blueprint.before_request
    def only_signed() -> ResponseReturnValue | None:
        return refuse_unsigned(receiver, LARGEST_POST)

    @blueprint.post("/events")
    def post_event() -> ResponseReturnValue:
        try:
            facts = json.loads(request.get_data())
        except (ValueError, RecursionError):
            return jsonify(error="the body is not JSON"), 400
        try:
            with receiver.runtime.precedence.awaited():
                taken = take_event(receiver.runtime, facts, post_id=request.headers.get("webhook-id", ""))
        except RecursionError:
            return jsonify(error="the body is nested too deeply"), 400
        except (DatabaseError, NotRendering) as error:
            return jsonify(error=str(error)), 503
        except SQLAlchemyError as error:
            log.error("a post could not be stored: %s", type(error).__name__)
            return jsonify(error="the database does not answer; post this again in a minute"), 503, {"Retry-After": "30"}
        if not isinstance(taken, Taken):
            return jsonify(error="the event is not as the workspace wants it", faults=[asdict(fault) for fault in taken]), 422
        return jsonify(event=taken.event, lead=taken.lead, send=taken.send, new=taken.is_new)

    return blueprint


def take_event(runtime: Runtime, facts: object, *, post_id: str) -> Taken | list[Fault]:
    """Store what was posted and hand the mail it asks for to a worker. Safe to repeat: the same type and id is one event.

    Commits. Raises SQLAlchemyError when the database does not answer, DatabaseError when no workspace was applied yet.
    """
    try:
        try:
            taken, claims = store(runtime, facts, post_id)
        except IntegrityError:  # somebody added the same lead this very moment: now it is there
            taken, claims = store(runtime, facts, post_id)
    except Unwritable as refused:
        return refused.faults
    except ToldBefore as told:
        with runtime.database.read() as tx:
            return known_event(tx, str(told))
    if claims:
        publish(runtime, claims)
    return taken


def store(runtime: Runtime, facts: object, post_id: str) -> tuple[Taken | list[Fault], list[Claim]]:
    """Raises ToldBefore."""
    with runtime.database.write() as tx:
        posted = read_event(facts, live_rules(tx).policy, now=tx.now, post_id=post_id)
        if not isinstance(posted, PostedEvent):
            return posted, []
        taken, claims = append(tx, runtime, posted)
        if claims and (why := write_ahead(tx, runtime, claims[0])):
            raise Unwritable(lacking(posted, live_rules(tx).policy, why))
        return taken, claims


def lacking(posted: PostedEvent, policy: Policy, why: str) -> list[Fault]:
    """What the mail of this event would have needed, as far as can be told."""
    kind = policy.event_schema.kind(posted.type)
    told = {**posted.public, **posted.personal}
    missing = [field.name for field in kind.data if field.name not in told] if kind else []
    faults = [Fault(field=f"data.{name}", problem="is missing, and the email may need it") for name in missing]
    return [*faults, Fault(field="data", problem=why)]


def known_event(tx: Tx, key: str) -> Taken:
    """What became of the same post before."""
    [row] = TOLD.rows(tx, key=key)
    return Taken(event=row.id, lead=row.lead_id, send=row.send, is_new=False)


def append(tx: Tx, runtime: Runtime, posted: PostedEvent) -> tuple[Taken, list[Claim]]:
    """The lead, the event and the mail."""
    lead_id = save_person(tx, runtime, posted)
    event_id = record_event(tx, posted, lead_id)
    claim = request_email(tx, event_id, posted.type, lead_id, lease=runtime.settings.queue_lease)
    taken = Taken(event=event_id, lead=lead_id, send=claim[0] if claim else None, is_new=True)
    return taken, [claim] if claim else []


def save_person(tx: Tx, runtime: Runtime, posted: PostedEvent) -> int:
    """The lead with this key, else the one with this address, else a new one."""
    wanted = posted.lead.key or fold_address(posted.lead.email or "")
    known = find_lead(tx, wanted)
    key = known.key if known is not None else wanted
    person = NewLead(
        key=key,
        email=posted.lead.email,
        zone=posted.lead.zone,
        fields=posted.lead.fields,
        do_not_call=posted.lead.do_not_call,
        consent=posted.consent,
        consent_source=SOURCE,
    )
    return save_lead(tx, runtime.tokens, person, known)


def record_event(tx: Tx, posted: PostedEvent, lead_id: int) -> int:
    """Personal parts of the data go to the body alone. Raises ToldBefore."""
    personal = json.dumps(posted.personal, ensure_ascii=False).encode() if posted.personal else None
    event = NewEvent(
        source_key=source_key(posted),
        type=posted.type,
        origin=Origin.HUMAN,
        lead_id=lead_id,
        data=posted.public,
        occurred_at=posted.at,
        body=personal,
        body_until=tx.now + KEPT_FOR if personal is not None else None,
    )
    fresh = record_events(tx, [event])
    if event.source_key not in fresh:
        raise ToldBefore(event.source_key)
    return fresh[event.source_key]


def source_key(posted: PostedEvent) -> str:
    return f"api:{posted.type[:60]}:{posted.id}"


def publish(runtime: Runtime, claims: list[Claim]) -> None:
    """A queue that is away costs a moment: whoever looks next takes the send."""
    try:
        runtime.publish("send", claims)
    except Exception as error:
        not_at_once.tell(error)
        with runtime.database.write() as tx:
            put_back(tx, SEND, claims)
    else:
        not_at_once.over()
