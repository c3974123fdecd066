"""What the domains of a day say to mail, as a real Postfix asks for it: one that takes all, one that greylists, one that refuses
us, one that is slow, and one whose refusals come back as bounces.

Before: Postfix asks its policy service about each recipient. After: `tests.postfix.day` reads what was asked.
"""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from engine.clock import Clock

PLAIN, GREY, REFUSING, SLOW, BOUNCING = (f"{name}.example" for name in ("plain", "grey", "refusing", "slow", "bouncing"))
DOMAINS = (PLAIN, GREY, REFUSING, SLOW, BOUNCING)
NOBODY = "nobody"  # how the names of those begin who are not there
GREY_FOR = timedelta(minutes=5)
SLOW_BY = 1.0  # seconds of real time before each answer

TAKE = "DUNNO"
GREYLISTED = "450 4.2.0 Greylisted, try again in 5 minutes"
UNWELCOME = "550 5.7.1 Our policy does not let this sender in"
NO_SUCH_USER = "550 5.1.1 No such user here"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One RCPT, and what was answered."""

    at: datetime
    sender: str
    recipient: str
    answer: str


@dataclass(slots=True, kw_only=True)
class Domains:
    """The policy service. Greylisting goes by the day's own clock and by Postfix's triple of client, sender and recipient."""

    clock: Clock
    asked: list[Asked] = field(default_factory=list)
    first_seen: dict[tuple[str, str, str], datetime] = field(default_factory=dict)
    guard: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, attributes: Mapping[str, str]) -> str:
        recipient = attributes["recipient"]
        domain = recipient.rpartition("@")[2]
        if domain == SLOW:
            time.sleep(SLOW_BY)
        with self.guard:
            answer = self.answer(domain, attributes)
            self.asked.append(Asked(at=self.clock.now(), sender=attributes["sender"], recipient=recipient, answer=answer))
        return answer

    def answer(self, domain: str, attributes: Mapping[str, str]) -> str:
        if domain == REFUSING:
            return UNWELCOME
        if domain == GREY:
            triple = (attributes["client_address"], attributes["sender"], attributes["recipient"])
            seen_at = self.first_seen.setdefault(triple, self.clock.now())
            return TAKE if self.clock.now() - seen_at >= GREY_FOR else GREYLISTED
        return NO_SUCH_USER if attributes["recipient"].startswith(NOBODY) and domain == PLAIN else TAKE
