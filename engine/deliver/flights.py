"""Writes the message of each loaded send: values, template, headers, envelope. One that cannot be written harms only itself.

Before: `engine.deliver.load`. After: `engine.deliver.gate` decides which may go. Nothing here touches SQL: the same send is
the same bytes.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from engine.compiler.plan import Policy
from engine.conditions import lead_values
from engine.deliver.heading import Spelt, headers_for, spell
from engine.deliver.load import Asked, Loaded
from engine.deliver.mime import MessageHeaders, address, write_message
from engine.deliver.wire import Flight
from engine.errors import RenderError
from engine.expressions.fields import FieldType, LeadSchema
from engine.expressions.values import parse_data
from engine.leads import Lead
from engine.render.artifact import Artifact
from engine.render.context import values_for
from engine.render.fence import render_some
from engine.render.phrases import look_in
from engine.render.wire import WireParts
from engine.runtime import Runtime
from engine.versions import Live
from engine.vocabulary import Reason, Stream

UNWRITABLE = (RenderError, ValueError, KeyError)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A send with its message, waiting for the gate."""

    send: Loaded
    flight: Flight


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A send whose values are known, waiting for its words."""

    send: Loaded
    recipient: str
    spelt: Spelt
    artifact: Artifact
    values: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Those that are ready, those that cannot be sent, with the reason, and those that were left for later."""

    ready: list[Ready]
    unsendable: list[tuple[Loaded, Reason]]
    later: list[Loaded]


def write_flights(runtime: Runtime, live: Live, sends: Sequence[Loaded], artifacts: Mapping[str, Artifact]) -> Written:
    """Never are all left for later. Raises NotRendering: then nothing can be said of any."""
    begun = [begin_flight(runtime, live, send, artifacts) for send in sends]
    words = iter(render_some([(draft.artifact, draft.values) for draft in begun if isinstance(draft, Draft)]))
    ended = [end_flight(runtime, live, draft, next(words)) if isinstance(draft, Draft) else draft for draft in begun]
    pairs = list(zip(sends, ended, strict=True))
    return Written(
        ready=[Ready(send=send, flight=flight) for send, flight in pairs if isinstance(flight, Flight)],
        unsendable=[(send, reason) for send, reason in pairs if isinstance(reason, Reason)],
        later=[send for send, flight in pairs if flight is None],
    )


def begin_flight(runtime: Runtime, live: Live, send: Loaded, artifacts: Mapping[str, Artifact]) -> Draft | Flight | Reason:
    """A flight where its message is stored already."""
    recipient = recipient_of(send, live)
    if isinstance(recipient, Reason):
        return recipient
    if send.stored:
        return flight(runtime, live, send, recipient, spell_token(runtime, send), send.stored)
    try:
        return draft_of(runtime, live, send, recipient, artifacts[send.artifact_hash or ""])
    except UNWRITABLE as error:
        return unwritten(send, error)


def draft_of(runtime: Runtime, live: Live, send: Loaded, recipient: str, artifact: Artifact) -> Draft:
    """Raises UNWRITABLE."""
    spelt = spell_token(runtime, send)
    values = values_of(runtime, live, send, artifact, spelt)
    return Draft(send=send, recipient=recipient, spelt=spelt, artifact=artifact, values=values)


def end_flight(runtime: Runtime, live: Live, draft: Draft, words: WireParts | RenderError | None) -> Flight | Reason | None:
    send = draft.send
    if words is None:
        return None
    if isinstance(words, RenderError):
        return unwritten(send, words)
    try:
        message = message_of(runtime, draft, words)
    except UNWRITABLE as error:
        return unwritten(send, error)
    return flight(runtime, live, send, draft.recipient, draft.spelt, message)


def message_of(runtime: Runtime, draft: Draft, words: WireParts) -> bytes:
    """The message, not signed yet. Raises UNWRITABLE."""
    send = draft.send
    if send.attached is None or send.pictures is None:
        raise RenderError("a file that goes with it is not in the database; `handraiser apply` puts it there")
    headers = headers_of(runtime, send, draft.artifact, draft.spelt, draft.values["rep"])
    return write_message(headers, words, send.attached, send.pictures)


def flight(runtime: Runtime, live: Live, send: Loaded, recipient: str, spelt: Spelt, message: bytes) -> Flight:
    """Through the relay that is preferred for it, unless the gate finds that one shut; "" where no relay takes such mail."""
    limit = live.policy.limit_for(send.domain)
    return Flight(
        send_id=send.send_id,
        envelope_from=f"b+{spelt.in_address}@{runtime.settings.reply_domain}",
        recipient=recipient,
        message=message,
        relay=send.relays[0] if send.relays else "",
        domain=send.domain,
        connections=limit.connections if limit else None,
        is_awaited=send.stream != Stream.MARKETING,
    )


def unwritten(send: Loaded, error: Exception) -> Reason:
    log.error("a mail could not be written", extra={"facts": {"send": send.send_id, "email": send.email, "why": str(error)}})
    return Reason.TEMPLATE_ERROR


def recipient_of(send: Loaded, live: Live) -> str | Reason:
    """To whom it goes; a Reason when nobody can be written to, or nobody can say on what terms."""
    if send.touch_id is not None and send.step is None:
        return Reason.REMOVED
    if send.stream == Stream.INTERNAL:
        rep = live.assignment.reps.get(send.rep or "")
        return rep.email if rep else Reason.NO_ADDRESS
    if send.lead.email is None:
        return Reason.NO_ADDRESS
    if send.lead.address_key != send.address_key:
        return Reason.ADDRESS_CHANGED
    try:
        return address(send.lead.email)
    except ValueError:
        return Reason.NO_ADDRESS


def spell_token(runtime: Runtime, send: Loaded) -> Spelt:
    return spell(runtime.tokens, send.send_id, send.artifact_hash, send.address_key)


def values_of(runtime: Runtime, live: Live, send: Loaded, artifact: Artifact, spelt: Spelt) -> dict[str, Any]:
    """What the templates print for this send."""
    public_url = runtime.settings.public_url
    return values_for(
        lead=lead_for_template(send.lead, live.policy.lead_schema),
        brand=look_in(live.policy.brands[artifact.brand], artifact.language),
        rep=rep_for_template(send, live),
        event=event_for_template(send.asked, live.policy),
        offer=offer_for_template(send.offer, artifact.language, live),
        collateral=send.collateral,
        track=public_url,
        token=spelt.in_url,
        seal=runtime.tokens.seal_target,
        unsubscribe_url=f"{public_url}/u/{spelt.in_url}",
        web_url=f"{public_url}/w/{spelt.in_url}",
    )


def headers_of(runtime: Runtime, send: Loaded, artifact: Artifact, spelt: Spelt, rep: Mapping[str, Any] | None) -> MessageHeaders:
    """Message-ID and Date are the send's own, the same at every attempt."""
    own = send.step.sender if send.step else None
    return headers_for(
        own or artifact.sender,
        spelt,
        rep=rep,
        recipient=send.lead.email or "",
        date=send.created_at,
        is_marketing=send.stream == Stream.MARKETING,
        topic=send.topic,
        public_url=runtime.settings.public_url,
        domain=runtime.settings.reply_domain,
    )


def lead_for_template(lead: Lead, schema: LeadSchema) -> dict[str, object]:
    """Every field that leads.yaml declares, typed; None where the lead has nothing. Raises RenderError."""
    values = lead_values(lead)
    for field in schema.fields:
        value = values.setdefault(field.name, None)
        if field.type is FieldType.DATE and isinstance(value, str):
            values[field.name] = day_of(value, field.name)
    return values


def day_of(value: str, field: str) -> date:
    try:
        return date.fromisoformat(value)
    except ValueError as error:  # whose message holds the value; what is raised here is logged
        raise RenderError(f"the lead's `{field}` is not a date") from error


def rep_for_template(send: Loaded, live: Live) -> dict[str, object] | None:
    """The lead's rep; until it has one, the owner of the cadence."""
    rep = live.assignment.reps.get(send.lead.rep or "") or live.assignment.reps.get(send.owner or "")
    return {"name": rep.name, "email": rep.email, "phone": rep.phone} if rep else None


def event_for_template(asked: Asked | None, policy: Policy) -> Mapping[str, object] | None:
    """The whole data of the event, personal part included, typed by events.yaml. Raises RenderError where they do not fit it."""
    if asked is None:
        return None
    kind = policy.event_schema.kind(asked.type)
    data = {**asked.data, **(json.loads(asked.body) if asked.body else {})}
    if kind is None:
        return data
    try:
        return parse_data(kind, {field.name: data.get(field.name) for field in kind.data})
    except ValueError as error:  # whose message holds values; what is raised here is logged
        raise RenderError(f"the data of this `{kind.name}` are not as events.yaml has them now") from error


def offer_for_template(key: str | None, language: str, live: Live) -> Mapping[str, object] | None:
    offer = next((offer for offer in live.offers if offer.key == key), None)
    return offer.words(language, live.policy.language) if offer else None
