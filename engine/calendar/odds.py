"""The odds that the calendar reckons with: which way people go at each step, and how many leave after each mail. Pure.

Before: `engine.calendar.observe` counted what happened here, or somebody stated it. After: `engine.calendar.walk` splits people
by them. Each number keeps where it comes from, so that whoever reads the calendar can judge it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from engine.compiler.plan import BranchStep, GoalStep, RaiseStep, SplitStep, Step, WaitStep
from engine.schedule.next_step import NEXT, OTHERWISE

REACHED = "reached"  # of a goal: the passage ends there
HANDED_OVER = "handed over"  # of a raised hand: sales keeps the lead
HAPPENS = 0.2  # of waits of which nothing is known
HOLDS = 0.5  # of branches
SALES_KEEPS = 0.5  # of the hands that a step raises
FEWEST = 20  # people seen at a step before what they did is believed at all
PRIOR_WEIGHT = 5.0  # so many imagined people did as we assume, beside those that were seen
FEWEST_MAILS = 200  # before people's leaving is believed
LONGEST_DELAY = 60  # days


class Source(StrEnum):
    """Where a number comes from."""

    STATED = "stated"  # by whoever asked for the calendar
    OBSERVED = "observed"  # in this installation's own history
    FILE = "file"  # the cadence itself says it: the shares of a split
    ASSUMED = "assumed"  # too little is known yet


@dataclass(frozen=True, slots=True, kw_only=True)
class StepOdds:
    """Which way people go. `shares`: by what a touch records as the way taken, together 1. `sample`: people seen.

    `delays`: of a wait, the share of those to whom it happened on its first day, its second, …; together 1.
    """

    shares: Mapping[str, float]
    source: Source
    sample: int = 0
    delays: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LeavingOdds:
    """How likely a person leaves after one mail, by reason. `sample`: mails seen."""

    rates: Mapping[str, float]
    source: Source
    sample: int = 0

    @property
    def stays(self) -> float:
        return max(0.0, 1.0 - sum(self.rates.values()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Odds:
    """All of them: by (cadence, step) and by cadence. What is missing is assumed."""

    steps: Mapping[tuple[str, str], StepOdds] = field(default_factory=dict)
    leaving: Mapping[str, LeavingOdds] = field(default_factory=dict)

    def at(self, cadence: str, step: Step) -> StepOdds | None:
        """None where people can go one way only."""
        return self.steps.get((cadence, step.id)) or assumed(step)

    def after_mail(self, cadence: str) -> LeavingOdds:
        return self.leaving.get(cadence, NOBODY_LEAVES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was counted at a step: people by the way they took, and for a wait by the days it lasted."""

    ways: Mapping[str, int]
    days: Mapping[int, int] = field(default_factory=dict)


NOBODY_LEAVES = LeavingOdds(rates={}, source=Source.ASSUMED)
SOON = tuple(
    0.5**day for day in range(1, 8)
)  # half of those who will do it do so on the first day, half of the rest on the second …
USUAL_DELAYS = tuple(part / sum(SOON) for part in SOON)


def assumed(step: Step) -> StepOdds | None:
    """What we think of a step as long as nothing is known."""
    match step:
        case SplitStep(arms=arms):
            whole = sum(arm.share for arm in arms) or 1
            return StepOdds(shares={arm.name: arm.share / whole for arm in arms}, source=Source.FILE)
        case BranchStep():
            return StepOdds(shares={NEXT: HOLDS, OTHERWISE: 1 - HOLDS}, source=Source.ASSUMED)
        case WaitStep(condition=str()):
            return StepOdds(shares={NEXT: HAPPENS, OTHERWISE: 1 - HAPPENS}, source=Source.ASSUMED, delays=USUAL_DELAYS)
        case GoalStep(condition=str()):
            return StepOdds(shares={REACHED: 0.0, NEXT: 1.0}, source=Source.ASSUMED)
        case RaiseStep():
            return StepOdds(shares={HANDED_OVER: SALES_KEEPS, NEXT: 1 - SALES_KEEPS}, source=Source.ASSUMED)
    return None


def learnt(step: Step, seen: Seen) -> StepOdds | None:
    """What was seen at a step, drawn a little towards what we assume. None where there is nothing to learn or too little seen."""
    prior = assumed(step)
    people = sum(seen.ways.values())
    if prior is None or isinstance(step, SplitStep) or people < FEWEST:
        return None
    whole = people + PRIOR_WEIGHT
    shares = {way: (seen.ways.get(way, 0) + PRIOR_WEIGHT * share) / whole for way, share in prior.shares.items()}
    delays = learnt_delays(seen.days) if prior.delays else ()
    return StepOdds(shares=shares, source=Source.OBSERVED, sample=people, delays=delays)


def learnt_delays(days: Mapping[int, int]) -> tuple[float, ...]:
    seen = sum(days.values())
    longest = max([len(USUAL_DELAYS) - 1, *(min(day, LONGEST_DELAY) for day in days)])
    counts = [PRIOR_WEIGHT * share for share in USUAL_DELAYS] + [0.0] * (longest + 1 - len(USUAL_DELAYS))
    for day, people in days.items():
        counts[min(max(day, 0), LONGEST_DELAY)] += people
    return tuple(count / (seen + PRIOR_WEIGHT) for count in counts)


def learnt_leaving(mails: int, left: Mapping[str, int]) -> LeavingOdds | None:
    """Of the mails that went out, how many were a person's last, by reason. None where too few went out."""
    if mails < FEWEST_MAILS:
        return None
    rates = {reason: people / mails for reason, people in left.items() if people}
    return LeavingOdds(rates=rates, source=Source.OBSERVED, sample=mails)
