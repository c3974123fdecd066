"""Named points at which a test kills this process, as a power cut would: SIGKILL, nothing is tidied up.

`HANDRAISER_CRASH_AT=after-dot:3` (see `engine.settings`) arms the third pass of `after-dot`; `after-dot:3:pause` freezes the
process there instead, as a closed lid does, until a SIGCONT; `after-dot:3:stop` asks it to stop, as an operator does. Unarmed, a
point costs a look at an empty dictionary.
"""

import os
import signal

HOW = {"pause": signal.SIGSTOP, "stop": signal.SIGTERM}
_passes_left: dict[str, int] = {}
_signals: dict[str, signal.Signals] = {}


def arm(text: str | None) -> None:
    """`name:n`: die at the n-th pass of that point; `name:n:pause`: freeze; `name:n:stop`: be asked to stop. None disarms."""
    _passes_left.clear()
    if text:
        name, passes, how = [*text.split(":"), "", ""][:3]
        _signals[name] = HOW.get(how, signal.SIGKILL)
        _passes_left[name] = int(passes or 1)


def is_armed() -> bool:
    return bool(_passes_left)


def point(name: str) -> None:
    """Die or freeze here if this pass was chosen."""
    if name not in _passes_left:
        return
    _passes_left[name] -= 1
    if _passes_left[name] == 0:
        os.kill(os.getpid(), _signals[name])
