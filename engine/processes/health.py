"""How a process does: whether its threads run, and whether what it needs to do its work is there.

Before: the process has started everything. After: `engine.processes.ops` tells a supervisor (`/live`), a load balancer or a
person (`/ready`); the receiver's own `/health` asks the same probes.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from engine.database import Database
from engine.processes.glance import Glance, glance
from engine.processes.reach import PROBE, Probe
from webhooks.receiver import Receiver

LEDGER_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What is looked at. `threads`: those that run when this is made, and should for as long as the process does."""

    database: Probe[bool]
    ledger: Probe[Glance]
    broker: Probe[bool] | None  # None: jobs stay in the process
    has_lease: Callable[[], bool]
    receiver: Receiver | None = None
    cannot_write: Callable[[], str | None] = lambda: None  # the database's words, where a write failed
    only_receives: bool = (
        False  # then its journal is all that it needs: who asks must not be sent elsewhere for want of a database
    )
    held_back: Callable[[], Sequence[str]] = tuple  # what this process itself holds until a person has looked
    threads: tuple[threading.Thread, ...] = field(default_factory=lambda: running_threads())

    def why_not_live(self) -> list[str]:
        """In words; nothing when all is well. A process that is not live does not heal by itself: start it again."""
        return [f"its thread “{thread.name}” has ended" for thread in self.threads if not thread.is_alive()]

    def why_not_ready(self) -> list[str]:
        """In words; nothing when all is well. Each of these heals by itself when its cause is gone; nothing is lost by it."""
        return [*([] if self.only_receives else self.away()), *self.full()]

    def told_besides(self) -> dict[str, object]:
        """What mail waits for though this process is well: as far as the ledger can be read at once."""
        seen = self.ledger.found()
        told = {
            "away": list(self.away()) if self.only_receives else [],
            "held_back": sorted({*self.held_back(), *(seen.held_back if seen else ())}),
            "relays": {relay.name: relay.state for relay in seen.relays} if seen else {},
            "relays_without_address": sorted(seen.without_address) if seen else [],
            "domains_left_alone": sorted({each.domain for each in seen.domains}) if seen else [],
        }
        return {name: value for name, value in told.items() if value}

    def away(self) -> Iterator[str]:
        if not self.database.found():
            yield "the database does not answer"
        elif (words := self.cannot_write()) is not None:
            yield f"the database cannot be written ({words}): see to its disk"
        if self.broker is not None and not self.broker.found():
            yield "the broker takes no jobs"
        if not self.has_lease():
            yield "its lease has run out, so that others may take over what it holds"

    def full(self) -> Iterator[str]:
        if self.receiver is not None and not self.receiver.journal.is_sound:
            yield "its journal cannot be written, so that clicks, replies and opt-outs cannot be kept"


def ledger_probe(database: Database) -> Probe[Glance]:
    """Read when somebody asks, every five seconds at most."""

    def look() -> Glance:
        with database.read() as tx:
            return glance(tx)

    return Probe(look, fresh=LEDGER_SECONDS)


def running_threads() -> tuple[threading.Thread, ...]:
    """But those that only find something out."""
    return tuple(thread for thread in threading.enumerate() if thread.name != PROBE)
