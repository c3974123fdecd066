"""Work on a thread of its own, for as long as a block lasts.

Before: somebody has work that goes on beside his own. After: the thread is over, or ends with the process.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LAST_ROUND_SECONDS = 10


@contextmanager
def beside(work: Callable[[threading.Event], object], *, name: str, patience: float = LAST_ROUND_SECONDS) -> Iterator[None]:
    """Have `work` done while the block lasts; it returns soon after its event is set, within `patience` seconds."""
    stop = threading.Event()
    thread = threading.Thread(target=work, args=(stop,), name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(patience)
