"""A process's lease: renewed while it lives, believed for no longer than it lasts."""

import os
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from engine.clock import VirtualClock
from engine.database import Database
from engine.errors import DatabaseError
from engine.processes.presence import Presence, host, present
from engine.schema import workers

pytestmark = pytest.mark.both_databases


def test_a_present_process_has_a_row_and_a_lease_and_leaves_neither(database: Database) -> None:
    with present(database, kind="worker", lease=timedelta(seconds=60)) as presence:
        inside = presence.has_lease(), ids(database)

    assert inside == (True, [presence.worker_id])
    assert (presence.has_lease(), ids(database)) == (False, [])


def test_the_lease_is_renewed_in_time(database: Database, clock: VirtualClock) -> None:
    with present(database, kind="worker", lease=timedelta(seconds=3)) as presence:
        [began] = leases(database)
        clock.move_to(clock.now() + timedelta(seconds=1))
        patience = time.monotonic() + 10
        while leases(database) == [began] and time.monotonic() < patience:
            time.sleep(0.05)

        assert leases(database) > [began]
        assert presence.has_lease()


def test_a_process_that_cannot_renew_stops_short_of_the_end_of_its_lease(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = [1_000.0]
    monkeypatch.setattr(time, "clock_gettime", lambda _clock: ticks[0])
    presence = Presence(database, kind="worker", lease=timedelta(seconds=0.6))
    presence.renew()

    def has_lease_after(seconds: float) -> bool:
        ticks[0] = 1_000.0 + seconds
        return presence.has_lease()

    assert [has_lease_after(seconds) for seconds in (0, 0.49, 0.51, 0.6, 60)] == [True, True, False, False, False]


def test_a_process_whose_database_was_moved_away_lets_its_lease_run_out(sqlite_database: Database, tmp_path: Path) -> None:
    file = Path(sqlite_database.engine.url.database or "")
    presence = Presence(sqlite_database, kind="worker", lease=timedelta(seconds=60))
    presence.renew()

    file.rename(tmp_path / "elsewhere.db")
    with pytest.raises(DatabaseError, match="was moved, deleted or replaced while this process works with it"):
        presence.renew()
    file.write_bytes(b"")
    with pytest.raises(DatabaseError):
        presence.renew()
    (tmp_path / "elsewhere.db").rename(file)

    presence.renew()


def test_a_new_process_buries_the_dead_of_its_own_host_at_once(database: Database) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    with database.write() as tx:
        for name, where, pid in (("dead", host(), dead.pid), ("far", "elsewhere", dead.pid), ("alive", host(), os.getppid())):
            row = {"id": name, "kind": "worker", "host": where, "pid": pid, "started_at": tx.now}
            tx.run(sa.insert(workers).values(**row, lease_until=tx.now + timedelta(seconds=60)))

    with present(database, kind="worker", lease=timedelta(seconds=60)) as presence:
        found = ids(database)

    assert found == sorted(["alive", "far", presence.worker_id])


def ids(database: Database) -> list[str]:
    with database.read() as tx:
        return sorted(row.id for row in tx.run(sa.select(workers.c.id)))


def leases(database: Database) -> list[datetime]:
    with database.read() as tx:
        return list(tx.run(sa.select(workers.c.lease_until)).scalars())
