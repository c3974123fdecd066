"""A backup that is put back, a database that is copied: noticed, held, and gone on with so that nobody is mailed again."""

import errno
import shutil
import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from engine.beside import beside
from engine.cli.opening import prepare_database
from engine.clock import VirtualClock
from engine.database import Database
from engine.deliver.wire import Accepted, Flight, Outcome, Recheck
from engine.installation import installation_id, is_same_place, place_of
from engine.pauses import pauses_seen
from engine.processes import witnesses as witnesses_module
from engine.processes.dispatcher import tick
from engine.processes.lanes import Lane
from engine.processes.live_again import at_work, carry_out_due, live_again, next_instant
from engine.processes.verbs import VERBS
from engine.processes.witnesses import Witnesses
from engine.runtime import Runtime
from engine.schedule.restored import accept, hold_if_restored, restored
from engine.schema import metadata, sends, workers
from engine.settings import Settings
from engine.tokens import Tokens
from engine.witness import FILE, InFile, Witness, from_text, write_newer
from tests.crash.given import add_work, apply_lessons
from tests.deliver.given import settings_for
from tests.factories import SECRET, add_lead, add_send, add_touch, add_worker

BOTH = pytest.mark.both_databases
MINUTE = timedelta(minutes=1)


@BOTH
def test_a_database_that_knows_of_the_last_mail_is_not_held(database: Database) -> None:
    with database.write() as tx:
        send_id = add_send(tx, lead_id=add_lead(tx), state="accepted", attempting_at=tx.now)
        known = Witness(installation=installation_id(tx), send_id=send_id, at=tx.now)
        stranger = Witness(installation="another", send_id=999, at=tx.now)

        assert hold_if_restored(tx, [known, stranger]) is None
        assert not pauses_seen(tx).held


@BOTH
@pytest.mark.parametrize("was_there", [True, False])
def test_a_database_that_does_not_know_of_the_last_mail_holds_everything(database: Database, was_there: bool) -> None:
    with database.write() as tx:
        earlier = tx.now - MINUTE if was_there else None  # the mail was tried before, or only written
        send_id = add_send(tx, lead_id=add_lead(tx), state="ready", attempting_at=earlier)

        held = hold_if_restored(tx, [Witness(installation=installation_id(tx), send_id=send_id, at=tx.now)])

        assert held is not None
        assert f"it does not know of mail {send_id}, which went out on Mon 05 Jan at 09:00:00 UTC" in held.because
        assert pauses_seen(tx).stops_all


@BOTH
def test_no_id_that_a_lost_world_gave_is_given_again(database: Database) -> None:
    with database.write() as tx:
        lead_id = add_lead(tx)
        add_send(tx, lead_id=lead_id)
        hold_if_restored(tx, [Witness(installation=installation_id(tx), send_id=5 * 10**12, at=tx.now)])

        assert add_send(tx, lead_id=lead_id) > 5 * 10**12
        assert add_touch(tx) > 10**12


@BOTH
def test_what_was_given_up_has_no_more_say(database: Database, clock: VirtualClock) -> None:
    with database.write() as tx:
        lost = Witness(installation=installation_id(tx), send_id=7, at=tx.now - MINUTE)
        hold_if_restored(tx, [lost])
        accept(tx, lived_until=None)

        assert hold_if_restored(tx, [lost]) is None
        assert not pauses_seen(tx).held
    clock.move_to(clock.now() + MINUTE)
    with database.write() as tx:  # the old one still runs somewhere, and tells so
        assert hold_if_restored(tx, [Witness(installation=lost.installation, send_id=8, at=tx.now)]) is not None


def test_a_backup_from_before_the_first_mail_holds_everything(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    database = Database.open(f"sqlite:///{tmp_path / 'handraiser.db'}", durable=False)
    prepare_database(settings, database)
    with sqlite3.connect(tmp_path / "handraiser.db") as made, sqlite3.connect(tmp_path / "backup.db") as copy:
        made.backup(copy)
    backup = Database.open(f"sqlite:///{tmp_path / 'backup.db'}", durable=False)
    with database.write() as tx:
        sent = Witness(installation=installation_id(tx), send_id=7, at=tx.now)

    with backup.write() as tx:
        assert hold_if_restored(tx, [sent]) is not None


def test_a_copied_file_is_another_place_and_a_moved_one_is_not(tmp_path: Path, sqlite_url: str) -> None:
    here = Path(sqlite_url.removeprefix("sqlite:///"))
    was = place_in(here)
    shutil.copyfile(here, tmp_path / "copy.db")
    here.rename(tmp_path / "moved.db")

    assert is_same_place(was, place_in(tmp_path / "moved.db"))
    assert not is_same_place(was, place_in(tmp_path / "copy.db"))
    assert is_same_place("file 7 of the machine (unknown)", "file 7 of the machine ab12")
    assert not is_same_place("file 7 of the machine cd34", "file 7 of the machine ab12")


def test_a_witness_is_never_written_over_by_an_older_one(tmp_path: Path, clock: VirtualClock) -> None:
    place = InFile(tmp_path / "not-there-yet")
    newer, older = (Witness(installation="one", send_id=2, at=at) for at in (clock.now(), clock.now() - MINUTE))

    assert place.read() is None
    for each in (newer, older):
        write_newer(place, each)

    assert place.read() == newer
    assert from_text("not of ours") is None


@pytest.mark.parametrize(
    "spoilt",
    [
        b"\xff\xfe", b"[" * 5_000, b'{"installation": "one", "send_id": 2, "at": "2026-01-05T09:00:00"}',
        b'{"installation": "one", "send_id": 1e999, "at": "2026-01-05T09:00:00+00:00"}',
        b'{"installation": "one", "send_id": 9223372036854775808, "at": "2026-01-05T09:00:00+00:00"}',
    ],
)  # fmt: skip
def test_a_witness_that_was_spoilt_says_nothing(tmp_path: Path, spoilt: bytes) -> None:
    (tmp_path / FILE).write_bytes(spoilt)

    assert InFile(tmp_path).read() is None


def test_a_database_that_is_put_back_under_a_running_process_is_held(tmp_path: Path, database: Database) -> None:
    settings = settings_for(tmp_path)
    witnesses = Witnesses(settings, database)
    witnesses.look_back()
    with database.write() as tx:
        send_id, at = add_send(tx, lead_id=add_lead(tx), state="accepted", attempting_at=tx.now), tx.now
    witnesses.note(send_id, at)
    witnesses.look()
    witnesses.tell()
    assert not witnesses.held_back
    with database.write() as tx:
        tx.run(sa.delete(sends))

    witnesses.look()
    witnesses.look()

    assert "nothing goes out, for this database may be older" in witnesses.held_back[0]
    assert InFile(tmp_path / ".handraiser").read() == Witness(installation=installed(database), send_id=send_id, at=at)


def test_that_everything_is_held_is_told_once_by_each_process(
    tmp_path: Path, sqlite_database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with sqlite_database.write() as tx:
        lost = Witness(installation=installation_id(tx), send_id=999, at=tx.now)
    write_newer(InFile(tmp_path / ".handraiser"), lost)

    for _process in range(2):
        Witnesses(settings_for(tmp_path), sqlite_database).look_back()

    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]


def test_processes_that_run_stay_in_sight_while_lost_days_are_lived_again(sqlite_database: Database) -> None:
    with sqlite_database.write() as tx:
        add_worker(tx, id="runs", lease_until=tx.now + MINUTE)
        add_worker(tx, id="was lost", lease_until=tx.now - MINUTE)

    with at_work(sqlite_database) as ours, sqlite_database.read() as tx:
        assert set(tx.run(sa.select(workers.c.id)).scalars()) == {"runs", ours}


def test_a_watch_that_can_open_no_file_for_a_moment_goes_on(
    tmp_path: Path, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = threading.Semaphore(0)

    def can_open_nothing(_tx: object, _newest: object) -> list[str]:
        looks.release()
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(witnesses_module, "doubts", can_open_nothing)
    monkeypatch.setattr(witnesses_module, "EVERY_SECONDS", 0.01)
    witnesses = Witnesses(settings_for(tmp_path), sqlite_database)
    witnesses.note(1, datetime.now(UTC))

    with beside(witnesses.keep, name="witness"):
        assert all(looks.acquire(timeout=5) for _ in range(3))


@BOTH
def test_a_worker_that_joins_with_a_folder_of_its_own_or_starts_again_holds_nothing(tmp_path: Path, database: Database) -> None:
    folders = [tmp_path / "one", tmp_path / "two", tmp_path / "one"]
    for folder in folders:
        witnesses = Witnesses(settings_for(folder), database)
        witnesses.look_back()
        with database.write() as tx:
            send_id, at = add_send(tx, lead_id=add_lead(tx), state="accepted", attempting_at=tx.now), tx.now
        witnesses.note(send_id, at)
        witnesses.look()
        witnesses.tell()

    with database.read() as tx:
        assert restored(tx) is None


def test_a_database_made_of_a_template_of_another_is_another_place(postgres_database: Database, postgres_url: str) -> None:
    other = Database.open(postgres_url.rpartition("/")[0] + "/postgres?" + postgres_url.rpartition("?")[2])
    with postgres_database.read() as tx, other.read() as of_other:
        here, there = place_of(tx), place_of(of_other)
    other.close()

    assert not is_same_place(here, there)
    assert here.rpartition(" of the ")[2] == there.rpartition(" of the ")[2]


@BOTH
def test_after_a_loss_nobody_is_mailed_again_and_nobody_is_forgotten(
    tmp_path: Path, database: Database, clock: VirtualClock
) -> None:
    apply_lessons(database, tmp_path)
    world = Life(database=database, settings=settings_for(tmp_path), clock=clock)
    for _ in range(4):
        add_work(world.runtime("receiver"), lessons=2, orders=1, hands=1)
        world.live(clock.now() + MINUTE)
    with database.write() as tx:  # what the backup still has before it
        hold_if_restored(tx, [])
    add_work(world.runtime("receiver"), lessons=2, orders=1, hands=1)
    backup = rows_of(database)
    world.arrived.clear()
    world.live(clock.now() + 2 * MINUTE + timedelta(seconds=30))
    lost, lost_at = set(world.arrived), clock.now()
    last = world.last_marked()
    world.live(clock.now() + timedelta(days=5))
    everything = set(world.arrived)
    put_back(database, backup)
    clock.instant = lost_at + timedelta(hours=1)
    world.arrived.clear()

    with database.write() as tx:
        held = hold_if_restored(tx, [last])
    for _ in range(3):
        tick(database, world.take, lease=timedelta(minutes=1))
    assert (world.arrived, world.taken) == ([], [])
    assert held is not None
    live_again(world.settings, database, since=held.snapshot_at, until=lost_at, progress=lambda _now: None)
    assert world.arrived == []
    with database.write() as tx:
        accept(tx, lived_until=lost_at)
    world.live(clock.now() + timedelta(days=5))

    assert lost and everything - lost
    assert set(world.arrived) & lost == set()
    assert set(world.arrived) == everything - lost
    assert len(world.arrived) == len(set(world.arrived))
    assert unknown_of(database) == len(lost)


@dataclass(slots=True, kw_only=True)
class Life:
    """The product under a virtual clock, whose wire notes (lead id, email) of all that arrived."""

    database: Database
    settings: Settings
    clock: VirtualClock
    arrived: list[tuple[int, str]] = field(default_factory=list)
    taken: list[int] = field(default_factory=list)

    def live(self, until: datetime) -> None:
        with at_work(self.database) as worker_id:
            runtime = self.runtime(worker_id)
            while (upcoming := next_instant(self.database)) is not None and upcoming <= until:
                self.clock.instant = max(upcoming, self.clock.now())
                carry_out_due(runtime)
        self.clock.instant = until

    def runtime(self, worker_id: str) -> Runtime:
        def publish(noun: str, claims: list[tuple[int, int]]) -> None:
            VERBS[noun](runtime, claims)

        runtime = Runtime(
            settings=self.settings, database=self.database, tokens=Tokens((SECRET,)), wire=self, worker_id=worker_id,
            has_lease=lambda: True, publish=publish,
        )  # fmt: skip
        return runtime

    def fly(self, flights: Sequence[Flight], recheck: Recheck) -> list[Outcome]:
        with self.database.read() as tx:
            theirs = sends.c.id.in_([each.send_id for each in flights])
            self.arrived += [(row.lead_id, row.email) for row in tx.run(sa.select(sends.c.lead_id, sends.c.email).where(theirs))]
        return [Accepted(code=250, reply="2.0.0 taken") for _ in flights]

    def close(self) -> None:
        pass

    def take(self, _lane: Lane, claims: list[tuple[int, int]]) -> None:
        self.taken += [row_id for row_id, _epoch in claims]

    def last_marked(self) -> Witness:
        with self.database.write() as tx:
            newest = sa.select(sends.c.id, sends.c.attempting_at).where(sends.c.attempting_at.is_not(None))
            row = tx.run(newest.order_by(sends.c.attempting_at.desc()).limit(1)).one()
            return Witness(installation=installation_id(tx), send_id=row.id, at=row.attempting_at)


def rows_of(database: Database) -> dict[str, list[dict[str, Any]]]:
    with database.read() as tx:
        return {table.name: [dict(row) for row in tx.run(sa.select(table)).mappings()] for table in metadata.sorted_tables}


def put_back(database: Database, rows: dict[str, list[dict[str, Any]]]) -> None:
    with database.write() as tx:
        if tx.is_sqlite:
            tx.connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        for table in reversed(metadata.sorted_tables):
            tx.run(sa.delete(table))
        for table in metadata.sorted_tables:
            if rows[table.name]:
                tx.run(sa.insert(table), rows[table.name])


def unknown_of(database: Database) -> int:
    with database.read() as tx:
        assert restored(tx) is None
        return len(tx.run(sa.select(sends.c.id).where(sends.c.reason == "restored")).all())


def installed(database: Database) -> str:
    with database.write() as tx:
        return installation_id(tx)


def place_in(path: Path) -> str:
    database = Database.open(f"sqlite:///{path}", durable=False)
    with database.read() as tx:
        place = place_of(tx)
    database.close()
    return place
