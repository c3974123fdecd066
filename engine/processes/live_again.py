"""Living through the time between a backup and its loss once more, with nothing leaving: what was due counts as perhaps sent.

Before: everything is held (`engine.schedule.restored`), and an operator says until when the lost world ran. After: each mail that
was due by then ended as `unknown (restored)`, at its own time, and the passages stand where they would; the rest goes on from
there. Every part is the live one but the clock and the wires. It may be broken off and begun again: what the first one held is
free for the second.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import uuid4

import sqlalchemy as sa

from engine.claim import Claim, in_state
from engine.clock import VirtualClock
from engine.database import Database, Foretold, Tx
from engine.deliver.places import Places
from engine.deliver.record import settle_restored
from engine.deliver.wire import Flight, Outcome, PerhapsSent, Recheck
from engine.errors import StaleError
from engine.pauses import NONE, PAUSES
from engine.posts.wire import Answered, PostOutcome, PostRequest
from engine.processes.dispatcher import dispatch_lane, lanes_due, mend
from engine.processes.lanes import LANES, Lane
from engine.processes.verbs import VERBS
from engine.runtime import Runtime
from engine.schedule.catch_up import UNPLACED
from engine.schedule.restored import open_all_claimed
from engine.schedule.sweep import EVERY as SWEEP_EVERY
from engine.schedule.sweep import sweep
from engine.schema import relay_states, route_states, sends, touches, workers
from engine.scoring.rescore import rescore_fading
from engine.settings import Settings
from engine.simulate.world import first_dues
from engine.tokens import Tokens
from engine.vocabulary import Reason, SendState

KIND = "restored"
FOR_EVER = timedelta(days=36_500)
CONNECTIONS = 64  # to nowhere
LEASE = timedelta(hours=1)
SCORED_AT_ONCE = 1_000

Progress = Callable[[datetime], None]


def live_again(settings: Settings, database: Database, *, since: datetime, until: datetime, progress: Progress) -> None:
    """Carry out all that is due up to `until` as from `since` on. Raises SettingsError without a secret key, and StaleError when
    it is begun a second time meanwhile.
    """
    past = PastDatabase(database.engine, VirtualClock(since))
    with at_work(database) as worker_id:
        runtime = runtime_of(settings, past, worker_id)
        with past.write() as tx:
            open_all_claimed(tx)
            settle_restored(tx)
            take_all_for_well(tx)
        for begin, end in quarters_of_hours(since, until):
            past.clock.move_to(max(begin, past.clock.now()))
            require_place(past, worker_id)
            keep_up(runtime)
            progress(past.clock.now())
            place_what_is_late(past)
            while (upcoming := next_instant(past)) is not None and upcoming <= end:
                past.clock.move_to(max(upcoming, past.clock.now()))
                require_place(past, worker_id)
                carry_out_due(runtime)
                place_what_is_late(past)
                progress(past.clock.now())


def take_all_for_well(tx: Tx) -> None:
    """When a relay or a provider that was left alone was well again nobody knows: what waited for it was perhaps sent at once."""
    for table in (relay_states, route_states):
        tx.run(sa.delete(table))
    waiting = (in_state(sends, SendState.READY), sends.c.reason.in_((Reason.RELAY_AWAY, Reason.NO_RELAY, Reason.DOMAIN_PAUSED)))
    tx.run(sa.update(sends).where(*waiting).values(due_at=tx.now))


def place_what_is_late(past: Database) -> None:
    """What follows a late mail was perhaps sent as soon as it could be, however it was spread out."""
    with past.read() as tx:
        is_there = tx.run(sa.select(touches.c.id).where(UNPLACED).limit(1)).first() is not None
    if is_there:
        with past.write() as tx:
            tx.run(sa.update(touches).where(UNPLACED).values(due_at=tx.now, reason=None))


def quarters_of_hours(since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    """As often as segments are looked at, so that who came into one by time alone came in the lost world and not after it. The
    last has no length: who came in by then has had the mail that was due at once.
    """
    begin = since
    while begin < until:
        yield begin, min(begin + SWEEP_EVERY, until)
        begin += SWEEP_EVERY
    yield until, until


class PastDatabase(Database):
    """The same rows at another time, in which nothing is held back."""

    def __init__(self, engine: sa.Engine, clock: VirtualClock) -> None:
        super().__init__(engine, clock)
        self.clock = clock

    @contextmanager
    def read(self) -> Iterator[Tx]:
        with super().read() as tx:
            tx.seen[PAUSES] = NONE
            yield tx

    @contextmanager
    def write(self, *sure: Foretold) -> Iterator[Tx]:
        with super().write(*sure) as tx:
            tx.seen[PAUSES] = NONE
            yield tx


@contextmanager
def at_work(database: Database) -> Iterator[str]:
    """Our row among the processes. Those whose leases are over belonged to the lost world, and one of our kind to a time that was
    broken off; none holds anything by now.
    """
    worker_id = f"{KIND}-{uuid4().hex[:16]}"
    with database.write() as tx:
        tx.run(sa.delete(workers).where(sa.or_(workers.c.lease_until < tx.now, workers.c.kind == KIND)))
        row = {"id": worker_id, "kind": KIND, "host": "here", "pid": 0, "started_at": tx.now, "lease_until": tx.now + FOR_EVER}
        tx.run(sa.insert(workers).values(row))
    try:
        yield worker_id
    finally:
        with database.write() as tx:
            tx.run(sa.delete(workers).where(workers.c.id == worker_id))


def require_place(past: Database, worker_id: str) -> None:
    """Raises StaleError when another that began since has taken our row away, and opened what we held."""
    with past.read() as tx:
        if tx.run(sa.select(workers.c.id).where(workers.c.id == worker_id)).first() is None:
            raise StaleError("this stops here: `handraiser resume restored` was called once more meanwhile, and that one goes on")


def runtime_of(settings: Settings, past: Database, worker_id: str) -> Runtime:
    def publish(noun: str, claims: list[Claim]) -> None:
        VERBS[noun](runtime, claims)

    runtime = Runtime(
        settings=settings,
        database=past,
        tokens=Tokens(settings.require_secret()),
        wire=NowhereWire(),
        worker_id=worker_id,
        has_lease=lambda: True,
        publish=publish,
        places=Places(CONNECTIONS),
        posts=NowherePosts(),
    )
    return runtime


class NowhereWire:
    """Says of every mail that it was perhaps sent."""

    def fly(self, flights: Sequence[Flight], recheck: Recheck) -> list[Outcome]:
        return [PerhapsSent()] * len(flights)

    def close(self) -> None:
        pass


class NowherePosts:
    """The same of posts, which may be over for all that we can do."""

    def post(self, request: PostRequest) -> PostOutcome:
        return Answered(status=202, text="perhaps posted before the database was restored; nothing left now")


def next_instant(past: Database) -> datetime | None:
    with past.read() as tx:
        return min(first_dues(tx).values(), default=None)


def keep_up(runtime: Runtime) -> None:
    """What processes do beside their work, but for catching up: here nothing is late."""
    mend(runtime.database, chores=())
    scored = None
    while scored != 0:
        with runtime.database.write() as tx:
            scored = rescore_fading(tx, runtime, limit=SCORED_AT_ONCE)
    sweep(runtime.database)


def carry_out_due(runtime: Runtime) -> None:
    """What is due at this instant; what follows from it at once is for the next look."""
    with runtime.database.read() as tx:
        due = lanes_due(tx, LANES)
    for lane in due:
        taken = Taken()
        dispatch_lane(runtime.database, lane, taken.take, lease=LEASE)
        VERBS[lane.noun.name](runtime, taken.claims)


@dataclass(frozen=True, slots=True)
class Taken:
    """What a broker would get as jobs is one here: there is nobody to share it with."""

    claims: list[Claim] = field(default_factory=list)

    def take(self, _lane: Lane, claims: list[Claim]) -> None:
        self.claims.extend(claims)
