"""How a process does: whether its threads run, and whether what it needs to do its work is there.

Before: the process has started everything. After: `engine.processes.ops` tells a supervisor (`/live`), a load balancer or a
person (`/ready`); the receiver's own `/health` asks the same probes.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from engine.processes.reach import PROBE, Probe
from webhooks.receiver import Receiver


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What is looked at. `threads`: those that run when this is made, and should for as long as the process does."""

    database: Probe[bool]
    broker: Probe[bool] | None  # None: jobs stay in the process
    has_lease: Callable[[], bool]
    receiver: Receiver | None = None
    held_back: Callable[[], Sequence[str]] = tuple  # what a person holds back, or is held until one has looked
    threads: tuple[threading.Thread, ...] = field(default_factory=lambda: running_threads())

    def why_not_live(self) -> list[str]:
        """In words; nothing when all is well. A process that is not live does not heal by itself: start it again."""
        return [f"its thread “{thread.name}” has ended" for thread in self.threads if not thread.is_alive()]

    def why_not_ready(self) -> list[str]:
        """In words; nothing when all is well. Each of these heals by itself when its cause is gone; nothing is lost by it."""
        return list(self._lacking())

    def _lacking(self) -> Iterator[str]:
        if not self.database.found():
            yield "the database does not answer"
        if self.broker is not None and not self.broker.found():
            yield "the broker does not answer"
        if not self.has_lease():
            yield "its lease has run out, so that others may take over what it holds"
        if self.receiver is not None and not self.receiver.journal.is_sound:
            yield "its journal cannot be written, so that clicks, replies and opt-outs cannot be kept"


def running_threads() -> tuple[threading.Thread, ...]:
    """But those that only find something out."""
    return tuple(thread for thread in threading.enumerate() if thread.name != PROBE)
