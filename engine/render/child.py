"""One child that renders, as its parent sees it: how it is started, asked and ended.

Before: `engine.render.fence` wants one. After: `engine.render.behind` is what runs in it.
"""

import mmap
import os
import secrets
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any

from engine.core import let_go
from engine.render.behind import NUMBER, PROGRESS_BYTES, READY
from engine.render.form import Form
from engine.render.frames import read_frame, send_frame

BEGIN = "import sys; sys.path[:] = sys.argv[1:-4]; from engine.render.behind import main; main()"
TIME_VALUE = struct.Struct("@ll")
START_SECONDS = 30  # on a machine with much else to do
LONGEST_REASON = 500


Brand = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one child may use. `cpu_seconds`: for one mail; `still_seconds`: of the clock, in which no other mail was begun."""

    cpu_seconds: float = 2.0
    still_seconds: int = 15
    memory: int = 256 * 1024 * 1024
    answer: int = 128 * 1024 * 1024


USUAL = Limits()


class CannotStart(Exception):
    """A child did not come up; the message says why, as far as it is known."""


class Ended(Exception):
    """A child is no more. `number`: the mail it was at, from 1; 0: none. `overtime`: the mail took too much processor time."""

    def __init__(self, number: int, status: int) -> None:
        super().__init__(f"ended with {status}")
        self.number, self.overtime = number, status == -signal.SIGPROF


class Child:
    """A running child. One thread at a time asks it; whoever gets an `Ended` has nothing more to do for it."""

    def __init__(self, limits: Limits) -> None:
        """Raises CannotStart."""
        self.nonce, self.limits = secrets.token_hex(8), limits
        self.forms: dict[tuple[Form, int], tuple[int, Brand]] = {}  # that it has met: by artifact and the brand's identity
        self._seen, self._still = 0, 0
        try:
            self._connection, theirs = socket.socketpair()
        except OSError as error:  # no file can be opened
            raise CannotStart(error.strerror or str(error)) from error
        try:
            with theirs, shared_page() as page:
                self._progress = mmap.mmap(page.fileno(), PROGRESS_BYTES)
                self._process = start_process(theirs, page.fileno(), self.nonce, limits)
                let_go(self._process.pid)
            wait_at_most(self._connection, START_SECONDS)
            self._wait_until_ready()
            wait_at_most(self._connection, limits.still_seconds)
        except OSError as error:
            self._connection.close()
            raise CannotStart(error.strerror or str(error)) from error

    def _wait_until_ready(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as complaints:
            try:
                ready = read_frame(self._connection, most=len(READY)) == READY
            except (EOFError, BlockingIOError):
                ready = False
            if not ready:
                self.end()
                told = complaints.read().decode("utf-8", "replace").strip()[-LONGEST_REASON:]
                raise CannotStart(told or f"it ended with {self._process.returncode} before it was ready")

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, request: bytes, mails: int) -> memoryview:
        """The answer to a batch. Raises Ended."""
        self._seen = self._still = 0
        NUMBER.pack_into(self._progress, 0, 0)
        try:
            send_frame(self._connection, request)
            return read_frame(self._connection, most=self.limits.answer, on_silence=self._look)
        except (EOFError, OSError):
            status = self.end()
            number = self._at()
            raise Ended(number if number <= mails else 0, status) from None

    def _look(self) -> None:
        """Silence: fine as long as it goes on to other mails. It stands still when it did not twice in a row: the first time
        may be the whole machine's that was asleep."""
        number = self._at()
        self._still = self._still + 1 if number == self._seen else 0
        self._seen = number
        if self._still > 1:
            raise EOFError("it stands still")

    def _at(self) -> int:
        number: int = NUMBER.unpack_from(self._progress, 0)[0]
        return number

    def end(self) -> int:
        """End it, and say how it ended: at its socket's end it goes by itself, unless it is busy or already gone."""
        self._connection.close()
        try:
            return self._process.wait(0.5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def leave(self) -> None:
        """In a process that was forked from its parent: let go of what is the parent's."""
        self._connection.close()


def shared_page() -> IO[bytes]:
    """Memory that both see: the child notes in it where it is, at no cost."""
    if sys.platform == "linux":
        page: IO[bytes] = os.fdopen(os.memfd_create("progress"), "r+b")  # no file: a full disk must not end us
    else:
        page = tempfile.TemporaryFile()  # noqa: SIM115
    page.truncate(PROGRESS_BYTES)
    return page


def start_process(theirs: socket.socket, page: int, nonce: str, limits: Limits) -> subprocess.Popen[bytes]:
    """With nothing of ours but the modules: no environment, no files, no connections. Not forked, since we have threads."""
    paths = [os.path.abspath(path) for path in sys.path]
    given = (nonce, str(limits.cpu_seconds), str(limits.memory), str(page))
    return subprocess.Popen(
        [sys.executable, "-I", "-c", BEGIN, *paths, *given],
        stdin=theirs.fileno(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        pass_fds=(page,),
        env={},
        cwd="/",
    )


def wait_at_most(connection: socket.socket, seconds: int) -> None:
    """The system's own time-out: Python's would make every wait two calls."""
    for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, option, TIME_VALUE.pack(seconds, 0))
