"""A world of its own: a throw-away database under a virtual clock, in which the product runs as it does live, only faster.

Before: a compiled workspace and a list of leads. After: `engine.simulate.tally` counts what happened. Every part is the live one
but the wire; jobs are carried out at once instead of being queued, until nothing is due, and then the clock jumps.
"""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count

import sqlalchemy as sa

from engine.claim import NOUNS, REACTION, SEND, Claim, in_state
from engine.clock import VirtualClock
from engine.database import Tx
from engine.prepared import Prepared
from engine.processes.dispatcher import dispatch, mend
from engine.processes.lanes import LANES, Lane
from engine.processes.verbs import VERBS
from engine.runtime import Runtime
from engine.schedule.sweep import sweep
from engine.scoring.rescore import rescore_fading
from engine.simulate.mailbox import received
from engine.simulate.recipients import Intended, Recipients

FAR = datetime.max.replace(tzinfo=UTC)
LEASE = timedelta(hours=1)
SCORED_AT_ONCE = 1_000
MEND_EVERY = timedelta(hours=24)  # scores fade and rows get lost by the day, not by the minute

Perform = Callable[[Sequence[Intended]], None]
Progress = Callable[[datetime], None]


@dataclass(slots=True, kw_only=True)
class World:
    """A run. What is due of ours happens at its own time, and sees all that people did before. What people do is told in
    bunches, at most `patience` after it happened: each look costs the same however much there is to see.
    """

    runtime: Runtime
    clock: VirtualClock
    recipients: Recipients
    perform: Perform
    patience: timedelta = timedelta(hours=6)
    arrived: list[tuple[int, datetime]] = field(default_factory=list)  # (send id, when), put here by the wire
    intended: list[tuple[datetime, int, Intended]] = field(default_factory=list)
    dues: dict[str, datetime] = field(default_factory=dict)  # of each noun's first row
    taken: dict[Lane, list[Claim]] = field(default_factory=dict)
    order: "count[int]" = field(default_factory=count)
    mended_at: datetime | None = None

    def run(self, until: datetime, progress: Progress = lambda _now: None) -> None:
        """Let everything happen that is due up to `until`, in the order of its time."""
        self.mend()
        while (upcoming := self.next_instant()) is not None and upcoming <= until:
            if upcoming > self.clock.now():
                self.clock.move_to(upcoming)
                progress(self.clock.now())
                self.mend()
            if self.act():
                self.dues |= {noun.name: self.clock.now() for noun in (REACTION, SEND)}  # what acts may make due at once
            self.work()
        self.clock.move_to(max(until, self.clock.now()))

    def mend(self) -> None:
        """What the processes do beside their work, now and then."""
        if self.mended_at is None or self.clock.now() - self.mended_at >= MEND_EVERY:
            mend(self.runtime.database)
            self.refresh_scores()
            sweep(self.runtime.database)
            self.mended_at = self.clock.now()

    def refresh_scores(self) -> None:
        """As `engine.processes.upkeep` does, in larger portions: nobody waits for the database here."""
        scored = None
        while scored != 0:
            with self.runtime.database.write() as tx:
                scored = rescore_fading(tx, self.runtime, limit=SCORED_AT_ONCE)

    def work(self) -> None:
        """Carry out what is due now. What follows from it at once is for the next look."""
        lanes = [lane for lane in LANES if self.dues.get(lane.noun.name, FAR) <= self.clock.now()]
        dispatch(self.runtime.database, self.take, lease=LEASE, lanes=lanes)
        self.carry_out()
        self.deliver_to_mailboxes()

    def take(self, lane: Lane, claims: list[Claim]) -> None:
        """What a broker would get as many jobs is one here: there is nobody to share it with."""
        self.taken.setdefault(lane, []).extend(claims)

    def carry_out(self) -> None:
        taken, self.taken = self.taken, {}
        for lane, claims in taken.items():
            VERBS[lane.noun.name](self.runtime, claims)

    def deliver_to_mailboxes(self) -> None:
        """Let the recipients of what has arrived decide what they will do."""
        if not self.arrived:
            return
        with self.runtime.database.read() as tx:
            mails = received(tx, dict(self.arrived))
        self.arrived.clear()
        for mail in mails:
            for intended in self.recipients.intend(mail):
                heapq.heappush(self.intended, (intended.at, next(self.order), intended))

    def act(self) -> bool:
        """Have the recipients do what they intended to do by now; whether anybody did anything."""
        now = self.clock.now()
        due = []
        while self.intended and self.intended[0][0] <= now:
            due.append(heapq.heappop(self.intended)[2])
        if due:
            self.perform(due)
        return bool(due)

    def next_instant(self) -> datetime | None:
        """When there is something to do next; now, where it is overdue."""
        with self.runtime.database.read() as tx:
            self.dues = first_dues(tx)
        soonest = [*self.dues.values()]
        if self.intended:
            soonest.append(self.intended[0][0] + self.patience)
        return max(min(soonest), self.clock.now()) if soonest else None


def first_dues(tx: Tx) -> dict[str, datetime]:
    """When the next row of each noun is due. Fading points wait for the next time that anything is."""
    [row] = FIRST_DUES.rows(tx)
    return {name: due for name, due in row._asdict().items() if due is not None}


FIRST_DUES = Prepared(
    sa.select(
        *(
            sa.select(sa.func.min(noun.table.c.due_at))
            .where(in_state(noun.table, noun.open_state))
            .scalar_subquery()
            .label(noun.name)
            for noun in NOUNS.values()
        )
    )
)
