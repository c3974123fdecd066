"""The database, the broker, the clock and the disk: what this machine stands on."""

import os
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from engine.clock import HostClock
from engine.database import Database, Tx
from engine.doctor.finding import Finding, Subject, ok, problem, unknown, warning
from engine.errors import HandraiserError
from engine.installation import require_same_key
from engine.migrations import head, refuse_unknown, revision
from engine.processes.reach import broker_answers
from engine.schema import installation
from engine.settings import Settings
from engine.tokens import Tokens

FAR_APART = timedelta(seconds=5)
LITTLE_ROOM, NO_ROOM = 2_000_000_000, 200_000_000  # bytes


class TakenBackError(Exception):
    """Ends a transaction that only tried whether it could be made."""


def look_at_database(settings: Settings, database: Database) -> Iterator[Finding]:
    """Changes nothing: what is tried is taken back."""
    where = "SQLite" if database.is_sqlite else f"PostgreSQL at {database.engine.url.host or 'this machine'}"
    file = Path(database.engine.url.database or "")
    if database.is_sqlite and not file.exists():
        yield unknown(Subject.DATABASE, f"there is none yet at {file}", "`handraiser apply` makes it")
        return
    try:
        with database.read() as tx:
            yield look_at_tables(tx, where)
            yield look_at_clock(tx)
            is_current = revision(tx) == head()
        if is_current:
            yield look_whether_writable(settings, database)
    except (sa.exc.SQLAlchemyError, HandraiserError) as error:
        said = str(getattr(error, "orig", None) or error).partition("\n")[0]
        yield problem(Subject.DATABASE, f"{where}: {said}", "look at HANDRAISER_DATABASE_URL, and whether the server runs")


def look_at_tables(tx: Tx, where: str) -> Finding:
    found = revision(tx)
    refuse_unknown(found)
    if found == head():
        return ok(Subject.DATABASE, f"{where} answers, and its tables are up to date")
    said = f"{where} answers, and has {'the tables of an older version' if found else 'no tables yet'}"
    return warning(Subject.DATABASE, said, "the next command that needs them makes them: `handraiser status`")


def look_at_clock(tx: Tx) -> Finding:
    if tx.is_sqlite:
        return ok(Subject.CLOCK, f"this machine's alone counts: {tx.now:%Y-%m-%d %H:%M:%S} UTC. Compare it with your watch")
    apart = abs(HostClock().now() - tx.now)
    if apart > FAR_APART:
        said = f"this machine and the database are {apart.total_seconds():.0f} seconds apart"
        return warning(
            Subject.CLOCK, said, "switch time synchronization (NTP) on for both; the database's clock is the one that counts"
        )
    return ok(Subject.CLOCK, f"this machine and the database agree on {tx.now:%Y-%m-%d %H:%M:%S} UTC. Compare it with your watch")


def look_whether_writable(settings: Settings, database: Database) -> Finding:
    """Whether a row can be written, and the database is this secret key's."""
    try:
        with database.write() as tx:
            if settings.secret_keys:
                require_same_key(tx, Tokens(settings.secret_keys))
            tx.run(sa.insert(installation).values(name="doctor", value="taken back"))
            raise TakenBackError
    except TakenBackError:
        return ok(Subject.DATABASE, "it can be written to")


def look_at_broker(settings: Settings) -> Finding:
    match broker_answers(settings.broker_url):
        case None:
            return ok(Subject.BROKER, "none is needed: everything runs in one process")
        case True:
            return ok(Subject.BROKER, "Redis takes jobs")
        case _:
            said = "Redis, which HANDRAISER_BROKER_URL names, takes no jobs: workers look for due rows themselves until it does"
            return problem(
                Subject.BROKER,
                said,
                "look whether it runs, has memory and disk to spare and is no replica, and at its address and password",
            )


def look_at_disk(settings: Settings, database: Database) -> Iterator[Finding]:
    """Where the database's file and our own folder lie; a disk that holds both is told once."""
    places = [settings.workspace / ".handraiser"]
    if database.is_sqlite:
        places.insert(0, Path(database.engine.url.database or "."))
    seen = set[int]()
    for place in map(nearest, places):
        if (device := os.stat(place).st_dev) not in seen:
            seen.add(device)
            yield room_at(place)


def room_at(place: Path) -> Finding:
    free = shutil.disk_usage(place).free
    said = f"{free / 1e9:,.1f} GB are free at {place}"
    if free < NO_ROOM:
        return problem(Subject.DISK, said, "make room: when the disk is full nothing can be noted, so nothing is sent")
    if free < LITTLE_ROOM:
        return warning(Subject.DISK, said, "make room before it is full")
    return ok(Subject.DISK, said)


def nearest(place: Path) -> Path:
    """The folder that is there, of this one and those above it."""
    while not place.is_dir():
        place = place.absolute().parent
    return place
