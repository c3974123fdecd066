"""Postfix's own test programs: `smtp-sink`, a server that takes mail and forgets it, and `smtp-source`, which sends.

Found on this machine, else taken out of Debian's package, which need not be installed for it. Before: nothing. After: benchmarks
send to the one and compare themselves with the other.
"""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.services.ports import free_port
from tests.services.processes import NOBODY, start, stop, wait_until

UNPACKED = Path(tempfile.gettempdir()) / f"handraiser-postfix-{os.geteuid()}"
ALSO_LOOK_IN = ("/usr/sbin", "/usr/local/sbin")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """Where the programs are, and where the libraries that they need beside those of the system."""

    folder: Path
    libraries: Path | None

    def command(self, program: str, *arguments: str) -> list[str]:
        libraries = ["env", f"LD_LIBRARY_PATH={self.libraries}"] if self.libraries else []
        return [*libraries, str(self.folder / program), *arguments]


def tools() -> Tools | None:
    """None: they are not here, and this machine cannot fetch Debian's package."""
    if found := installed("smtp-sink"):
        return Tools(folder=Path(found).parent, libraries=None)
    unpacked = Tools(folder=UNPACKED / "usr/sbin", libraries=UNPACKED / "usr/lib/postfix")
    return unpacked if (unpacked.folder / "smtp-sink").exists() or fetch() else None


def installed(program: str) -> str | None:
    """Its path. Debian's Postfix lies where only an administrator's shell looks."""
    return shutil.which(program, path=os.pathsep.join((os.environ.get("PATH", ""), *ALSO_LOOK_IN)))


def fetch() -> bool:
    """Debian's package, unpacked into a folder that is kept for the next time."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        return False
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(["apt-get", "download", "postfix"], cwd=folder, capture_output=True, check=False)
        package = next(Path(folder).glob("postfix_*.deb"), None)
        if done.returncode != 0 or package is None:
            return False
        return subprocess.run(["dpkg-deb", "-x", str(package), str(UNPACKED)], check=False).returncode == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running `smtp-sink`."""

    tools: Tools
    port: int
    pid: int

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"


@contextmanager
def running_sink(tools: Tools, *options: str) -> Iterator[Server]:
    """A server that takes everything, for as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="hr-sink-") as folder:
        port, log = free_port(), Path(folder) / "log"
        # Run by root it asks as whom it should run; who is nobody already cannot become that.
        user = ["-u", pwd.getpwuid(NOBODY).pw_name] if os.geteuid() == 0 else []
        command = tools.command("smtp-sink", *user, *options, f"127.0.0.1:{port}", "512")
        server = start(command, log=log, as_root=True)
        try:
            wait_until(lambda: answers(port), server, log=log)
            yield Server(tools=tools, port=port, pid=server.pid)
        finally:
            stop(server)


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
