"""The sending window and its quiet hours, which the workspace and each cadence may set.

Before: `engine.compiler.reading`. After: `read_workspace` and `read_cadence`.
"""

from collections.abc import Iterator
from datetime import time

from engine.compiler import kinds
from engine.compiler.diagnostics import Findings, Place
from engine.compiler.plan import Window
from engine.compiler.reading import Section, value_of
from engine.compiler.shapes import Record
from engine.compiler.shapes_of_windows import QUIET, WEEKDAYS
from engine.compiler.source import Node, Scalar

USUAL_WINDOW = Window(weekdays=(0, 1, 2, 3, 4), opens=time(9), closes=time(17))

Quiet = tuple[tuple[time, time], ...]


def read_window(node: Node | None, default: Window, keys: Record, place: Place, findings: Findings) -> Window:
    """The window as written; what it leaves out is the default's, whose quiet hours are quiet here as well.

    `place`: where to report that it never opens.
    """
    section = Section(node, "a window", keys, findings)
    window = Window(
        weekdays=read_weekdays(section, default.weekdays),
        opens=section.given("from", kinds.CLOCK, default.opens).value,
        closes=section.given("to", kinds.CLOCK, default.closes).value,
        quiet=tuple(dict.fromkeys((*default.quiet, *read_quiet(section)))),
        holidays=default.holidays if "holidays" not in section else read_observes(section),
    )
    report_shut(window, place, findings)
    return window


def read_weekdays(section: Section, default: tuple[int, ...]) -> tuple[int, ...]:
    if "days" not in section:
        return default
    items = section.list_of_nodes("days")
    scalars = [item for item in items if isinstance(item, Scalar)]
    days = [value_of(scalar, kinds.WEEKDAY, "`days`", section.findings) for scalar in scalars]
    if not items:
        section.findings.add("E027", section.place, "this window never opens: it has no days")
    return tuple(sorted({WEEKDAYS.index(day.value) for day in days if day}))


def read_quiet(section: Section) -> Quiet:
    """The hours under `quiet`, those that are no hours left out (reported)."""
    return tuple(hours for item in section.list_of_nodes("quiet") for hours in read_quiet_hours(item, section.findings))


def read_quiet_hours(node: Node, findings: Findings) -> Iterator[tuple[time, time]]:
    own = Section(node, "quiet hours", QUIET, findings)
    begins, ends = own.needed("from", kinds.CLOCK, time(0)), own.needed("to", kinds.CLOCK, time(0))
    if "from" in own and "to" in own and begins.value != ends.value:
        yield begins.value, ends.value
    elif begins.place != own.place and ends.place != own.place:  # both were read
        findings.add("E060", own.place, f"these quiet hours begin and end at {begins.value:%H:%M}")


def read_observes(section: Section) -> bool:
    return section.given("holidays", kinds.OBSERVE, "observe").value == "observe"


def report_shut(window: Window, place: Place, findings: Findings) -> None:
    """Report a window in which there is no minute to send in."""
    hours = f"{window.opens:%H:%M} to {window.closes:%H:%M}"
    if window.opens >= window.closes:
        findings.add("E027", place, f"this window never opens: from {hours}")
    elif not has_open_minute(window):
        findings.add("E027", place, f"this window never opens: {hours} is all within the quiet hours")


def has_open_minute(window: Window) -> bool:
    """Whether some minute between opening and closing is not quiet; only ends of quiet hours can begin such a time."""
    begins = [window.opens, *(ends for _, ends in window.quiet)]
    return any(is_open_at(window, clock) for clock in begins)


def is_open_at(window: Window, clock: time) -> bool:
    """Whether mail may go out at that time of a day on which the window opens."""
    return window.opens <= clock < window.closes and not any(is_within(hours, clock) for hours in window.quiet)


def is_within(hours: tuple[time, time], clock: time) -> bool:
    begins, ends = hours
    return begins <= clock < ends if begins < ends else clock >= begins or clock < ends
