"""Checking who comes into a cadence by itself.

Before: `engine.compiler.check_cadences`. After: `engine.compiler.circles` looks at all cadences together.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from engine.compiler.checks import Checks
from engine.compiler.diagnostics import quote
from engine.compiler.syntax import Cadence, Entry
from engine.expressions.tree import AllOf, AnyOf, Happened, Node


def check_entries(cadence: Cadence, checks: Checks) -> None:
    """Report ways in that name what is not there, that are there twice, or that lead out again."""
    seen: Counter[tuple[str, str, str]] = Counter()
    for entry in cadence.entries:
        check_names(entry, checks)
        key = key_of(entry)
        seen[key] += 1
        if seen[key] == 2 and (name := entry.segment or entry.event):
            checks.findings.add("E024", name.place, f"the way in by {quote(name.value)} is there twice")
        check_out_at_once(entry, cadence, checks)
    check_reentry(cadence, checks)


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
    """Report an event that lets a lead in and is also an exit, or meets the goal or the condition of an exit."""
    if entry.event is None:
        return
    name = entry.event.value
    met = next((way for way in ways_out(cadence, checks) if way.lets_out(name, checks)), None)
    if met:
        checks.findings.add("E052", entry.event.place, f"{quote(name)} lets a lead in and out: it {met.words}")


def check_reentry(cadence: Cadence, checks: Checks) -> None:
    """Report a rule of re-entry where nothing lets anybody in by itself."""
    if cadence.reentry.value is not None and not cadence.entries and cadence.name not in checks.entered:
        message = "nobody comes in by itself, for there is neither `enter:` here nor a step that enters this cadence"
        checks.findings.add("W011", cadence.reentry.place, message)


@dataclass(frozen=True, slots=True)
class WayOut:
    """An exit or the goal: the event that it names, or the condition that it asks."""

    words: str
    event: str | None = None
    asked: Node | None = None

    def lets_out(self, event: str, checks: Checks) -> bool:
        counted = checks.files.events.schema.counted_as(self.event) if self.event else ()
        return event in counted or (self.asked is not None and is_met_by(event, self.asked))


def ways_out(cadence: Cadence, checks: Checks) -> Iterator[WayOut]:
    if goal := checks.conditions.check(cadence.goal):
        yield WayOut("meets the goal", asked=goal.tree)
    for leaving in cadence.exits:
        if condition := checks.conditions.check(leaving.condition):
            yield WayOut("meets the condition of an exit", asked=condition.tree)
        if leaving.event:
            is_usual = leaving.event.place == cadence.place
            words = "is one of the usual exits; say with `exits:` which you want" if is_usual else "is also an exit"
            yield WayOut(words, event=leaving.event.value)


def is_met_by(event: str, node: Node) -> bool:
    """Whether a condition holds whenever an event of that type has just happened, whatever its data."""
    match node:
        case Happened(matches=matches, subject=None):
            return any(match.type == event and not match.data for match in matches)
        case AnyOf(parts=parts):
            return any(is_met_by(event, part) for part in parts)
        case AllOf(parts=parts):
            return all(is_met_by(event, part) for part in parts)
    return False
