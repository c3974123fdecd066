"""Named points at which a test kills this process, as a power cut would: SIGKILL, nothing is tidied up.

`HANDRAISER_CRASH_AT=after-dot:3` (see `engine.settings`) arms the third pass of `after-dot`. Unarmed, a point costs a look at an
empty dictionary.
"""

import os
import signal

_passes_left: dict[str, int] = {}


def arm(text: str | None) -> None:
    """`name:n`: die at the n-th pass of that point. None or nothing disarms."""
    _passes_left.clear()
    if text:
        name, _colon, passes = text.partition(":")
        _passes_left[name] = int(passes or 1)


def is_armed() -> bool:
    return bool(_passes_left)


def point(name: str) -> None:
    """Die here if this pass was chosen."""
    if name not in _passes_left:
        return
    _passes_left[name] -= 1
    if _passes_left[name] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
