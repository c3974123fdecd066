"""Checking one cadence: its names, its step ids, its conditions, and then the ways a lead can take through it.

Before: `engine.compiler.check` goes through the cadences. After: `engine.compiler.journey` walks each one's ways.
"""

from engine.compiler.check_entries import check_entries
from engine.compiler.check_steps import check_step
from engine.compiler.checks import Checks
from engine.compiler.diagnostics import quote
from engine.compiler.journey import check_journey
from engine.compiler.steps import all_steps
from engine.compiler.syntax import Cadence


def check_cadence(cadence: Cadence, checks: Checks) -> None:
    checks.rep(cadence.owner)
    checks.known("E020", "topic", cadence.topic, checks.files.workspace.topics)
    checks.brand(cadence.brand)
    checks.sender(cadence.sender, cadence.brand)
    checks.conditions.check(cadence.goal)
    check_exits(cadence, checks)
    check_entries(cadence, checks)
    check_ids(cadence, checks)
    window = cadence.window or checks.files.workspace.window
    for step in all_steps(cadence.steps):
        check_step(step, cadence, window, checks)
    checks.journeys[cadence.name] = check_journey(cadence, window, checks)


def check_exits(cadence: Cadence, checks: Checks) -> None:
    for way_out in cadence.exits:
        checks.conditions.check(way_out.condition)
        if way_out.event:
            checks.event(way_out.event)


def check_ids(cadence: Cadence, checks: Checks) -> None:
    """Ids are unique in a cadence: a lead's past is kept under them."""
    lines: dict[str, int] = {}
    for step in all_steps(cadence.steps):
        name, place = step.id.value, step.id.place
        if name and name in lines:
            message = f"the step id {quote(name)} is used twice, first on line {lines[name]}; give this step another `id:`"
            checks.findings.add("E024", place, message)
        lines.setdefault(name, place.line)
