"""The backlog: the lines of one journal folder that are not in SQL yet, and how far it was drained.

Before: `webhooks.journal` writes the segments. After: `webhooks.sources` understands the lines and says which are done. The
position on disk may lag behind, since a line that is read twice is recorded once.
"""

import os
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from webhooks.journal import LOCK, segment_name, segments

POSITION = "position"
MOST_LINES = 5_000
MOST_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a segment: where it stands and what it says; None when it is broken."""

    segment: int
    start: int
    payload: bytes | None


class Backlog:
    """Reads one folder in order. Lines may be done in any order; the position is before the first that is not."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.waiting: list[Line] = []
        self._read_to = self._written = read_position(folder)  # (segment, offset)
        self._final = 0  # up to this segment everything was read and nothing can be added

    @property
    def position(self) -> tuple[int, int]:
        """(segment, offset) before which everything is done."""
        first = next(iter(self.waiting), None)
        return (first.segment, first.start) if first else self._read_to

    @property
    def is_empty(self) -> bool:
        """Whether no line is left here, read or not."""
        return not self.waiting and not segments(self.folder)

    def read_more(self, *, current: Callable[[], int | None]) -> list[Line]:
        """The lines that came since, as far as there is room. `current`: which segment may still grow, None: none does. It is
        asked when the folder has been listed, for one that came in between must not be taken for a final one.
        """
        fresh: list[Line] = []
        there, growing = segments(self.folder), current()
        for number in there:
            if number < self._read_to[0]:
                continue
            offset = self._read_to[1] if number == self._read_to[0] else 0
            lines, offset, is_through = read_lines(self.folder, number, offset, self._room(fresh))
            self._read_to = number, offset
            fresh += lines
            if number == growing or not is_through:
                break
            self._final = number
        self.waiting += fresh
        return fresh

    def done(self, places: Collection[tuple[int, int]]) -> int:
        """What stands at these (segment, start) is in SQL, or need not be. Removes segments that are through.

        Returns how many bytes those had.
        """
        self.waiting = [line for line in self.waiting if (line.segment, line.start) not in places]
        kept = {line.segment for line in self.waiting}
        through = [number for number in segments(self.folder) if number <= self._final and number not in kept]
        removed = sum(remove(self.folder / segment_name(number)) for number in through)
        self._note_position()
        return removed

    def _note_position(self) -> None:
        """After the segments have gone, and only where it can be: a disk that is full gets room by that, and is never freed where
        one must first write.
        """
        if self.position != self._written:
            with suppress(OSError):
                write_position(self.folder, self.position)
                self._written = self.position

    def remove_folder(self) -> None:
        """Take the empty folder away. Whoever calls this holds its lock."""
        for name in (POSITION, f"{POSITION}.new", LOCK):
            (self.folder / name).unlink(missing_ok=True)
        with suppress(OSError):  # another process has just taken it over: then that one removes it
            self.folder.rmdir()

    def _room(self, fresh: list[Line]) -> int:
        """How many more bytes may be read ahead; 0 when there are lines enough already."""
        ahead = [*self.waiting, *fresh]
        if len(ahead) >= MOST_LINES:
            return 0
        return max(0, MOST_BYTES - sum(len(line.payload or b"") for line in ahead))


def read_lines(folder: Path, number: int, offset: int, room: int) -> tuple[list[Line], int, bool]:
    """The whole lines of a segment from `offset` on, where they end, and whether that is its end.

    What follows the last line end is half a line: one that is being written, or one that a crash tore.
    """
    lines: list[Line] = []
    try:
        file = (folder / segment_name(number)).open("rb")
    except FileNotFoundError:  # the journal removed it again: nothing was kept there
        return [], offset, True
    with file:
        file.seek(offset)
        while room > 0 and len(lines) < MOST_LINES:
            text = file.readline()
            if not text.endswith(b"\n"):
                return lines, offset, True
            lines.append(Line(segment=number, start=offset, payload=checked(text)))
            offset += len(text)
            room -= len(text)
    return lines, offset, False


def checked(text: bytes) -> bytes | None:
    """The payload of a line; None when it is not what was written."""
    head, _space, payload = text[:-1].partition(b" ")
    return payload if head == b"%08x" % crc32(payload) else None


def read_position(folder: Path) -> tuple[int, int]:
    """Where draining got to; the beginning when nobody knows."""
    try:
        number, offset = (folder / POSITION).read_text(encoding="ascii").split()
        return int(number), int(offset)
    except (FileNotFoundError, ValueError):
        return 0, 0


def write_position(folder: Path, position: tuple[int, int]) -> None:
    new = folder / f"{POSITION}.new"
    new.write_text(f"{position[0]} {position[1]}", encoding="ascii")
    os.replace(new, folder / POSITION)


def remove(path: Path) -> int:
    try:
        size = path.stat().st_size
        path.unlink()
        return size
    except FileNotFoundError:
        return 0
