"""What time alone makes due, done by workers beside their jobs: points that fade, leads that come to match a segment, bytes that
were kept long enough, new rules of time zones.

Before: `engine.scoring` notes when a score next changes by itself; deliveries and replies note until when their bytes are kept.
After: scores are as of now, hands may be raised; what a person wrote is gone when it should be.
"""

import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import sqlalchemy as sa

from engine.beside import beside
from engine.database import Tx
from engine.deliver.record import go_on_behind
from engine.log import Trouble
from engine.pauses import pauses_seen
from engine.runtime import Runtime
from engine.schedule.sweep import sweep_if_due
from engine.schedule.zone_rules import follow_zone_rules
from engine.schema import bodies, domain_states, relay_days, route_states
from engine.scoring.rescore import rescore_fading

log = logging.getLogger(__name__)

EVERY_SECONDS = 10
BREATH_SECONDS = 0.05  # between portions, in which mail that somebody waits for gets its turn at the database
FORGET_EVERY = 60  # rounds
FOLLOW_EVERY = 300  # rounds: within the hour


def keeping_up(runtime: Runtime) -> AbstractContextManager[None]:
    """Do it on a thread of its own while the block lasts. Several processes at once do no harm."""
    return beside(partial(run_upkeep, runtime), name="upkeep")


def run_upkeep(runtime: Runtime, stop: threading.Event) -> None:
    """A chore that fails, over one row say, keeps no other from being done."""
    failing = Trouble(log, "a round of upkeep failed; the next one comes")
    failing_at = {chore.of: Trouble(log, f"upkeep of {chore.of} failed; it is tried again") for chore in CHORES}
    rounds = 0
    while not stop.wait(EVERY_SECONDS):
        try:
            if is_restored(runtime):
                continue
            failing.over()
        except Exception as error:
            failing.tell(error)
            continue
        for chore in CHORES:
            if rounds % chore.every == 0:
                attempt(chore, failing_at[chore.of], runtime, stop)
        rounds += 1


def attempt(chore: "Chore", failing: Trouble, runtime: Runtime, stop: threading.Event) -> None:
    try:
        chore.do(runtime, stop)
        failing.over()
    except Exception as error:
        failing.tell(error)


def is_restored(runtime: Runtime) -> bool:
    """Then what time made due is for `engine.processes.live_again`, at its own time, before anything else."""
    with runtime.database.read() as tx:
        return pauses_seen(tx).is_restored


def refresh_fading(runtime: Runtime, stop: threading.Event) -> None:
    """Score again the leads whose points have faded, some at a time."""
    while refresh_some(runtime) and not stop.wait(BREATH_SECONDS):
        pass


def refresh_some(runtime: Runtime) -> int:
    with runtime.database.write() as tx:
        return rescore_fading(tx, runtime)


def look_at_segments(runtime: Runtime, _stop: threading.Event) -> None:
    sweep_if_due(runtime.database)


def look_at_zones(runtime: Runtime, _stop: threading.Event) -> None:
    follow_zone_rules(runtime.database)


def look_behind(runtime: Runtime, _stop: threading.Event) -> None:
    with runtime.database.write() as tx:
        go_on_behind(tx)


def forget(runtime: Runtime, _stop: threading.Event) -> None:
    with runtime.database.write() as tx:
        forget_bodies(tx)
        forget_troubles(tx)


def forget_bodies(tx: Tx) -> int:
    """Delete what was kept for a time that is over."""
    return tx.run(sa.delete(bodies).where(bodies.c.delete_after < tx.now)).rowcount


def forget_troubles(tx: Tx) -> None:
    """Of domains and relays what a day ago was the last word."""
    before = tx.now - timedelta(days=1)
    last_words = {
        domain_states: (domain_states.c.paced_until, domain_states.c.queued_until),
        route_states: (route_states.c.open_until, route_states.c.tried_at),
    }
    for table, instants in last_words.items():
        tx.run(sa.delete(table).where(*(sa.or_(instant.is_(None), instant < before) for instant in instants)))
    tx.run(sa.delete(relay_days).where(relay_days.c.day < before.date() - timedelta(days=30)))


@dataclass(frozen=True, slots=True)
class Chore:
    """`of` what; `every` so many rounds."""

    of: str
    every: int
    do: Callable[[Runtime, threading.Event], None]


CHORES = (
    Chore("scores that fade", 1, refresh_fading),
    Chore("segments", 1, look_at_segments),  # no more often than it is due
    Chore("time zones", FOLLOW_EVERY, look_at_zones),
    Chore("passages behind their mails", FOLLOW_EVERY, look_behind),
    Chore("what was kept long enough", FORGET_EVERY, forget),
)
