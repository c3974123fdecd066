"""Cadences that lead into one another in a circle: by `enter` steps, or by a raised hand or a task whose answer lets leads in.

Before: `engine.compiler.check` has looked at each cadence for itself. Where every one of the circle takes leads in again by the
time that they come round, they go round for ever; where one does not, the circle ends there.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import NamedTuple

from engine.compiler.checks import Checks, Journey
from engine.compiler.diagnostics import Place
from engine.compiler.steps import all_steps
from engine.compiler.syntax import Cadence, EnterStep, RaiseStep, Step, TaskStep
from engine.vocabulary import EventType

ANSWERS: dict[type[Step], frozenset[str]] = {
    RaiseStep: frozenset({EventType.HANDOFF_ACCEPTED, EventType.HANDOFF_DECLINED, EventType.HANDOFF_CLOSED}),
    TaskStep: frozenset({EventType.TASK_DONE, EventType.TASK_NOT_NEEDED}),
}


class Lead(NamedTuple):
    """One cadence leads into another: written where, and how long after its beginning, by the longest way."""

    into: str
    place: Place
    after: timedelta


Leads = Mapping[str, tuple[Lead, ...]]


def check_circles(checks: Checks) -> None:
    """Report each circle once: as an error when leads go round for ever, as a warning when one of them keeps them out."""
    cadences = {cadence.name: cadence for cadence in checks.files.cadences}
    leads = {name: tuple(leads_of(cadence, cadences, checks.journeys[name])) for name, cadence in cadences.items()}
    open_ones = {name for name, cadence in cadences.items() if cadence.reentry.value is not None}
    among_open_ones = {name: tuple(lead for lead in leads[name] if lead.into in open_ones) for name in open_ones}
    told = report_circles(among_open_ones, frozenset(), checks)
    report_circles(leads, told, checks)


def leads_of(cadence: Cadence, cadences: Mapping[str, Cadence], journey: Journey) -> Iterator[Lead]:
    steps = [step for step in all_steps(cadence.steps) if step.id.value in journey.reached]
    for step in steps:
        after = journey.reached[step.id.value] - journey.begins
        if isinstance(step, EnterStep) and step.cadence.value in cadences and step.cadence.value != cadence.name:
            yield Lead(step.cadence.value, step.cadence.place, after)
        elif answers := ANSWERS.get(type(step)):
            yield from answered_by(answers, cadence, cadences, after)


def answered_by(answers: frozenset[str], cadence: Cadence, cadences: Mapping[str, Cadence], after: timedelta) -> Iterator[Lead]:
    """The cadences that an answer of sales lets a lead into; whoever is inside one cannot come into that one."""
    for other in cadences.values():
        for entry in other.entries:
            if other.name != cadence.name and entry.event and entry.event.value in answers:
                yield Lead(other.name, entry.event.place, after)


def report_circles(leads: Leads, told: frozenset[str], checks: Checks) -> frozenset[str]:
    """Report one circle for every cadence that is in one and not among those told of; all that are told of now."""
    for name in sorted(leads):
        if name in told or not (circle := shortest_circle(name, leads)):
            continue
        names = [name, *(lead.into for lead in circle)]
        around = sum((lead.after for lead in circle), timedelta())
        if all(checks.journeys[each].takes_in_again_after(around) for each in names):
            code, what = "E048", "enter each other for ever"
        else:
            code, what = "W008", "lead into each other, until one takes nobody in again"
        checks.findings.add(code, circle[0].place, f"these cadences {what}: {written(names)}")
        told |= set(names)
    return told


def written(names: list[str]) -> str:
    """A circle on one line; of a long one, how it begins and ends."""
    return " → ".join(names if len(names) < 10 else [*names[:5], "…", *names[-3:]])


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
