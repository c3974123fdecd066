"""How often a process looks for rubbish, and in which thread.

Rows and values of a batch go when their last reference goes. Python's collector is for what refers to itself, of which there is
little here; by default it looks through everything new after every 700 objects and through everything old ever so often, which
took a tenth of a run's time.

Up to Python 3.11 it does so wherever an object is made, in the midst of what copies a dictionary for one: what it throws away may
let another thread run, which gives that dictionary another shape, and the process ends by a segmentation fault. Libraries copy
what threads share (SQLAlchemy its statements), so processes with threads have it done by one of its own, while all others stand
between two steps. From 3.12 on Python itself waits for that.
"""

import gc
import threading
from time import sleep

NEW_OBJECTS = 10_000  # between two looks; with more, a simulated run held 10 MB more
LOOK_SECONDS = 0.2
OFTENER = 10  # looks at the young for each at those that outlived one, and of these for each at all, as Python does


def collect_less() -> None:
    """What is there now counts as lasting and is never looked through again; what comes is looked through less often. To be
    called when everything is imported.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS)


def collect_apart() -> None:
    """From here on only in a thread of its own, for as long as the process lasts. To be called before there are other threads."""
    gc.disable()
    threading.Thread(target=keep_collecting, name="garbage", daemon=True).start()


def keep_collecting() -> None:
    looks = 0
    while True:
        sleep(LOOK_SECONDS)
        if gc.get_count()[0] >= NEW_OBJECTS:
            looks += 1
            gc.collect(generation(looks))


def generation(looks: int) -> int:
    """The oldest that is looked through."""
    return (looks % OFTENER == 0) + (looks % OFTENER**2 == 0)
