"""Everything a condition may look at about one lead at one instant.

The memory layer gathers these; `engine.expressions.evaluate` reads them and nothing else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo

from engine.vocabulary import Consent, Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFact:
    """One event of the lead."""

    type: str
    at: datetime
    origin: Origin = Origin.HUMAN
    email: str | None = None  # name of the email that it is about
    link: str | None = None  # name of the link that was followed
    page: str | None = None
    form: str | None = None
    data: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One lead as of `now`.

    `lead` has the built-in and the declared fields, typed as `parse_value` gives them or as `as_json` stores them; a
    field that is absent or None is missing. Events after `now` do not count.
    """

    lead: Mapping[str, object]
    now: datetime
    events: Sequence[EventFact] = ()
    zone: tzinfo = UTC  # the lead's: where its days and months begin
    since: datetime | None = None  # of a wait: only events after this instant count
    score: float = 0.0
    consent: str = Consent.UNKNOWN  # on the topic of the cadence that asks
    event: EventFact | None = None  # of a scoring rule: the event it looks at
