"""The journal: where the receiver keeps what it was told, on its own disk, before it answers.

Before: a request or a mail with a token of ours. After: `webhooks.drainer` moves the lines to SQL. One folder a process under
`<workspace>/.handraiser/journal/`, in segments: a line is the CRC-32 of its payload, a space, the payload, LF. Many who append at
once share one fsync. A torn or failed write leaves at most a broken line at the end of a segment, which readers pass over.
"""

import errno
import fcntl
import os
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from socket import gethostname
from threading import Event, Lock
from zlib import crc32

SEGMENT_BYTES = 16 * 1024 * 1024
MOST_BYTES = 1024 * 1024 * 1024
ESSENTIAL_BYTES = 128 * 1024 * 1024  # on top of it, for what must not be lost: opt-outs, replies, bounces
LOCK = "lock"
SUFFIX = ".lines"


class JournalError(OSError):
    """Something could not be kept: the disk is full or failing, or the journal has reached its size."""


@dataclass
class Batch:
    """Lines that wait for one fsync together, and how it went."""

    lines: list[bytes] = field(default_factory=list)
    is_through: bool = False
    error: OSError | None = None


class Journal:
    """One process's own journal. Threads may append at once."""

    def __init__(self, root: Path, *, segment_bytes: int = SEGMENT_BYTES, most_bytes: int = MOST_BYTES) -> None:
        """Makes a folder of its own under `root` and holds its lock until it is closed or the process ends."""
        self.folder = make_private(make_private(root) / f"{gethostname()[:40]}-{os.getpid()}-{token_hex(4)}")
        self.appended = Event()  # set after each append; the drainer clears it
        self.is_sound = True  # whether the last append was kept
        self.current: int | None = None  # the segment that is being written; every other one is final
        self._lock: int | None = take_lock(self.folder)
        self._segment_bytes, self._most_bytes = segment_bytes, most_bytes
        self._gate, self._disk = Lock(), Lock()
        self._batch = Batch()
        self._number, self._size, self._older_bytes = 0, 0, 0
        self._file: int | None = None

    def append(self, payload: bytes, *, essential: bool = False) -> None:
        """Keep a payload without line ends. When this returns, it is on the disk. Raises JournalError.

        What raised may be there all the same (nobody can know after a failed fsync): a reader takes it as told.
        """
        line = b"%08x %s\n" % (crc32(payload), payload)
        self._require_room(len(line), essential=essential)
        with self._gate:
            batch = self._batch
            batch.lines.append(line)
        with self._disk:  # whoever comes first writes for all who wait
            if not batch.is_through:
                with self._gate:
                    self._batch = Batch()
                self._write(batch)
        if batch.error is not None:
            raise JournalError(f"the journal in {self.folder.parent} cannot be written: {batch.error.strerror}") from batch.error

    def start_anew(self, *, drained: tuple[int, int]) -> bool:
        """Give up a segment that was drained to its end, so that nothing personal stays; False when there is more in it.

        `drained`: the segment's number and how far it was read. The next append begins a new one.
        """
        with self._disk:
            if self._file is None or drained != (self._number, self._size):
                return False
            self._close_segment()
            return True

    def forget(self, size: int) -> None:
        """The drainer removed a segment of this size."""
        with self._gate:
            self._older_bytes = max(0, self._older_bytes - size)

    @property
    def size(self) -> int:
        """Bytes in segments that were not removed yet."""
        return self._older_bytes + self._size

    def close(self) -> None:
        """Let another process have what is left. Safe to repeat."""
        with self._disk:
            self._close_segment()
            lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)

    def _require_room(self, more: int, *, essential: bool) -> None:
        if self.size + more > self._most_bytes + (ESSENTIAL_BYTES if essential else 0):
            self.is_sound = False
            raise JournalError(f"the journal in {self.folder.parent} is full: the database has been away for too long")

    def _write(self, batch: Batch) -> None:
        try:
            file = self._open_segment()
            whole = b"".join(batch.lines)
            write_all(file, whole)
            os.fsync(file)
            self._require_file(file)
            self._size += len(whole)
        except OSError as error:
            batch.error = error
            self._give_up_segment()
        self.is_sound = batch.error is None
        batch.is_through = True
        self.appended.set()

    def _open_segment(self) -> int:
        if self._file is not None and self._size >= self._segment_bytes:
            self._close_segment()
        if self._file is None:
            self._require_folder()
            self._number += 1
            self.current = self._number  # before the file is there: a reader must never take it for a final one
            self._file = os.open(self._path(), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            sync_folder(self.folder)
        return self._file

    def _require_file(self, file: int) -> None:
        """What is written into a file that somebody has deleted is read by nobody. Raises OSError."""
        if os.fstat(file).st_nlink == 0 and not self._path().exists():
            raise FileNotFoundError(errno.ENOENT, "its file was deleted")

    def _require_folder(self) -> None:
        """Somebody may have deleted it, with the lock in it."""
        if self._lock is not None and not (self.folder / LOCK).exists():
            self._lock, gone = take_lock(make_private(self.folder)), self._lock
            os.close(gone)

    def _give_up_segment(self) -> None:
        """After a failure: what the kernel dropped is not written by another fsync. An empty segment goes at once."""
        is_empty = self._size == 0
        self._close_segment()
        if is_empty:
            self._path().unlink(missing_ok=True)

    def _path(self) -> Path:
        return self.folder / segment_name(self._number)

    def _close_segment(self) -> None:
        file, self._file = self._file, None
        with self._gate:
            self._older_bytes, self._size = self._older_bytes + self._size, 0
        if file is not None:
            os.close(file)
        self.current = None


def segment_name(number: int) -> str:
    return f"{number:08d}{SUFFIX}"


def segments(folder: Path) -> list[int]:
    """The numbers of the segments in a folder, oldest first; none when the folder is gone."""
    return sorted(int(path.stem) for path in folder.glob(f"*{SUFFIX}") if path.stem.isdecimal())


def take_lock(folder: Path) -> int:
    """Hold a journal folder until the descriptor is closed or the process dies. Raises OSError when somebody has it."""
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def make_private(folder: Path) -> Path:
    """The folder, made if need be, for this user alone: journals hold whole mails until they are drained."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    sync_folder(folder.parent)
    return folder


def sync_folder(folder: Path) -> None:
    """Make the names in a folder last; a file that is fsynced may otherwise lose its name in a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(file: int, whole: bytes) -> None:
    rest = memoryview(whole)
    while rest:
        rest = rest[os.write(file, rest) :]
