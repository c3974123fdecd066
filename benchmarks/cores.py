"""Which processor cores the servers of a benchmark may use."""

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.usage import children


@contextmanager
def kept_off(cores: Collection[int], processes: Collection[int]) -> Iterator[None]:
    """These processes and all that they start use other cores while the block lasts, as with systemd's `CPUAffinity=`."""
    everywhere = os.sched_getaffinity(0)
    for pid in processes:
        move(pid, everywhere.difference(cores) or everywhere)  # where there is but one, all share it
    try:
        yield
    finally:
        for pid in processes:
            move(pid, everywhere)


def move(pid: int, cores: Collection[int]) -> None:
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(ProcessLookupError):  # it has ended meanwhile
            os.sched_setaffinity(int(task.name), cores)
    for child in children(pid):
        with suppress(OSError):
            move(child, cores)
