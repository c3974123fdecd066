"""The sending window, which the workspace and each cadence may set.

Before: `engine.compiler.reading`. After: `read_workspace` and `read_cadence`.
"""

from datetime import time

from engine.compiler import kinds
from engine.compiler.diagnostics import Findings
from engine.compiler.plan import Window
from engine.compiler.reading import Section, value_of
from engine.compiler.source import Node, Scalar

USUAL_WINDOW = Window(weekdays=(0, 1, 2, 3, 4), opens=time(9), closes=time(17))


def read_window(node: Node | None, default: Window, findings: Findings) -> Window:
    """The window as written; what it leaves out is the default's."""
    section = Section(node, "a window", ("days", "from", "to"), findings)
    window = Window(
        weekdays=read_weekdays(section, default.weekdays),
        opens=section.given("from", kinds.CLOCK, default.opens).value,
        closes=section.given("to", kinds.CLOCK, default.closes).value,
    )
    if window.opens >= window.closes:
        findings.add("E027", section.place, f"this window never opens: from {window.opens:%H:%M} to {window.closes:%H:%M}")
    return window


def read_weekdays(section: Section, default: tuple[int, ...]) -> tuple[int, ...]:
    if "days" not in section:
        return default
    items = section.list_of_nodes("days")
    scalars = [item for item in items if isinstance(item, Scalar)]
    days = [value_of(scalar, kinds.WEEKDAY, "`days`", section.findings) for scalar in scalars]
    if not items:
        section.findings.add("E027", section.place, "this window never opens: it has no days")
    return tuple(sorted({kinds.WEEKDAYS.index(day.value) for day in days if day}))
