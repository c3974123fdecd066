"""The named points at which a process can be told to die: read from the source, so that a new one is tried by itself.

Before: `engine.crash.point("name")` somewhere in the engine. After: `tests.crash.test_named_points` dies at each.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import engine

SOURCE = Path(engine.__file__).parent
POINT = re.compile(r'crash\.point\("([a-z0-9-]+)"\)')
IN_A_DISPATCHER = ("processes/dispatcher.py",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A place to die. `role`: which process passes it, where they are several; `file`: where it stands first."""

    name: str
    role: str
    file: str = ""


def named_points() -> list[Point]:
    """Each once, in the order in which a reader of the source meets them."""
    found: dict[str, Point] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        inside = path.relative_to(SOURCE).as_posix()
        role = "dispatcher" if inside in IN_A_DISPATCHER else "worker"
        for name in POINT.findall(path.read_text(encoding="utf-8")):
            found.setdefault(name, Point(name=name, role=role, file=f"engine/{inside}"))
    return list(found.values())
