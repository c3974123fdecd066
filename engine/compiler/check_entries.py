"""Checking who comes into a cadence by itself.

Before: `engine.compiler.check_cadences`. After: `engine.compiler.circles` looks at all cadences together.
"""

from collections import Counter

from engine.compiler.checks import Checks
from engine.compiler.diagnostics import quote
from engine.compiler.syntax import Cadence, Entry, Exit


def check_entries(cadence: Cadence, checks: Checks) -> None:
    """Report ways in that name what is not there, that are there twice, or that lead out again at once."""
    seen: Counter[tuple[str, str, str]] = Counter()
    for entry in cadence.entries:
        check_names(entry, checks)
        key = key_of(entry)
        seen[key] += 1
        if seen[key] == 2 and (name := entry.segment or entry.event):
            checks.findings.add("E024", name.place, f"the way in by {quote(name.value)} is there twice")
        check_out_at_once(entry, cadence, checks)


def check_names(entry: Entry, checks: Checks) -> None:
    if entry.segment:
        checks.known("E041", "segment", entry.segment, checks.files.segments)
    if entry.event:
        checks.event(entry.event)
    checks.conditions.check(entry.condition)


def key_of(entry: Entry) -> tuple[str, str, str]:
    segment, event = entry.segment.value if entry.segment else "", entry.event.value if entry.event else ""
    return segment, event, entry.condition.text if entry.condition else ""


def check_out_at_once(entry: Entry, cadence: Cadence, checks: Checks) -> None:
    if entry.event is None:
        return
    name = entry.event.value
    for leaving in cadence.exits:
        if leaving.event and leaving.event.value == name:
            checks.findings.add(
                "E052", entry.event.place, f"{quote(name)} lets a lead in and out at once: {whose(leaving, cadence)}"
            )


def whose(leaving: Exit, cadence: Cadence) -> str:
    """Where the exit stands, for somebody who has perhaps written none."""
    is_usual = leaving.event is not None and leaving.event.place == cadence.place
    return "it is one of the usual exits; say with `exits:` which you want" if is_usual else "it is also an exit"
