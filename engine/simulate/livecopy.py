"""A copy of the live database to run on from now: what will happen to the people who are inside. The live one is only read.

Before: `handraiser simulate --live`. After: a world as any other, which reaches nobody.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import sqlalchemy as sa

from engine.claim import CLAIMED, NOUNS, in_state, reopened
from engine.clock import VirtualClock
from engine.compiler.workspace import Compiled
from engine.database import Database
from engine.leads import Lead
from engine.migrations import upgrade
from engine.schedule.apply import apply_plan
from engine.schema import enrolments, metadata, pauses, sends, touches, workers
from engine.settings import Settings, read_settings
from engine.simulate.make import FOR_EVER, WORKER, world_of
from engine.simulate.recipients import Recipients
from engine.simulate.world import World

AT_ONCE = 500  # rows


@contextmanager
def copied_world(live: Database, settings: Settings, recipients: Recipients, edited: Compiled | None) -> Iterator[World]:
    """A world with everybody who is in the live database, at this moment; with `edited`, that workspace in force there."""
    with TemporaryDirectory(prefix="handraiser-") as folder:
        with live.read() as tx:
            clock = VirtualClock(tx.now)
        theirs = copy_settings(Path(folder), settings)
        copy = Database.open(theirs.database_url, clock=clock, durable=False)
        upgrade(copy)
        copy_rows(live, copy)
        settle_in(copy)
        if edited is not None and edited.plan is not None:
            with copy.write() as tx:
                apply_plan(tx, edited.plan, edited.artifacts, attachments=edited.attachments)
        try:
            yield world_of(theirs, copy, clock, recipients)
        finally:
            copy.close()


def copy_settings(folder: Path, settings: Settings) -> Settings:
    """Of the live settings only the keys, without which nobody's address could be told from another's."""
    return read_settings(folder, {"HANDRAISER_SECRET_KEY": ",".join(settings.secret_keys)})


def copy_rows(live: Database, copy: Database) -> None:
    """In one look at the live database, so that all rows fit each other."""
    with live.read() as tx, copy.write() as to:
        if to.is_sqlite:
            to.connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        for table in metadata.sorted_tables:
            to.run(sa.delete(table))
            for some in tx.run(sa.select(table)).mappings().partitions(AT_ONCE):
                to.run(sa.insert(table), [dict(row) for row in some])


def settle_in(copy: Database) -> None:
    """The live processes are not there; what they hold is open again, and what is in the air is taken as gone out."""
    with copy.write() as tx:
        tx.run(sa.delete(workers))
        tx.run(sa.delete(pauses))  # what would be, if it went on now
        tx.run(sa.insert(workers).values(id=WORKER, kind=WORKER, host="here", pid=0, started_at=tx.now, lease_until=FOR_EVER))
        for noun in NOUNS.values():
            tx.run(sa.update(noun.table).where(in_state(noun.table, CLAIMED)).values(reopened(noun) | {"claims": 0}))


def leave_only(world: World, lead: Lead) -> None:
    """Nothing more falls due for anybody else."""
    others = sa.select(enrolments.c.id).where(enrolments.c.lead_id != lead.id)
    with world.runtime.database.write() as tx:
        tx.run(sa.update(touches).where(touches.c.enrolment_id.in_(others)).values(due_at=None))
        tx.run(sa.update(sends).where(sends.c.lead_id != lead.id).values(due_at=None))
