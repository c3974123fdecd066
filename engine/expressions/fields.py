"""The typed fields of leads and of the data of events, as `leads.yaml` and `events.yaml` declare them.

The compiler makes these from the workspace; the conditions are checked against them, and `engine.expressions.values`
reads what a file or a shop hands us by them.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from engine.vocabulary import EventType

NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
OPERATORS = frozenset({"and", "or", "not", "in", "is", "if", "else", "true", "false", "none", "yes", "no", "missing"})
OWN_NAMES = frozenset({"lead", "event", "score", "consent", "within"})
QUESTIONS = frozenset({"opened", "clicked", "replied", "purchased", "visited", "submitted", "happened", "in_segment"})
RESERVED = OPERATORS | OWN_NAMES | QUESTIONS


class FieldType(StrEnum):
    """What a field may hold."""

    TEXT = "text"
    NUMBER = "number"  # a double
    YES_NO = "yes-no"
    DATE = "date"  # a day, without a time
    CHOICE = "choice"  # one of the texts in `choices`
    LIST = "list"  # of texts
    LIST_OF = "list-of"  # of records, each with the fields in `of`; only in the data of events


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field. Raises ValueError when its parts do not fit together."""

    name: str
    type: FieldType = FieldType.TEXT
    choices: tuple[str, ...] = ()  # of a choice, as they are to be stored
    of: tuple["Field", ...] = ()  # of a list-of
    personal: bool = False  # of an event's data: kept with the person's data, and conditions cannot see it

    def __post_init__(self) -> None:
        _require_name(self.name)
        if self.name in RESERVED:
            raise ValueError(f"`{self.name}` has a meaning of its own in conditions; choose another name")
        if (self.type is FieldType.CHOICE) != bool(self.choices):
            raise ValueError(f"`{self.name}`: `choices` belongs to a field of type choice, which must have some")
        if len({choice.casefold() for choice in self.choices}) < len(self.choices):
            raise ValueError(f"`{self.name}`: the same choice is there twice (capitals make no difference)")
        if (self.type is FieldType.LIST_OF) != bool(self.of):
            raise ValueError(f"`{self.name}`: `of` belongs to a field of type list-of, which must have one")
        if any(inner.type is FieldType.LIST_OF for inner in self.of):
            raise ValueError(f"`{self.name}`: a list-of cannot hold another list-of")
        _require_distinct(self.of)


@dataclass(frozen=True, slots=True)
class LeadSchema:
    """The fields that `leads.yaml` declares, beside the built-in ones that every lead has."""

    fields: tuple[Field, ...] = ()

    def __post_init__(self) -> None:
        _require_distinct(self.all_fields)
        for field in self.fields:
            if field.type is FieldType.LIST_OF or field.personal:
                raise ValueError(f"`{field.name}`: list-of and personal are only for the data of events")

    @property
    def all_fields(self) -> tuple[Field, ...]:
        """The built-in fields and the declared ones."""
        return BUILT_IN_FIELDS + self.fields

    def field(self, name: str) -> Field | None:
        """The field of that name, if there is one."""
        return _named(name, self.all_fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventKind:
    """One type of event that a site or shop may post, with its data."""

    name: str
    data: tuple[Field, ...] = ()
    counts_as: str | None = None  # `purchased`: it also satisfies purchased()

    def __post_init__(self) -> None:
        _require_name(self.name)
        _require_distinct(self.data)
        if self.name in set(EventType):
            raise ValueError(f"`{self.name}` is an event that we observe ourselves; give yours another name")
        if self.counts_as not in (None, EventType.PURCHASED):
            raise ValueError(f"`counts_as: {self.counts_as}` is unknown; an event may only count as `purchased`")

    def field(self, name: str) -> Field | None:
        """The data field of that name, if there is one."""
        return _named(name, self.data)


@dataclass(frozen=True, slots=True)
class EventSchema:
    """The workspace's own types of events, beside those that we observe (`EventType`)."""

    kinds: tuple[EventKind, ...] = ()

    def __post_init__(self) -> None:
        counts = Counter(kind.name for kind in self.kinds)
        if twice := next((name for name, count in counts.items() if count > 1), None):
            raise ValueError(f"`{twice}` is there twice")

    @property
    def types(self) -> tuple[str, ...]:
        """Every type that an event may have."""
        return (*EventType, *(kind.name for kind in self.kinds))

    def kind(self, name: str) -> EventKind | None:
        """The workspace's own type of that name, if there is one."""
        return next((kind for kind in self.kinds if kind.name == name), None)

    def counted_as(self, name: str) -> tuple[str, ...]:
        """`name` itself and the types that count as it."""
        return (name, *(kind.name for kind in self.kinds if kind.counts_as == name))


def _require_name(name: str) -> None:
    if not NAME.match(name):
        raise ValueError(f"`{name}` cannot be a name: write small letters, digits and _, beginning with a letter")


def _require_distinct(fields: Iterable[Field]) -> None:
    seen: set[str] = set()
    for field in fields:
        if field.name in seen:
            raise ValueError(f"`{field.name}` is there twice")
        seen.add(field.name)


def _named(name: str, fields: Iterable[Field]) -> Field | None:
    return next((field for field in fields if field.name == name), None)


# what every lead has without declaring it; made here, where the checks above are known
BUILT_IN_FIELDS = (
    Field(name="key"),
    Field(name="email"),
    Field(name="zone"),
    Field(name="do_not_call", type=FieldType.YES_NO),
    Field(name="created_at", type=FieldType.DATE),
)
