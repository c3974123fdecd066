"""A product that is switched off and on again in virtual time: people in cadences, a wire that notes what it takes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from engine.claim import TOUCH
from engine.clock import VirtualClock
from engine.compiler.plan import EmailStep, Timing
from engine.database import Database, Tx
from engine.deliver.wire import Accepted, Flight, Outcome, Recheck
from engine.processes.dispatcher import tick
from engine.processes.lanes import Lane
from engine.processes.verbs import VERBS
from engine.runtime import Runtime
from engine.schedule.catch_up import note_at_work
from engine.schema import touches, workers
from engine.settings import read_settings
from engine.simulate.world import FAR, first_dues
from engine.spans import parse_span
from engine.vocabulary import Late
from tests.factories import TOKENS
from tests.schedule.plans import email

LEASE = timedelta(minutes=5)
WORKER = "worker-1"
BREATH = timedelta(minutes=1)


class Taking:
    """A mail server that takes everything."""

    def __init__(self) -> None:
        self.flights: list[Flight] = []

    def fly(self, flights: list[Flight], recheck: Recheck) -> list[Outcome]:
        self.flights.extend(flights)
        return [Accepted(code=250, reply="2.0.0 taken")] * len(flights)

    def close(self) -> None:
        pass


@dataclass
class House:
    """A dispatcher and a worker in one, that run while the clock is moved on by `run`, and not while it is by `off`."""

    database: Database
    clock: VirtualClock
    folder: Path
    wire: Taking = field(default_factory=Taking)
    late: dict[int, timedelta] = field(default_factory=dict)  # touches taken up late: how late

    def run(self, span: timedelta, *, step: timedelta = timedelta(minutes=30), breath: timedelta = BREATH) -> None:
        """Look whenever something is due, once in a `breath` at most and in every `step` at least; it is there all the time.

        And in the last second of an hour in which something is due, so that nothing goes out in another hour than its own.
        """
        until = self.clock.now() + span
        self.look()
        while self.clock.now() < until:
            self.clock.move_to(min(until, self.clock.now() + step, self.next_look(breath)))
            with self.database.write() as tx:
                self.renew(tx)
                note_at_work(tx)
            self.look()

    def next_look(self, breath: timedelta) -> datetime:
        now, due_at = self.clock.now(), self.next_due()
        last_second = at_hour(now) + timedelta(hours=1, seconds=-1)
        rested = max(due_at, now + breath)
        return min(rested, last_second) if now < last_second and due_at <= last_second else rested

    def next_due(self) -> datetime:
        with self.database.read() as tx:
            return min(first_dues(tx).values(), default=FAR)

    def off(self, span: timedelta) -> None:
        self.clock.move_to(self.clock.now() + span)

    def look(self) -> None:
        """Everything that is due now, to the end."""
        with self.database.write() as tx:
            self.renew(tx)
        while tick(self.database, self.publish, lease=LEASE):
            pass

    def publish(self, lane: Lane, claims: Sequence[tuple[int, int]]) -> None:
        if lane.noun is TOUCH:
            self.note_late([touch_id for touch_id, _epoch in claims])
        VERBS[lane.noun.name](self.runtime, list(claims))

    def note_late(self, touch_ids: Sequence[int]) -> None:
        """Before the verb may have made days of its passage out of it."""
        with self.database.read() as tx:
            late = tx.run(sa.select(touches).where(touches.c.id.in_(touch_ids), touches.c.late_by > 0))
            self.late |= {row.id: timedelta(seconds=row.late_by) for row in late}

    @property
    def runtime(self) -> Runtime:
        return Runtime(
            settings=read_settings(self.folder, {}),
            database=self.database,
            tokens=TOKENS,
            wire=self.wire,
            worker_id=WORKER,
            has_lease=lambda: True,
            publish=lambda noun, claims: None,
        )

    def renew(self, tx: Tx) -> None:
        """What its presence does while it lives: the row in `workers`."""
        tx.run(sa.delete(workers))
        row = {"id": WORKER, "kind": "up", "host": "test", "pid": 1, "started_at": tx.now}
        tx.run(sa.insert(workers).values(**row, lease_until=tx.now + LEASE))


def mail(id: str, timing: Timing, *, valid_for: str | None = None, late: Late = Late.SEND) -> EmailStep:
    found = email(id, timing)
    return EmailStep(
        id=id,
        timing=timing,
        email=id,
        copy=found.copy,
        next=None,
        valid_for=parse_span(valid_for) if valid_for else None,
        late=late,
    )


def at_hour(instant: datetime) -> datetime:
    return instant.replace(minute=0, second=0, microsecond=0)
