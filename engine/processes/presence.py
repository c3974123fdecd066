"""A process's row in `workers`: while it is renewed, everything the process holds is its own.

Before: the database is open. After: verbs ask `has_lease` before they begin a mail, and whoever finds the row run out may open
what the process held. A sender stops short of that moment, so a paused process cannot start what another one took over.
"""

import logging
import os
import platform
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import sqlalchemy as sa

from engine.database import Database, Tx
from engine.errors import DatabaseError
from engine.log import Trouble
from engine.persist import AWAY
from engine.schema import workers

log = logging.getLogger(__name__)
ours: set[str] = set()  # the presences that this process has started

LONGEST_MARGIN = timedelta(seconds=10)
RETRY_SECONDS = 1.0
# Unlike the monotonic clock, this one runs on while a laptop sleeps; only Linux tells it.
TICKING = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Presence:
    """One process's lease. Renews it in a thread of its own from `start` to `stop`."""

    def __init__(self, database: Database, *, kind: str, lease: timedelta, relays: Iterable[str] | None = None) -> None:
        """`relays`: those that it has an address of; None: it sends nothing to a relay."""
        self.worker_id = f"{kind}-{uuid4().hex[:16]}"
        self._database = database
        self._kind = kind
        self._relays = None if relays is None else " ".join(relays)
        self._lease = lease
        self._file = file_of(database)
        self._held_until = float("-inf")
        self._abandoned = self._retired = False
        self._ops: str | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep_renewing, name="presence", daemon=True)

    def has_lease(self) -> bool:
        """Whether what is begun will be ours: the lease lasts for another sixth of itself, ten seconds at most."""
        margin = min(LONGEST_MARGIN, self._lease / 6)
        return self._held_until - time.clock_gettime(TICKING) > margin.total_seconds()

    def may_begin(self) -> bool:
        """Whether a new flight may start here: not without a lease, and not once the process was asked to stop."""
        return not self._retired and self.has_lease()

    def retire(self) -> None:
        """Begin nothing more: what is with a server is finished, and the rest of a job given back."""
        self._retired = True

    def start(self) -> None:
        """Write the row. Raises what the database raises."""
        with self._database.write() as tx:
            bury_dead_neighbours(tx)
        self.renew()
        self._thread.start()

    def tell_operators(self, address: str | None) -> None:
        """Write where they may look at this process."""
        self._ops = address
        self.renew()

    def abandon(self) -> None:
        """Say that work is still running as the process ends: its row stays, and the lease decides."""
        self._abandoned = True

    def stop(self) -> None:
        """Stop renewing. Unless work was abandoned the row goes at once, and what was left claimed comes back sooner; where the
        database is away, by the lease.
        """
        self._stopping.set()
        self._thread.join(5)
        if not self._abandoned:
            with suppress(*AWAY), self._database.write() as tx:
                tx.run(sa.delete(workers).where(workers.c.id == self.worker_id))
        self._held_until = float("-inf")

    def renew(self) -> None:
        """Move the lease on. It counts from before the database was asked, so we never believe to hold it for longer."""
        ours.add(self.worker_id)
        self._require_its_file()
        asked_at = time.clock_gettime(TICKING)
        with self._database.write() as tx:
            until = {"lease_until": tx.now + self._lease, "ops": self._ops}
            if not tx.run(sa.update(workers).where(workers.c.id == self.worker_id).values(until)).rowcount:
                tx.run(sa.insert(workers).values(self._row(tx) | until))
        self._held_until = asked_at + self._lease.total_seconds()

    def _require_its_file(self) -> None:
        """What SQLite has open can be moved or deleted: then the next process begins with another file, and so with a memory
        that lacks what this one sends. Raises DatabaseError.
        """
        if file_of(self._database) != self._file:
            raise DatabaseError(
                f"{self._database.engine.url.database} was moved, deleted or replaced while this process works with it: put it "
                "back, or stop the process; nothing goes out by it meanwhile"
            )

    def _row(self, tx: Tx) -> dict[str, object]:
        own = {"id": self.worker_id, "kind": self._kind, "host": host(), "pid": os.getpid()}
        return own | {"relays": self._relays, "started_at": tx.now}

    def _keep_renewing(self) -> None:
        third = self._lease.total_seconds() / 3
        failing, pause = Trouble(log, "the lease of this process could not be renewed; tried again each second"), third
        while not self._is_stopped_within(pause):
            try:
                self.renew()
                self._database.writes.got_through()
                failing.over()
                pause = third
            except Exception as error:
                failing.tell(error)
                pause = min(third, RETRY_SECONDS)

    def _is_stopped_within(self, pause: float) -> bool:
        """The pause is cut short where a write has failed: to renew the lease finds out when one gets through."""
        ends_at = time.monotonic() + pause
        while (left := ends_at - time.monotonic()) > 0:
            if self._stopping.wait(min(left, RETRY_SECONDS)):
                return True
            if self._database.writes.why_not is not None:
                return False
        return self._stopping.is_set()


@contextmanager
def present(database: Database, *, kind: str, lease: timedelta, relays: Iterable[str] | None = None) -> Iterator[Presence]:
    """A presence for as long as the block lasts."""
    presence = Presence(database, kind=kind, lease=lease, relays=relays)
    presence.start()
    try:
        yield presence
    finally:
        presence.stop()


def bury_dead_neighbours(tx: Tx) -> None:
    """Delete rows of processes on this host that are no more, so that after a crash nobody waits for their leases."""
    neighbours = tx.run(sa.select(workers.c.id, workers.c.pid).where(workers.c.host == host()))
    dead = [row.id for row in neighbours if row.id not in ours and not is_running(row.pid)]
    tx.run(sa.delete(workers).where(workers.c.id.in_(dead)))


def is_running(pid: int) -> bool:
    """Whether another process has this number. It may be a stranger, whose lease runs out; a dead one never passes."""
    if pid == os.getpid():
        return False  # an earlier process with our number
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def file_of(database: Database) -> tuple[int, int] | None:
    """Which file it is, whatever it is called; None: it is none of this machine, or is not there."""
    with suppress(OSError):
        if database.is_sqlite:
            found = os.stat(database.engine.url.database or "")
            return found.st_dev, found.st_ino
    return None


def host() -> str:
    """Where our process numbers mean something: this machine, since it booted, within this container."""
    name = platform.node()[:60]
    if sys.platform != "linux":
        return name
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")[:8]
    return f"{name} {boot} {os.readlink('/proc/self/ns/pid')}"
