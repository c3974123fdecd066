"""A version of a cadence as the calendar walks it: its steps in order, and what of its dates can be told beforehand. Pure.

Before: a version that people are on, or that new ones get. After: `engine.calendar.walk` goes along it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time, timedelta
from functools import cached_property
from graphlib import TopologicalSorter

from engine.compiler.plan import CadencePlan, EnterStep, Step, WaitStep
from engine.graph.words import ways_on
from engine.schedule.next_step import Course

EARLY, LATE = time(4), time(22)


@dataclass(frozen=True, eq=False, kw_only=True)
class Road:
    """A version of a cadence with its steps in an order in which none comes before one that leads to it."""

    course: Course

    @property
    def name(self) -> str:
        return self.course.plan.name

    @cached_property
    def order(self) -> tuple[Step, ...]:
        leads_to = {step.id: [way.to for way in ways_on(step) if way.to] for step in self.course.plan.steps}
        backwards = [*TopologicalSorter(leads_to).static_order()]
        return tuple(self.course.steps[step_id] for step_id in reversed(backwards))

    @cached_property
    def before(self) -> Mapping[str, frozenset[str]]:
        """For each step those from which somebody may come to it: the arms of a split exclude each other."""
        found: dict[str, set[str]] = {step.id: set() for step in self.order}
        for step in self.order:
            for way in ways_on(step):
                if way.to:
                    found[way.to] |= {step.id, *found[step.id]}
        return {step_id: frozenset(steps) for step_id, steps in found.items()}

    def behind(self, step_id: str) -> set[str]:
        """The steps that stand behind this one in that order."""
        ids = [step.id for step in self.order]
        return set(ids[ids.index(step_id) + 1 :]) if step_id in ids else set(ids)

    @cached_property
    def is_by_day(self) -> bool:
        """Whether its dates are the same by the clocks of all zones: it counts in whole days, at hours that every day has.

        Clocks change at night, in Greenland as early as ten in the evening.
        """
        plan = self.course.plan
        spans = [plan.gap, *(timing.span for timing in self.course.timings.values())]
        spans += [step.timeout for step in plan.steps if isinstance(step, WaitStep)]
        clocks = [plan.window.opens, plan.window.closes, *(clock for hours in plan.window.quiet for clock in hours)]
        clocks += [timing.clock for timing in self.course.timings.values() if timing.clock is not None]
        return all(span.is_whole_days for span in spans) and all(EARLY <= clock <= LATE for clock in clocks)

    @cached_property
    def enters(self) -> frozenset[str]:
        return entered_by(self.course.plan)

    @cached_property
    def gap_is_over_after(self) -> timedelta | None:
        """After so long the gap holds nothing back for certain; None: that depends on the days."""
        gap = self.course.plan.gap
        if gap.business_days:
            return None
        return timedelta(days=31 * gap.months + gap.days + 2, seconds=gap.seconds)


def entered_by(plan: CadencePlan) -> frozenset[str]:
    """The cadences that its steps enter."""
    return frozenset(step.cadence for step in plan.steps if isinstance(step, EnterStep))
