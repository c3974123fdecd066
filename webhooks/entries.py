"""What the receiver was told, as it is kept in the journal before anybody makes sense of it.

Before: an HTTP request or a mail whose token is ours. After: `webhooks.record` turns entries into events. One line of JSON each;
`read_entry(line_of(entry))` is the entry.
"""

import json
from base64 import b64decode, b64encode
from dataclasses import asdict, dataclass
from datetime import datetime
from secrets import token_hex
from typing import Literal

from engine.inbound.addressee import Purpose

LONGEST_AGENT = 300
Choice = Literal["topic", "marketing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A pixel was loaded (`link` None) or a link followed. `key` makes it one event however often it is read."""

    key: str
    at: datetime
    send_id: int
    link_table_id: int
    link: int | None
    method: str
    agent: str
    prefetch: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OptedOut:
    """Somebody pressed the button. `scope`: the topic of that mail, or all marketing."""

    key: str
    at: datetime
    send_id: int
    address_key: str
    scope: Choice


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailed:
    """A mail came in, whole. `recipient` is empty and `envelope_sender` None where we were not told."""

    at: datetime
    purpose: Purpose
    recipient: str
    envelope_sender: str | None
    raw: bytes


Entry = Fetched | OptedOut | Mailed
KINDS: dict[str, type[Fetched] | type[OptedOut] | type[Mailed]] = {"fetched": Fetched, "opted_out": OptedOut, "mailed": Mailed}
NAMES = {kind: name for name, kind in KINDS.items()}


def new_key() -> str:
    """A name for one observation that no other has."""
    return token_hex(10)


def line_of(entry: Entry) -> bytes:
    """The entry on one line, without its end."""
    facts = asdict(entry) | {"kind": NAMES[type(entry)], "at": entry.at.isoformat()}
    if isinstance(entry, Mailed):
        facts["raw"] = b64encode(entry.raw).decode()
    return json.dumps(facts, separators=(",", ":")).encode()


def read_entry(line: bytes) -> Entry:
    """Raises ValueError, KeyError or TypeError for a line that `line_of` of this version did not write."""
    facts = json.loads(line)
    kind = KINDS[facts.pop("kind")]
    facts["at"] = datetime.fromisoformat(facts["at"])
    if kind is Mailed:
        facts["raw"] = b64decode(facts["raw"])
        facts["purpose"] = Purpose(facts["purpose"])
    return kind(**facts)
