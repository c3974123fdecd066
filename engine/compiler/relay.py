"""Relays: the mail servers that mail goes out through, each with what it takes, and the limits of recipient domains. Pure.

Before: `relays.yaml` was read into the plan's policy. After: `engine.deliver.relays` chooses one for each mail, and
`engine.deliver.gate` holds back what would be too much. Their addresses and secrets are settings, never in the workspace.
"""

from dataclasses import dataclass
from datetime import date
from math import log, log1p

from engine.vocabulary import Stream

OTHERS = "others"  # in the place of a domain: each that is not named
DECLARABLE = (Stream.MARKETING, Stream.TRANSACTIONAL)  # internal mail goes with transactional


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmUp:
    """How a new relay is got used to: on the first day so many mails, each day more by `grows` (0.3: 30 %), until so many."""

    starts_on: date
    mails: int
    grows: float
    until: int

    def allowed_on(self, day: date) -> int | None:
        """How many mails may go through it on that day, none before the first; None: it is warm."""
        days = (day - self.starts_on).days
        if days < 0:
            return 0
        if days * log1p(self.grows) > log(self.until / self.mails):  # before the power, which could be endless
            return None
        return round(self.mails * (1 + self.grows) ** days)


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """A mail server by its name. `weight`: its share among those that fit; 0: a spare, for when they are away.

    `brands` and `domains` (of recipients): empty means all; one that names a domain is preferred for it.
    """

    name: str
    weight: int = 1
    streams: tuple[Stream, ...] = DECLARABLE
    brands: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    warm_up: WarmUp | None = None

    def takes(self, stream: Stream, brand: str, domain: str) -> bool:
        asked = Stream.TRANSACTIONAL if stream is Stream.INTERNAL else stream
        return (
            asked in self.streams and (not self.brands or brand in self.brands) and (not self.domains or domain in self.domains)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainLimit:
    """What the servers of a recipient domain are asked to bear; None: no limit. `connections`: of one process."""

    per_hour: int | None = None
    connections: int | None = None
