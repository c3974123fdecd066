"""An event as a shop or a site posts it, read against what the workspace declares: all of it, or everything wrong with it.

    {"type": "order_placed", "id": "CR-10482", "at": "2026-03-12T10:15:00Z",
     "lead": {"email": "maya@school.example", "first_name": "Maya"}, "consent": {"air-lessons": "granted"},
     "data": {"number": "CR-10482", "total": 854.5}}

Before: `webhooks.api` checked the signature. After: it saves the lead and records the event.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from urllib.parse import urlsplit

from engine.compiler.plan import Policy
from engine.expressions.fields import Field, LeadSchema
from engine.expressions.values import Json, as_json, parse_value
from engine.leadfile.rows import read_address, read_zone
from engine.vocabulary import Consent, EventType

MEMBERS = ("type", "id", "at", "lead", "consent", "data")
# What a site may tell of what we would otherwise observe ourselves, and the data that belongs to it.
OBSERVED: dict[str, tuple[Field, ...]] = {
    EventType.VISITED: (Field(name="page"),),
    EventType.FORM_SUBMITTED: (Field(name="form"),),
}
LEAD_MEMBERS = ("email", "key", "zone", "do_not_call")
LONGEST_ID = 120
LONGEST_KEY = 200
LONGEST_NAME = 200
AHEAD = timedelta(minutes=5)  # of our clock, which is no more right than the sender's
OLDEST = datetime(2000, 1, 1, tzinfo=UTC)
Reader = Callable[[str, list[str]], str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is wrong with a post, and where."""

    field: str
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PostedLead:
    """Whom it is about. At least one of `email` and `key` is there; `fields` are in their stored form."""

    email: str | None
    key: str | None
    zone: str | None
    do_not_call: bool
    fields: Mapping[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class PostedEvent:
    """A post that is as the workspace wants it. `personal` is the part of the data that is kept apart."""

    type: str
    id: str
    at: datetime
    lead: PostedLead
    consent: Mapping[str, Consent]
    public: Mapping[str, Json]
    personal: Mapping[str, Json]


def read_event(facts: object, policy: Policy, *, now: datetime, post_id: str) -> PostedEvent | list[Fault]:
    """The event, or every fault in it. `post_id` stands in for a missing `id`: it is the same when a post is repeated."""
    if not isinstance(facts, dict):
        return [Fault(field="", problem="the body must be a JSON object with type, lead and data")]
    faults = unknown_names(facts, MEMBERS, "")
    type, fields = read_type(facts.get("type"), policy, faults)
    data = {} if fields is None else read_data(facts.get("data", {}), type, fields, faults)
    apart = {field.name for field in fields or () if field.personal}
    found = PostedEvent(
        type=type,
        id=read_id(facts.get("id", post_id), faults),
        at=read_at(facts.get("at"), now, faults),
        lead=read_lead(facts.get("lead"), policy.lead_schema, faults),
        consent=read_consent(facts.get("consent", {}), policy.topics, faults),
        public={name: value for name, value in data.items() if name not in apart},
        personal={name: value for name, value in data.items() if name in apart},
    )
    return faults or found


def read_type(given: object, policy: Policy, faults: list[Fault]) -> tuple[str, tuple[Field, ...] | None]:
    """The type and the fields of its data; None when the type is unknown, so that its data cannot be checked."""
    kind = policy.event_schema.kind(given) if isinstance(given, str) else None
    if kind is not None:
        return kind.name, kind.data
    if isinstance(given, str) and given in OBSERVED:
        return given, OBSERVED[given]
    known = [kind.name for kind in policy.event_schema.kinds] + [str(name) for name in OBSERVED]
    faults.append(Fault(field="type", problem=f"{shown(given)} is not declared in events.yaml{hint(given, known)}"))
    return "", None


def read_id(given: object, faults: list[Fault]) -> str:
    text = str(given) if isinstance(given, str | int) and not isinstance(given, bool) else ""
    if not text or len(text) > LONGEST_ID or not text.isprintable():
        faults.append(
            Fault(field="id", problem=f"must be a text or a number of 1 to {LONGEST_ID} characters: your own name for this")
        )
    return text


def read_at(given: object, now: datetime, faults: list[Fault]) -> datetime:
    if given is None:
        return now
    try:
        at = datetime.fromisoformat(given if isinstance(given, str) else "")
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        faults.append(Fault(field="at", problem=f"{shown(given)} is not an instant with its zone, such as 2026-03-12T10:15:00Z"))
    elif at > now + AHEAD:
        faults.append(Fault(field="at", problem="is in the future"))
    elif at < OLDEST:
        faults.append(Fault(field="at", problem="is before the year 2000"))
    else:
        return at.astimezone(UTC)
    return now


def read_lead(given: object, schema: LeadSchema, faults: list[Fault]) -> PostedLead:
    facts: dict[str, object] = given if isinstance(given, dict) else {}
    email = read_with(read_address, facts.get("email"), "lead.email", faults)
    key = read_key(facts.get("key"), faults)
    if not isinstance(given, dict) or ("email" not in facts and "key" not in facts):
        faults.append(Fault(field="lead", problem='must say whom this is about: {"email": …}'))
    elif not facts.get("email") and not facts.get("key"):
        faults.append(Fault(field="lead.email", problem="is empty"))
    declared = [field.name for field in schema.fields]
    faults += unknown_names(facts, [*LEAD_MEMBERS, *declared], "lead.")
    fields = read_fields({name: facts[name] for name in declared if name in facts}, schema.fields, "lead.", faults)
    call = read_fields({"do_not_call": facts.get("do_not_call")}, schema.all_fields, "lead.", faults)
    return PostedLead(
        email=email,
        key=key,
        zone=read_with(read_zone, facts.get("zone"), "lead.zone", faults),
        do_not_call=call.get("do_not_call") is True,
        fields=fields,
    )


def read_key(given: object, faults: list[Fault]) -> str | None:
    if given is None or given == "":
        return None
    text = str(given).strip() if isinstance(given, str | int) and not isinstance(given, bool) else ""
    if not text or len(text) > LONGEST_KEY or not text.isprintable():
        faults.append(Fault(field="lead.key", problem=f"must be a text of 1 to {LONGEST_KEY} characters"))
    return text


def read_consent(given: object, topics: Collection[str], faults: list[Fault]) -> dict[str, Consent]:
    if not isinstance(given, dict):
        faults.append(Fault(field="consent", problem='must be an object such as {"air-lessons": "granted"}'))
        return {}
    faults += unknown_names(given, topics, "consent.")
    known = {topic: state for topic, state in given.items() if topic in topics}
    wrong = [topic for topic, state in known.items() if state not in (Consent.GRANTED, Consent.REFUSED)]
    faults += [Fault(field=f"consent.{topic}", problem=f"{shown(known[topic])} must be granted or refused") for topic in wrong]
    return {topic: Consent(str(state)) for topic, state in known.items() if topic not in wrong}


def read_data(given: object, type: str, fields: tuple[Field, ...], faults: list[Fault]) -> dict[str, Json]:
    """What was told, in its stored form. Of a page only its path is kept: what follows a ? may be about a person."""
    if not isinstance(given, dict):
        faults.append(Fault(field="data", problem="must be an object"))
        return {}
    faults += unknown_names(given, [field.name for field in fields], "data.")
    data = read_fields(given, fields, "data.", faults)
    for field in OBSERVED.get(type, ()):
        value = str(data.get(field.name) or "")
        data[field.name] = (path_of(value) if field.name == "page" else value)[:LONGEST_NAME]
        if not data[field.name]:
            faults.append(Fault(field=f"data.{field.name}", problem=f"must say which {field.name}"))
    return data


def path_of(page: str) -> str:
    """Empty for what is no address."""
    try:
        return urlsplit(page).path
    except ValueError:
        return ""


def read_fields(given: Mapping[str, object], fields: Collection[Field], prefix: str, faults: list[Fault]) -> dict[str, Json]:
    """The values of these fields that were told."""
    read: dict[str, Json] = {}
    for field in fields:
        try:
            value = as_json(parse_value(field, given.get(field.name)))
        except ValueError as error:
            faults.append(Fault(field=prefix + field.name, problem=str(error)))
            continue
        if value is not None:
            read[field.name] = value
    return read


def read_with(reader: Reader, given: object, where: str, faults: list[Fault]) -> str | None:
    """What a reader of the lead files makes of it, which keeps one rule for both ways in."""
    if given is None:
        return None
    problems: list[str] = []
    text = reader(given.strip(), problems) if isinstance(given, str) and given.isprintable() else None
    if not isinstance(given, str) or not given.isprintable():
        problems.append(f"{shown(given)} must be text on one line")
    faults += [Fault(field=where, problem=problem) for problem in problems]
    return text


def unknown_names(given: Mapping[str, object], known: Collection[str], prefix: str) -> list[Fault]:
    return [
        Fault(field=f"{prefix}{str(name)[:60]}", problem=f"is not known here{hint(name, known)}")
        for name in given
        if name not in known
    ][:20]


def hint(given: object, known: Collection[str]) -> str:
    close = get_close_matches(str(given)[:100], list(known), n=1)
    if close:
        return f" (did you mean {close[0]}?)"
    return f"; known: {', '.join(sorted(known))}" if len(known) <= 12 else ""


def shown(given: object) -> str:
    text = repr(given)
    return text if len(text) <= 60 else text[:57] + "…"
