"""Walking every way through a cadence at once, to see what no single step shows: order, gaps, steps nobody reaches.

Before: `engine.compiler.check_cadences`. The walk carries the earliest time at which a lead can be at a step, on a made-up
calendar whose months are long, so that only what is wrong for everybody is called wrong.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import reduce

from engine.compiler.checks import Checks, Journey
from engine.compiler.decided import Decided, aged, decided_above, still_decided, with_decision
from engine.compiler.diagnostics import Place, quote
from engine.compiler.plan import Timing, Window
from engine.compiler.source import Scalar
from engine.compiler.steps import emails_of
from engine.compiler.syntax import (
    BranchStep,
    Cadence,
    EmailStep,
    EnterStep,
    GoalStep,
    LeaveStep,
    RaiseStep,
    SetStep,
    SplitStep,
    Step,
    TaskStep,
    WaitStep,
    WebhookStep,
)
from engine.expressions.condition import Condition
from engine.expressions.tree import Happened, leaves
from engine.spans import LONGEST_IN_DAYS

FIRST_DAY = datetime(2024, 1, 1, tzinfo=UTC)  # a Monday, before a month of 31 days
LAST_DAY = FIRST_DAY + timedelta(days=LONGEST_IN_DAYS)  # no calendar goes on for ever
ASKING_ABOUT_EMAILS = ("opened", "clicked")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """A lead's position: the earliest time it can be there, and what it may have been sent by then.

    `latest`: when those come who took the longest way. `last_email` None: no email yet, or one so long ago that its distance
    is not known. `decided`: what the branches above have found out about the lead.
    """

    earliest: datetime
    latest: datetime
    last_email: tuple[str, datetime] | None = None
    sent: frozenset[str] = frozenset()
    decided: tuple[Decided, ...] = ()


def check_journey(cadence: Cadence, window: Window, checks: Checks) -> Journey:
    """Report what is wrong with the ways through a cadence; how long the longest of them takes."""
    start = FIRST_DAY.replace(hour=window.opens.hour, minute=window.opens.minute)
    walk = Walk(cadence, window, checks)
    out = walk.along(cadence.steps, Reached(earliest=start, latest=start))
    ends = max([start, *walk.latest.values(), out.latest if out else start])
    reentry = cadence.reentry.value
    return Journey(start, walk.latest, None if reentry is None else reentry.after(ends, UTC))


class Walk:
    """One walk through one cadence."""

    def __init__(self, cadence: Cadence, window: Window, checks: Checks) -> None:
        self.gap = cadence.gap
        self.window = window
        self.checks = checks
        self.own_emails = frozenset(emails_of(cadence.steps))
        self.latest: dict[str, datetime] = {}

    def along(self, steps: tuple[Step, ...], reached: Reached | None) -> Reached | None:
        """Where a lead is after these steps; None: nobody comes out at their end."""
        for step in steps:
            if reached is None:
                name = quote(step.id.value)
                self.report("W001", step.id.place, f"nobody reaches {name}: every way before it ends in a goal or leaves")
                return None
            reached = self.past(step, reached)
        return reached

    def past(self, step: Step, reached: Reached) -> Reached | None:
        reached = self.at_planned_time(step, reached)
        self.latest[step.id.value] = reached.latest
        match step:
            case EmailStep():
                return self.past_email(step, reached)
            case SetStep():
                return replace(reached, decided=still_decided(reached.decided, {key.text for key, _ in step.fields}))
            case TaskStep() | WebhookStep() | RaiseStep() | EnterStep():
                return reached
            case LeaveStep():
                return None
            case SplitStep():
                return self.past_split(step, reached)
            case WaitStep():
                return self.past_wait(step, reached)
            case BranchStep():
                return self.past_branch(step, reached)
            case GoalStep():
                self.check_asked_emails(step.condition, reached)
                return None if step.condition is None else reached

    def at_planned_time(self, step: Step, reached: Reached) -> Reached:
        timing = step.timing.value
        planned = self.planned(timing, reached.earliest)
        is_early = planned < reached.earliest if timing.clock else planned.date() < reached.earliest.date()
        if timing.base == "at" and is_early:
            day = (reached.earliest - FIRST_DAY).days
            self.report("E032", step.timing.place, f"{quote(step.id.value)} lies before the step above it, which is on day {day}")
        elif timing.base == "at" and planned.date() < reached.latest.date():
            day = (reached.latest - FIRST_DAY).days
            message = f"{quote(step.id.value)} has passed for those who take the longest way here, which is until day {day}"
            self.report("W012", step.timing.place, message)
        earliest = max(planned, reached.earliest)
        latest = max(self.planned(timing, reached.latest), reached.latest)
        if latest > LAST_DAY > reached.latest:
            self.report("E016", step.timing.place, f"{quote(step.id.value)} comes more than a hundred years after the beginning")
        earliest, latest = min(earliest, LAST_DAY), min(latest, LAST_DAY)
        return replace(reached, earliest=earliest, latest=latest, decided=aged(reached.decided, earliest > reached.earliest))

    def planned(self, timing: Timing, before: datetime) -> datetime:
        base = FIRST_DAY if timing.base == "at" else before
        moment = timing.span.after(base, UTC)
        clock = timing.clock or (self.window.opens if timing.span and timing.span.is_whole_days else None)
        return moment.replace(hour=clock.hour, minute=clock.minute) if clock else moment

    def past_email(self, step: EmailStep, reached: Reached) -> Reached:
        name = step.email.value
        if reached.last_email and self.is_planned_for(reached.last_email[1], step, reached):
            message = f"{quote(step.id.value)} and {quote(reached.last_email[0])} are planned for the same day and time"
            self.report("E056", step.timing.place, message)
        elif reached.last_email and self.is_too_close(reached.last_email[1], reached.earliest):
            message = f"{quote(name)} comes sooner than {self.gap} after {quote(reached.last_email[0])}, which is the gap"
            self.report("W003", step.timing.place, message)
        return replace(reached, last_email=(name, reached.earliest), sent=reached.sent | {name})

    def is_planned_for(self, instant: datetime, step: EmailStep, reached: Reached) -> bool:
        """Whether the step's own `at:` names that instant, so that no wait has brought the two together."""
        timing = step.timing.value
        is_that_day = timing.base == "at" and self.planned(timing, instant).date() == instant.date()
        return is_that_day and reached.earliest == instant

    def is_too_close(self, before: datetime, now: datetime) -> bool:
        if self.gap.is_whole_days:
            return self.gap.after_day(before.date()) > now.date()
        return self.gap.after(before, UTC) > now

    def past_branch(self, step: BranchStep, reached: Reached) -> Reached | None:
        self.check_asked_emails(step.condition, reached)
        condition, choices = self.checks.conditions.check(step.condition), self.checks.conditions.scope.choices
        if condition is None:
            return join(self.along(step.then, reached), self.along(step.otherwise, reached))
        if told := decided_above(condition, reached.decided, choices):
            self.report("W009", step.condition.place, told)
        held = replace(reached, decided=with_decision(reached.decided, condition, True))
        failed = replace(reached, decided=with_decision(reached.decided, condition, False))
        return join(self.along(step.then, held), self.along(step.otherwise, failed))

    def past_wait(self, step: WaitStep, reached: Reached) -> Reached | None:
        over = replace(
            reached,
            earliest=step.timeout.after(reached.earliest, UTC),
            latest=step.timeout.after(reached.latest, UTC),
            decided=aged(reached.decided, True),
        )
        if step.condition is None:
            return over
        self.check_asked_emails(step.condition, reached)
        return join(
            self.along(step.then, replace(over, earliest=reached.earliest, last_email=None)),
            self.along(step.otherwise, over),
        )

    def past_split(self, step: SplitStep, reached: Reached) -> Reached | None:
        """Where the arms meet again; of no arms, as if the split were not there."""
        ends = [self.along(arm.steps, reached) for arm in step.arms] or [reached]
        return reduce(join, ends)

    def check_asked_emails(self, scalar: Scalar | None, reached: Reached) -> None:
        """Report a question about an email of this cadence that nobody can have got yet."""
        condition = self.checks.conditions.check(scalar)
        if scalar is None or condition is None:
            return
        for name in asked_emails(condition) & self.own_emails - reached.sent:
            self.report("W005", scalar.place, f"asks about {quote(name)}, which this cadence sends only later")

    def report(self, code: str, place: Place, message: str) -> None:
        """A warning waits until the file has no errors, for it may be their consequence."""
        if code.startswith("E") or not self.checks.findings.has_errors_in(place.file):
            self.checks.findings.add(code, place, message)


def join(one: Reached | None, other: Reached | None) -> Reached | None:
    """Where two ways meet again: the earlier time, the later email, either's mails."""
    if one is None or other is None:
        return one or other
    last = [reached.last_email for reached in (one, other) if reached.last_email]
    return Reached(
        earliest=min(one.earliest, other.earliest),
        latest=max(one.latest, other.latest),
        last_email=max(last, key=lambda email: email[1], default=None),
        sent=one.sent | other.sent,
        decided=tuple(each for each in one.decided if each in other.decided),
    )


def asked_emails(condition: Condition) -> set[str]:
    """The subjects of its questions about opens and clicks; links are among them."""
    happened = (leaf for leaf in leaves(condition.tree) if isinstance(leaf, Happened))
    return {leaf.subject for leaf in happened if leaf.function in ASKING_ABOUT_EMAILS and leaf.subject}
