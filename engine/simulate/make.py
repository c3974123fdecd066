"""Making a world: a throw-away database with the workspace applied, a clock, a wire and recipients.

Before: `engine.compiler` compiled the workspace. After: leads are imported and enrolled into it, and it runs
(`engine.simulate.world`).
"""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from engine.claim import Claim
from engine.clock import VirtualClock
from engine.compiler.workspace import Compiled
from engine.database import Database
from engine.deliver.places import Places
from engine.deliver.wire import Wire
from engine.migrations import upgrade
from engine.processes.verbs import VERBS
from engine.runtime import Runtime
from engine.schedule.apply import apply_plan
from engine.schema import workers
from engine.settings import Settings, read_settings
from engine.simulate.acts import DirectActs
from engine.simulate.mailbox import MailboxWire
from engine.simulate.recipients import Recipients
from engine.simulate.world import World
from engine.tokens import Tokens
from webhooks.links import LinkTables

WORKER = "simulator"
CONNECTIONS = 64  # to a mail server that is on this machine, or not there at all
FOR_EVER = datetime(9999, 1, 1, tzinfo=UTC)


def make_world(compiled: Compiled, folder: Path, *, start: datetime, seed: int, recipients: Recipients | None = None) -> World:
    """A world in `folder` whose recipients (None: people of all kinds) act on the database directly."""
    clock, settings = VirtualClock(start), world_settings(folder, seed)
    database = open_database(settings, clock)
    assert compiled.plan is not None  # the caller has told what is wrong otherwise
    with database.write() as tx:
        apply_plan(tx, compiled.plan, compiled.artifacts, attachments=compiled.attachments)
    return world_of(settings, database, clock, recipients or Recipients(seed=seed))


def world_of(settings: Settings, database: Database, clock: VirtualClock, recipients: Recipients) -> World:
    """What is in the database, and recipients who act on it directly."""
    arrived: list[tuple[int, datetime]] = []
    wire = MailboxWire(arrived=arrived, now=clock.now, is_refused=refuses(recipients))
    runtime = make_runtime(settings, database, wire)
    return World(
        runtime=runtime,
        clock=clock,
        recipients=recipients,
        perform=DirectActs(runtime, LinkTables(database)).perform,
        arrived=arrived,
    )


def world_settings(folder: Path, seed: int) -> Settings:
    """Settings that reach nothing outside `folder`, with a key that is nobody's."""
    return read_settings(folder, {"HANDRAISER_SECRET_KEY": f"of a simulated world {seed:_>40}"})


def open_database(settings: Settings, clock: VirtualClock) -> Database:
    """The throw-away database, not synced to disk: it is gone after the run anyway."""
    database = Database.open(settings.database_url, clock=clock, durable=False)
    upgrade(database)
    with database.write() as tx:
        tx.run(sa.insert(workers).values(id=WORKER, kind=WORKER, host="here", pid=0, started_at=tx.now, lease_until=FOR_EVER))
    return database


def go_home(database: Database) -> None:
    """The world's process is not one that anybody should count on after the run."""
    with database.write() as tx:
        tx.run(sa.delete(workers).where(workers.c.id == WORKER))


def make_runtime(settings: Settings, database: Database, wire: Wire) -> Runtime:
    """What asks to be done before anybody looks at the lanes, a confirmation say, is done there and then."""

    def publish(noun: str, claims: list[Claim]) -> None:
        VERBS[noun](runtime, claims)

    runtime = Runtime(
        settings=settings,
        database=database,
        tokens=Tokens(settings.require_secret()),
        wire=wire,
        worker_id=WORKER,
        has_lease=lambda: True,
        publish=publish,
        places=Places(CONNECTIONS),
    )
    return runtime


def refuses(recipients: Recipients) -> Callable[[str], bool]:
    """By the address, which in a simulated world stands for the lead."""
    return lambda address: recipients.persona_of(address).refused
