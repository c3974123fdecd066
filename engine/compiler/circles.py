"""Cadences that lead into one another in a circle: by `enter` steps, or by a raised hand whose answer lets leads in.

Before: `engine.compiler.check` has looked at each cadence for itself. Where every one of the circle takes leads in again, they
go round for ever; where one does not, the circle ends there.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from engine.compiler.checks import Checks
from engine.compiler.diagnostics import Place
from engine.compiler.steps import all_steps
from engine.compiler.syntax import Cadence, EnterStep, RaiseStep
from engine.vocabulary import EventType

ANSWERS = frozenset({EventType.HANDOFF_ACCEPTED, EventType.HANDOFF_DECLINED, EventType.HANDOFF_CLOSED})


class Lead(NamedTuple):
    """One cadence leads into another: written where."""

    into: str
    place: Place


Leads = Mapping[str, tuple[Lead, ...]]


def check_circles(checks: Checks) -> None:
    """Report each circle once: as an error when leads go round for ever, as a warning when re-entry stops them."""
    cadences = {cadence.name: cadence for cadence in checks.files.cadences}
    leads = {name: tuple(leads_of(cadence, cadences)) for name, cadence in cadences.items()}
    open_ones = {name for name, cadence in cadences.items() if cadence.reentry.value is not None}
    endless = {name: tuple(lead for lead in leads[name] if lead.into in open_ones) for name in open_ones}
    told = report_circles("E048", endless, "enter each other for ever", frozenset(), checks)
    report_circles("W008", leads, "lead into each other, until one takes nobody in again", told, checks)


def leads_of(cadence: Cadence, cadences: Mapping[str, Cadence]) -> Iterator[Lead]:
    steps = list(all_steps(cadence.steps))
    for step in steps:
        if isinstance(step, EnterStep) and step.cadence.value in cadences and step.cadence.value != cadence.name:
            yield Lead(step.cadence.value, step.cadence.place)
    if any(isinstance(step, RaiseStep) for step in steps):
        yield from answered_by(cadence, cadences)


def answered_by(cadence: Cadence, cadences: Mapping[str, Cadence]) -> Iterator[Lead]:
    """The cadences that an answer to a raised hand lets a lead into; whoever is inside one cannot come into that one."""
    for other in cadences.values():
        for entry in other.entries:
            if other.name != cadence.name and entry.event and entry.event.value in ANSWERS:
                yield Lead(other.name, entry.event.place)


def report_circles(code: str, leads: Leads, what: str, told: frozenset[str], checks: Checks) -> frozenset[str]:
    """Report one circle for every cadence that is in one and not among those told of; those that are told of now."""
    for name in sorted(leads):
        if name in told or not (circle := shortest_circle(name, leads)):
            continue
        names = [name, *(lead.into for lead in circle)]
        checks.findings.add(code, circle[0].place, f"these cadences {what}: {' → '.join(names)}")
        told |= set(names)
    return told


def shortest_circle(name: str, leads: Leads) -> list[Lead]:
    """The way from a cadence back to itself; empty: there is none."""
    came: dict[str, tuple[str, Lead]] = {}
    waiting = deque([name])
    while waiting:
        here = waiting.popleft()
        for lead in leads[here]:
            if lead.into not in came:
                came[lead.into] = (here, lead)
                waiting.append(lead.into)
    return way_back(name, came) if name in came else []


def way_back(name: str, came: Mapping[str, tuple[str, Lead]]) -> list[Lead]:
    way: list[Lead] = []
    here = name
    while not way or here != name:
        here, lead = came[here]
        way.append(lead)
    return way[::-1]
