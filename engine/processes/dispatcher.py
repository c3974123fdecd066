"""The dispatcher: claims what is due and publishes it as jobs; mends what was lost. Any number of them may run.

Before: the schedule and the receiver write rows with a due time. After: workers carry the jobs out. A claim is committed
before its job is published, so a job that is lost or never published is found again by its lease.
"""

import logging
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

import sqlalchemy as sa

from engine import crash, metrics
from engine.claim import CLAIMED, NOUNS, Claim, in_state, put_back, sweep, take_due
from engine.database import Database, Tx
from engine.deliver.record import settle_lost
from engine.log import Trouble
from engine.pauses import pauses_seen
from engine.persist import is_away
from engine.prepared import Prepared
from engine.processes.aside import AsideWatch
from engine.processes.clock_watch import ClockWatch, ticking
from engine.processes.lanes import BULK, LANES, OUTGOING, Lane, PublishJob
from engine.processes.sight import Sight
from engine.processes.verbs import CHORES, Chore
from engine.schedule.hold import marketing_hold
from engine.schema import workers
from engine.sql import plan_anew
from engine.vocabulary import Stream

log = logging.getLogger(__name__)
not_at_once = Trouble(log, "could not publish at once, a dispatcher will")
not_mended = Trouble(log, "what time makes due could not be looked after; nurture waits until it can, awaited mail goes on")

IDLE_SECONDS = 0.5  # what others make due at once is found after this at most
BUSY_SECONDS = 0.2  # in which a worker does not empty half of a full queue of mail
RUSH_SECONDS = 0.1  # in which many do not empty a full one
MEND_SECONDS = 1.0
FORGET_WORKERS_AFTER = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one look at the lanes came to: rows published, whether due rows were left for want of room, and whether half of a
    queue or more was filled.
    """

    published: int
    is_full: bool
    is_rush: bool


def run_dispatcher(database: Database, publish: PublishJob, *, lease: timedelta, stop: threading.Event) -> None:
    """Dispatch until `stop` is set. A database or broker that is away is logged once and tried again each second."""
    mended_at, watch, sight = float("-inf"), ClockWatch(), Sight()
    lanes: Sequence[Lane] = LANES
    chores = (*CHORES, AsideWatch().look)
    failing, needs_a_job = Trouble(log, "a round of the dispatcher failed; the next one is in a second"), False
    while not stop.is_set():
        try:
            is_clear = sight.is_clear()
            if ticking() - mended_at >= MEND_SECONDS:  # a clock that runs on while the machine sleeps: we mend before we claim
                lanes = lanes_after_mending(database, chores, watch=watch, knows_the_dead=is_clear)
                mended_at = ticking()
            with metrics.Timed(metrics.ROUND_SECONDS):
                done = dispatch(database, publish, lease=lease, lanes=lanes, watch=watch)
            if done.published or not needs_a_job:
                failing.over()
            stop.wait(pause_after(done, database))
        except Exception as error:
            metrics.ROUNDS_FAILED.inc()
            needs_a_job = not is_away(error)  # a broker that is away is found to be back when it takes one
            if is_away(error):
                sight.lose()
            failing.tell(error)
            stop.wait(1)


def pause_after(done: Round, database: Database) -> float:
    """In seconds. A claim takes all there is room for, so nothing is gained by looking again at once. With nothing to do, up to
    the instant at which the next row is due.
    """
    if done.is_rush:
        return RUSH_SECONDS
    if done.published or done.is_full:
        return BUSY_SECONDS
    with database.read() as tx:
        coming = [row.due_at for row in due_soon().rows(tx, now=tx.now, soon=tx.now + timedelta(seconds=IDLE_SECONDS))]
        waits = [(due_at - tx.now).total_seconds() for due_at in coming if due_at is not None]
    return max(RUSH_SECONDS, min(waits, default=IDLE_SECONDS))


@cache
def due_soon() -> Prepared:
    """Asked whenever there is nothing to do, so it is built once."""
    return Prepared(sa.union_all(*map(first_to_come, LANES)))


def first_to_come(lane: Lane) -> sa.Select[tuple[datetime | None]]:
    due_at = lane.noun.table.c.due_at
    now, soon = (sa.bindparam(name, type_=due_at.type) for name in ("now", "soon"))
    is_open = in_state(lane.noun.table, lane.noun.open_state)
    return sa.select(sa.func.min(due_at).label("due_at")).where(is_open, due_at > now, due_at <= soon, *narrowed(lane))


def tick(database: Database, publish: PublishJob, *, lease: timedelta, chores: Sequence[Chore] = CHORES) -> int:
    """Mend, then dispatch once; returns how many rows were published. What a loop of the simulator or a test calls."""
    mend(database, chores)
    return dispatch(database, publish, lease=lease).published


def lanes_after_mending(
    database: Database, chores: Sequence[Chore], *, watch: ClockWatch, knows_the_dead: bool
) -> tuple[Lane, ...]:
    """Those that may be dispatched: where mending trips over a row, by a fault of ours, nurture is not to go out as if all were
    well, and no order is to stand behind it.
    """
    try:
        mend(database, chores, watch=watch, knows_the_dead=knows_the_dead)
    except Exception as error:
        if is_away(error):
            raise
        metrics.ROUNDS_FAILED.inc()
        not_mended.tell(error)
        return tuple(lane for lane in LANES if lane not in BULK)
    not_mended.over()
    return LANES


def mend(
    database: Database, chores: Sequence[Chore] = CHORES, *, watch: ClockWatch | None = None, knows_the_dead: bool = True
) -> None:
    """Open again what queues and dead workers lost, and then do what time alone makes due.

    Right after the clock jumped ahead nothing is mended, and after an outage nobody is taken for dead at once: leases that seem
    to have run out are only not renewed yet.
    """
    with database.write() as tx:
        plan_anew(tx)
        if watch is not None and not watch.look(tx) and watch.is_settling():
            return
        if pauses_seen(tx).is_restored:  # the rows are as the lost world left them, and wait for `engine.processes.live_again`
            return
        if knows_the_dead:
            open_what_was_lost(tx)
    with database.write() as tx:
        for chore in chores:
            chore(tx)


def open_what_was_lost(tx: Tx) -> None:
    for noun in NOUNS.values():
        if lost := sweep(tx, noun):
            metrics.LOST.labels(noun.name).inc(lost)
            log.warning("rows were lost by a queue or a worker and are due again", extra={"facts": {noun.name: lost}})
    settle_lost(tx)
    tx.run(sa.delete(workers).where(workers.c.lease_until < tx.now - FORGET_WORKERS_AFTER))


def dispatch(
    database: Database,
    publish: PublishJob,
    *,
    lease: timedelta,
    lanes: Iterable[Lane] = LANES,
    watch: ClockWatch | None = None,
) -> Round:
    """Claim and publish what is due on these lanes and finds room there. Idle, it only reads.

    No marketing while the clock is not to be trusted, and nothing that a person holds back.
    """
    with database.read() as tx:
        plan_anew(tx)  # these were first asked over empty tables
        held = held_lanes(tx, watch)
        due = lanes_due(tx, [lane for lane in lanes if lane not in held])
    published = [dispatch_lane(database, lane, publish, lease=lease, watch=watch) for lane in due]
    is_rush = any(rows >= lane.room / 2 for lane, rows in zip(due, published, strict=True))
    return Round(published=sum(published), is_full=0 in published, is_rush=is_rush)


def held_lanes(tx: Tx, watch: ClockWatch | None) -> tuple[Lane, ...]:
    """Reactions are among them only where it is not known what was reacted to: else what people do counts as always."""
    paused = pauses_seen(tx)
    if paused.is_restored:
        return LANES
    if paused.stops_all:
        return OUTGOING
    is_held = watch is not None and (watch.is_ahead(tx.now) or marketing_hold(tx) is not None)
    return BULK if is_held or paused.stops_stream(Stream.MARKETING) else ()


def dispatch_at_once(database: Database, publish: PublishJob, lane: Lane, *, lease: timedelta) -> None:
    """Without waiting for a dispatcher's next look, which finds what cannot be published now."""
    try:
        if dispatch(database, publish, lease=lease, lanes=[lane]).published:
            not_at_once.over()
    except Exception as error:
        not_at_once.tell(error)


def lanes_due(tx: Tx, lanes: Sequence[Lane]) -> list[Lane]:
    """Those on which something is due, in the order given."""
    due = {row.queue for row in queues_due(tuple(lanes)).rows(tx, now=tx.now)} if lanes else set()
    return [lane for lane in lanes if lane.queue in due]


@cache
def queues_due(lanes: tuple[Lane, ...]) -> Prepared:
    """The queues of these lanes on which something is due. Asked at every round, so it is built once."""
    return Prepared(sa.union_all(*map(queue_if_due, lanes)))


def queue_if_due(lane: Lane) -> sa.Select[str]:
    due_at = lane.noun.table.c.due_at
    is_open = in_state(lane.noun.table, lane.noun.open_state)
    due = sa.select(lane.noun.table.c.id).where(is_open, due_at <= sa.bindparam("now", type_=due_at.type), *narrowed(lane))
    return sa.select(sa.literal(lane.queue).label("queue")).select_from(due.limit(1).subquery())


def dispatch_lane(
    database: Database, lane: Lane, publish: PublishJob, *, lease: timedelta, watch: ClockWatch | None = None
) -> int:
    with database.write() as tx:
        plan_anew(tx)
        if watch is not None and lane in BULK and watch.is_ahead(tx.now):
            return 0
        claims = claim(tx, lane, lease=lease)
        suspects = tried_before(tx, lane, claims)
    crash.point("rows-claimed")
    jobs = list(portions(lane, claims, suspects))
    for number, job in enumerate(jobs):
        try:
            publish(lane, job)
            crash.point("job-published")
        except Exception:
            with database.write() as tx:
                put_back(tx, lane.noun, [lost for rest in jobs[number:] for lost in rest])
            raise
        metrics.CLAIMED.labels(lane.queue).inc(len(job))
    return len(claims)


def claim(tx: Tx, lane: Lane, *, lease: timedelta) -> list[Claim]:
    """As many whole portions as there is room for: a claim, and each job, costs the same for a few rows as for many."""
    [queued] = in_queue(lane).rows(tx)
    portions = (lane.room - int(queued.rows)) // lane.portion
    return take_due(tx, lane.noun, limit=portions * lane.portion, lease=lease, only=lane.only) if portions > 0 else []


@cache
def in_queue(lane: Lane) -> Prepared:
    table = lane.noun.table
    lies_there = (in_state(table, CLAIMED), table.c.worker_id.is_(None), *narrowed(lane))
    return Prepared(sa.select(sa.func.count().label("rows")).select_from(table).where(*lies_there))


def tried_before(tx: Tx, lane: Lane, claims: Sequence[Claim]) -> set[int]:
    """The ids that were claimed before and not finished: one of them may be what broke the job."""
    return {row.id for row in tried(lane).rows(tx, ids=[row_id for row_id, _epoch in claims])} if claims else set()


@cache
def tried(lane: Lane) -> Prepared:
    table = lane.noun.table
    ids: sa.BindParameter[int] = sa.bindparam("ids", expanding=True)
    return Prepared(sa.select(table.c.id).where(table.c.id.in_(ids), table.c.claims > 1))


def portions(lane: Lane, claims: Sequence[Claim], suspects: set[int]) -> Iterator[list[Claim]]:
    """Jobs: suspects travel alone, so that what is wrong with one harms no other."""
    sound = [claim for claim in claims if claim[0] not in suspects]
    for start in range(0, len(sound), lane.portion):
        yield sound[start : start + lane.portion]
    for row in claims:
        if row[0] in suspects:
            yield [row]


def narrowed(lane: Lane) -> list[sa.ColumnElement[bool]]:
    return [] if lane.only is None else [lane.only]
