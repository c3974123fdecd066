"""One walk through a cadence for all who stand at the same place: the mails to be expected, and what became of the others. Pure.

Before: `engine.calendar.groups` put people together who share a place, a date and a zone. After: `engine.calendar.forecast` adds
the walks up. Every date comes from `engine.schedule.next_step`, which the engine itself asks, so that the two cannot disagree.
People who part at a branch are walked on as parts of one, and join again as soon as their dates are the same.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import NamedTuple

from engine.calendar.odds import HANDED_OVER, REACHED, Odds, StepOdds
from engine.calendar.road import Road
from engine.compiler.plan import EmailStep, EnterStep, GoalStep, LeaveStep, Step, WaitStep
from engine.schedule.next_step import (
    NEXT,
    NOTHING_TAKEN,
    OTHERWISE,
    Ended,
    Passage,
    Took,
    due_again,
    next_step,
    timeout_at,
)
from engine.schedule.timing import end_of_gap, local_date
from engine.vocabulary import Reason

BEYOND = "beyond"  # what happens after the last day that was asked for
REMOVED = Reason.REMOVED.value
DAY = timedelta(days=1)
TOO_FEW = 1e-9  # of one person


class At(NamedTuple):
    """A part of a group on its way: the dates of the step that it comes to. `mailed_at` None: the gap holds nothing back.

    A plain tuple, since there are many.
    """

    on: date
    due_at: datetime
    since: datetime  # when the step before ended
    mailed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a group stands. `stopped`: why no mail goes to them; None where it does.

    `shut`: the cadences that would not take them in, for ever (None) or before an instant.
    """

    road: Road
    passage: Passage
    step_id: str
    at: At
    stopped: str | None = None
    sent_before: frozenset[str] = frozenset()
    taken: tuple[tuple[str, Took], ...] = ()
    shut: tuple[tuple[str, datetime | None], ...] = ()

    def may_enter(self, cadence: str, at: datetime) -> bool:
        return self.stopped is None and not any(name == cadence and (until is None or at < until) for name, until in self.shut)


@dataclass(slots=True)
class Walked:
    """What is to be expected of one person of a group.

    `sends`: mails by (day as an ordinal, step). `unsent`: mails that a person came to and did not get, by (step, reason).
    `ended`: where the one person is in the end, by reason; together 1. `pushed`: mails by (day, what moved them there: window,
    holiday or gap). `entered`: (cadence, when, part of a person).
    """

    sends: dict[tuple[int, str], float] = field(default_factory=lambda: defaultdict(float))
    unsent: dict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))
    ended: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    reached: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    pushed: dict[tuple[int, str], float] = field(default_factory=lambda: defaultdict(float))
    entered: list[tuple[str, datetime, float]] = field(default_factory=list)


def walk(place: Place, odds: Odds, *, now: datetime, until: date) -> Walked:
    """What is to be expected of one person who stands there, from `now` to the end of `until`. Nothing may be overdue there."""
    walker = Walker(place=place, odds=odds, now=now, until=until)
    if place.step_id not in place.road.course.steps:
        walker.walked.ended[REMOVED] += 1.0
        return walker.walked
    walker.arrive(place.step_id, place.at, 1.0)
    return walker.run()


def begin(road: Road, passage: Passage, odds: Odds, *, at: datetime, until: date, stopped: str | None = None) -> Walked:
    """What is to be expected of one person who comes in at `at`."""
    found = next_step(road.course, passage, None, now=at)
    assert found.step is not None and found.planned is not None  # a cadence has a first step
    first = At(found.planned.on, found.planned.due_at, at, None)
    place = Place(road=road, passage=passage, step_id=found.step.id, at=first, stopped=stopped)
    walker = Walker(place=place, odds=odds, now=at, until=until)
    walker.arrive(found.step.id, first, 1.0)
    return walker.run()


def caught_up(road: Road, passage: Passage, step_id: str, at: At, now: datetime) -> At:
    """What is overdue happens as soon as it may."""
    if at.due_at >= now:
        return at
    step, due_at = road.course.steps.get(step_id), now
    if isinstance(step, EmailStep):
        due_at = due_again(road.course, step, passage, on=at.on, created_at=at.since, mailed_at=at.mailed_at, now=now)
    return at._replace(due_at=due_at)


@dataclass(slots=True, kw_only=True)
class Walker:
    """Takes the steps in their order; `waiting` holds who has come to each, by their dates."""

    place: Place
    odds: Odds
    now: datetime
    until: date
    waiting: dict[str, dict[At, float]] = field(default_factory=dict)
    walked: Walked = field(default_factory=Walked)

    def arrive(self, step_id: str, at: At, part: float) -> None:
        here = self.waiting.setdefault(step_id, {})
        here[at] = here.get(at, 0.0) + part

    def run(self) -> Walked:
        for step in self.place.road.order:
            for at, part in self.waiting.pop(step.id, {}).items():
                self.take(step, at, part)
        return self.walked

    def take(self, step: Step, at: At, part: float) -> None:
        """What becomes of a part of the group at a step."""
        day = local_date(at.due_at, self.place.passage.zone)
        if day > self.until:
            self.walked.ended[BEYOND] += part
            return
        self.walked.reached[step.id] = self.walked.reached.get(step.id, 0.0) + part
        chances = self.odds.at(self.place.road.name, step)
        match step:
            case EmailStep():
                self.mail(step, at, part, day)
            case LeaveStep() | GoalStep(condition=None):
                self.walked.ended[Reason.GOAL.value if isinstance(step, GoalStep) else step.because] += part
            case WaitStep(condition=str()):
                assert chances is not None
                self.wait(step, at, part, chances)
            case EnterStep(cadence=cadence):
                if self.place.may_enter(cadence, at.due_at):
                    self.walked.entered.append((cadence, at.due_at, part))
                self.go_on(step, at, NEXT, at.due_at, part)
            case _ if chances is not None:
                self.part_ways(step, at, part, chances)
            case _:
                self.go_on(step, at, NEXT, at.due_at, part)

    def mail(self, step: EmailStep, at: At, part: float, day: date) -> None:
        """It goes out, and some of those who get it leave; or it does not, and everybody goes on."""
        plan = self.place.road.course.plan
        shadow = Reason.SHADOW.value if step.shadow or plan.shadow else None
        stopped = self.place.stopped or shadow
        if stopped is not None:
            self.walked.unsent[step.id, stopped] += part
            self.go_on(step, at, NEXT, at.due_at, part)
            return
        number = day.toordinal()
        self.walked.sends[number, step.id] += part
        if pushed := self.pushed_by(at, day):
            self.walked.pushed[number, pushed] += part
        leaving = self.odds.after_mail(plan.name)
        for reason, rate in leaving.rates.items():
            self.walked.ended[reason] += part * rate
        self.go_on(step, at, NEXT, at.due_at, part * leaving.stays, mailed_at=at.due_at)

    def pushed_by(self, at: At, day: date) -> str | None:
        """What kept the mail from the day that the cadence names."""
        passage, window = self.place.passage, self.place.road.course.plan.window
        wanted = at.on + timedelta(days=passage.shift_days)
        if day <= wanted or wanted < local_date(self.now, passage.zone):
            return None
        if wanted.weekday() not in window.weekdays:
            return "window"
        return "holiday" if window.holidays and wanted in passage.days_off else "gap"

    def wait(self, step: WaitStep, at: At, part: float, chances: StepOdds) -> None:
        """To some it happens, day by day; those who wait already have not had it so far."""
        course, passage = self.place.road.course, self.place.passage
        timeout = timeout_at(course, step, passage, on=at.on, created_at=at.since)
        in_time = [(at.since + day * DAY, share) for day, share in enumerate(chances.delays) if at.since + day * DAY < timeout]
        happens = chances.shares[NEXT] / (sum(share for _when, share in in_time) or 1.0)
        ahead = [(when, share) for when, share in in_time if self.now <= when + DAY]
        never = 1.0 - chances.shares[NEXT]
        whole = happens * sum(share for _when, share in ahead) + never
        for when, share in ahead:
            self.go_on(step, at, NEXT, max(when, self.now, at.due_at), part * happens * share / whole if whole else 0.0)
        self.go_on(step, at, OTHERWISE, max(timeout, self.now), part * (never / whole if whole else 1.0))

    def part_ways(self, step: Step, at: At, part: float, chances: StepOdds) -> None:
        for took, share in chances.shares.items():
            if took in (REACHED, HANDED_OVER):
                self.walked.ended[Reason.GOAL.value if took == REACHED else Reason.HANDOFF.value] += part * share
            else:
                self.go_on(step, at, took, at.due_at, part * share)

    def go_on(
        self, step: Step, at: At, took: Took, ended_at: datetime, part: float, *, mailed_at: datetime | None = None
    ) -> None:
        """To the next step, by the engine's own arithmetic."""
        if part < TOO_FEW:
            self.walked.ended[BEYOND] += part
            return
        place = self.place
        mailed_at = mailed_at or at.mailed_at
        ended = Ended(step_id=step.id, took=took, on=at.on, at=ended_at, mailed_at=mailed_at)
        found = next_step(
            place.road.course, place.passage, ended, now=ended_at, sent_before=place.sent_before, taken=taken_of(place)
        )
        for step_id, _on in found.passed:
            self.walked.reached[step_id] = self.walked.reached.get(step_id, 0.0) + part
            self.walked.unsent[step_id, Reason.SENT_BEFORE.value] += part
        if found.step is None or found.planned is None:
            self.walked.ended[Reason.END.value] += part
            return
        due_at = found.planned.due_at
        self.arrive(
            found.step.id, At(found.planned.on, due_at, self.since(found.step, ended_at), self.held_by(mailed_at, due_at)), part
        )

    def since(self, step: Step, ended_at: datetime) -> datetime:
        """Only waits ask when the step before them ended; others would be kept apart by it for nothing."""
        return ended_at if isinstance(step, WaitStep) else self.now

    def held_by(self, mailed_at: datetime | None, due_at: datetime) -> datetime | None:
        """The last mail, for as long as the gap behind it may hold back another."""
        road = self.place.road
        if mailed_at is None or not road.course.plan.gap:
            return None
        if road.gap_is_over_after is not None and due_at - mailed_at > road.gap_is_over_after:
            return None
        passage = self.place.passage
        over_at = end_of_gap(road.course.plan.gap, mailed_at, passage.zone, passage.days_off)
        return mailed_at if over_at > due_at else None


def taken_of(place: Place) -> Mapping[str, Took]:
    return dict(place.taken) if place.taken else NOTHING_TAKEN
