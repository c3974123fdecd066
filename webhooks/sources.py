"""Where the drainer reads from: a journal folder, of this process or left behind by one that is gone.

Between `webhooks.backlog`, which reads lines, and `webhooks.drainer`, which stores what they say. A line that says nothing we
know is put aside, loudly, and the rest goes on.
"""

import logging
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from webhooks.backlog import Backlog, Line
from webhooks.entries import Entry, read_entry
from webhooks.journal import take_lock

log = logging.getLogger(__name__)
REJECTED = "rejected.lines"
MOST_REJECTED = 64 * 1024 * 1024
Place = tuple[int, int]  # segment, offset


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Note:
    """A line that was understood, and where it stands."""

    source: "Source"
    place: Place
    payload: bytes
    entry: Entry


class Source:
    """One journal folder. `lock` is the descriptor that holds a folder we took over; our own is held by the journal."""

    def __init__(self, folder: Path, lock: int | None = None) -> None:
        self.folder = folder
        self.waiting: list[Note] = []
        self._backlog = Backlog(folder)
        self._lock = lock

    @property
    def position(self) -> Place:
        """Before which everything is stored."""
        return self._backlog.position

    def read_more(self, *, current: Callable[[], int | None]) -> None:
        """Read on; what cannot be understood is done with at once."""
        useless: set[Place] = set()
        for line in self._backlog.read_more(current=current):
            place = line.segment, line.start
            note = self._understand(line)
            if note is None:
                useless.add(place)
            else:
                self.waiting.append(note)
        if useless:
            self._backlog.done(useless)

    def done(self, places: Collection[Place]) -> int:
        """These are stored. Returns how many bytes of segments could be removed."""
        self.waiting = [note for note in self.waiting if note.place not in places]
        return self._backlog.done(places)

    def remove_if_empty(self) -> bool:
        """Take the folder away when nothing is left in it, and let go of it."""
        if self.waiting or not self._backlog.is_empty:
            return False
        self._backlog.remove_folder()
        self.release()
        return True

    def release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _understand(self, line: Line) -> Note | None:
        place = line.segment, line.start
        if line.payload is None:
            log.error("a broken line in the journal was passed over", extra={"facts": {"folder": self.folder.name, "at": place}})
            return None
        try:
            return Note(source=self, place=place, payload=line.payload, entry=read_entry(line.payload))
        except (ValueError, KeyError, TypeError):
            log.error("a line of the journal says nothing we know", extra={"facts": {"folder": self.folder.name, "at": place}})
            reject(self.folder.parent, line.payload)
            return None


def left_behind(root: Path, held: Collection[Path]) -> list[Source]:
    """The folders whose process is gone, taken over."""
    found: list[Source] = []
    for folder in sorted(root.iterdir()):
        if folder in held or not folder.is_dir():
            continue
        try:
            found.append(Source(folder, take_lock(folder)))
        except OSError:  # its process lives, or another one was quicker and took the folder away
            continue
    return found


def reject(root: Path, payload: bytes) -> None:
    """Put a line aside for a person to look at. When too many are there already, it is let go."""
    path = root / REJECTED
    if path.exists() and path.stat().st_size > MOST_REJECTED:
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "ab") as file:
        file.write(payload + b"\n")
