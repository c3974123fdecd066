"""Which names a condition may use where it stands.

The compiler makes one for the workspace and narrows it for the place: a segment, a scoring rule, a cadence's wait.
`engine.expressions.check` resolves every name in it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import MappingProxyType

from engine.expressions.fields import EventSchema, Field, FieldType, LeadSchema
from engine.expressions.tree import Named, Source
from engine.vocabulary import Consent

EVENT_NAMES = ("email", "link", "page", "form")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scope:
    """The fields, events and segments of a workspace, and what the place allows.

    `emails` and `links` are the names that `opened` and `clicked` may ask for; None leaves them unchecked. Equal scopes
    share their compiled conditions, so the hash is worked out once.
    """

    leads: LeadSchema = field(default_factory=LeadSchema)
    events: EventSchema = field(default_factory=EventSchema)
    segments: Mapping[str, str] = field(default_factory=dict)  # name → its condition
    emails: Collection[str] | None = None
    links: Collection[str] | None = None
    event_type: str | None = None  # of a scoring rule: the type it is `on`
    has_score: bool = True
    has_consent: bool = True
    _content: tuple[object, ...] = field(init=False, repr=False)
    _hash: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        segments = dict(self.segments)
        emails = None if self.emails is None else frozenset(self.emails)
        links = None if self.links is None else frozenset(self.links)
        place = (self.event_type, self.has_score, self.has_consent)
        content = (self.leads, self.events, frozenset(segments.items()), emails, links, *place)
        object.__setattr__(self, "segments", MappingProxyType(segments))
        object.__setattr__(self, "_content", content)
        object.__setattr__(self, "_hash", hash(content))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Scope) and self._content == other._content

    def for_segment(self) -> "Scope":
        """Inside a segment: it stands for no event, and for no topic that consent could be about."""
        return _narrowed(self, None, self.has_score)

    def for_scoring(self, event_type: str | None = None) -> "Scope":
        """Inside scoring: a score cannot depend on itself. With `event_type`, also on the event that is scored."""
        return _narrowed(self, event_type, False)

    def names(self) -> dict[str, Named]:
        """Every name that may stand on its own. An event's hide the lead's, which `lead.` still reaches."""
        names = self.lead_names()
        if self.has_score:
            names["score"] = Named(source=Source.SCORE, name="score", type=FieldType.NUMBER)
        if self.has_consent:
            names["consent"] = Named(source=Source.CONSENT, name="consent", type=FieldType.CHOICE)
        return names | self._event_names()

    def lead_names(self) -> dict[str, Named]:
        """Every name that may follow `lead.`."""
        return {f.name: Named(source=Source.LEAD, name=f.name, type=f.type) for f in self.leads.all_fields}

    def choices(self, named: Named) -> tuple[str, ...]:
        """What a value of type choice may be."""
        if named.source is Source.CONSENT:
            return tuple(Consent)
        kind = self.events.kind(self.event_type or "")
        found = kind.field(named.name) if named.source is Source.DATA and kind else self.leads.field(named.name)
        return found.choices if found else ()

    def data_fields(self) -> tuple[Field, ...]:
        """The data of the event that is scored, what is personal left out."""
        kind = self.events.kind(self.event_type or "")
        return tuple(f for f in kind.data if not f.personal) if kind else ()

    def _event_names(self) -> dict[str, Named]:
        if self.event_type is None:
            return {}
        own = {name: Named(source=Source.EVENT, name=name, type=FieldType.TEXT) for name in EVENT_NAMES}
        plain = [f for f in self.data_fields() if f.type is not FieldType.LIST_OF]
        return own | {f.name: Named(source=Source.DATA, name=f.name, type=f.type) for f in plain}


@lru_cache(maxsize=256)
def _narrowed(scope: Scope, event_type: str | None, has_score: bool) -> Scope:
    """Kept, because rules are asked for again with every lead."""
    return replace(scope, event_type=event_type, has_score=has_score, has_consent=False)
