"""What stands outside the database about the last mail that was marked: a file beside the workspace, and a key in Redis.

Before: `engine.deliver.send` has marked. After: a process that starts asks its database whether it knows of that mail; one that
does not is older than the world (`engine.schedule.restored`). Any mark of the last moment will do, so processes may write over
one another's, but never over a newer one.
"""

import json
import os
import platform
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

FILE = "last-marked.json"
MOST_IDS = 2**63


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """Of this installation that mail was marked at that instant."""

    installation: str
    send_id: int
    at: datetime

    def as_text(self) -> str:
        return json.dumps(asdict(self) | {"at": self.at.isoformat()})


class Place(Protocol):
    """Where one witness is kept. Both may raise OSError."""

    def read(self) -> Witness | None: ...

    def write(self, witness: Witness) -> None: ...


class InFile:
    """In a folder that belongs to this machine."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE

    def read(self) -> Witness | None:
        with suppress(FileNotFoundError):
            return from_text(self._path.read_text(encoding="utf-8", errors="replace"))
        return None

    def write(self, witness: Witness) -> None:
        """Whole or not at all, also when the power goes."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        new = self._path.with_suffix(f".{platform.node()}.{os.getpid()}")  # containers share a volume, and count alike
        with new.open("w", encoding="utf-8") as file:
            file.write(witness.as_text())
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)


def from_text(text: str) -> Witness | None:
    """None for what nobody of us wrote."""
    try:
        said = json.loads(text)
        found = Witness(
            installation=str(said["installation"]), send_id=int(said["send_id"]), at=datetime.fromisoformat(said["at"])
        )
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
    return found if found.at.tzinfo is not None and 0 < found.send_id < MOST_IDS else None


def write_newer(place: Place, witness: Witness) -> None:
    """Unless a newer one of the same installation stands there."""
    known = place.read()
    if known is None or known.installation != witness.installation or known.at < witness.at:
        place.write(witness)
