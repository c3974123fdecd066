"""Keeps a process to one processor core.

A worker's threads share one interpreter, so a second core brings them next to nothing, and handing the interpreter over from core
to core costs them (figures: docs/operating.md). Before: `handraiser worker --core`. After: all its threads stay there. Children,
which share nothing with them, use the other cores.
"""

import os
import sys
from contextlib import suppress

from engine.errors import HandraiserError

_others: set[int] = set()  # the cores left to children; empty: this process keeps to none


class NoCoreError(HandraiserError, ValueError):
    """There is no such core, or the system has no way to say it."""


def keep_to_core(core: int) -> None:
    """This thread from now on, and those that it starts. Raises NoCoreError."""
    if sys.platform != "linux":
        raise NoCoreError("only Linux can keep a process to a core.")
    allowed = os.sched_getaffinity(0)
    if core not in allowed:
        raise NoCoreError(f"this process may not use a core {core}. It may use: {', '.join(map(str, sorted(allowed)))}.")
    os.sched_setaffinity(0, {core})
    _others.update(allowed - {core} or allowed)


def let_go(process_id: int) -> None:
    """A child begins where its parent is kept; from now on it uses the other cores that the parent might have used."""
    if _others and sys.platform == "linux":
        with suppress(OSError):  # it has ended, or an administrator has taken these cores away meanwhile
            os.sched_setaffinity(process_id, _others)
