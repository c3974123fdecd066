"""How often a process that lasts looks for rubbish. Called once at its start, when everything is imported; nothing follows.

Rows and values of a batch go when their last reference goes. Python's collector is for what refers to itself, of which there is
little here; by default it looks through everything new after every 700 objects and through everything old ever so often, which
took a tenth of a run's time.
"""

import gc

NEW_OBJECTS = 10_000  # between two looks; with more, a simulated run held 10 MB more


def collect_less() -> None:
    """What is there now counts as lasting and is never looked through again; what comes is looked through less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS)
