"""How the disk does while something else is measured: on a machine that others use, a commit waits for their writes, too."""

import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

EVERY = 0.1  # seconds
BLOCK = bytes(4096)


@contextmanager
def watched_disk(folder: Path) -> Iterator[Sequence[float]]:
    """The milliseconds of each write of 4 KB to this folder's disk, ten times a second; complete when the block ends."""
    took: list[float] = []
    over = threading.Event()

    def write() -> None:
        with open(folder / "disk.probe", "wb", buffering=0) as probe:
            while not over.wait(EVERY):
                began = time.perf_counter()
                probe.write(BLOCK)
                os.fdatasync(probe.fileno())
                took.append((time.perf_counter() - began) * 1e3)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield took
    finally:
        over.set()
        writer.join()
