"""What the caps do to the mails that are to be expected: which they hold back, and the day on which these go instead. Pure.

Before: `engine.calendar.walk` has the mails of each walk by day, as planned. After: `engine.calendar.forecast` moves them. The
caps are those that `engine.deliver.gate` counts: the lead's day, its last 7 and its last 30, over all that a person is in.
Where nothing is left to chance it is as the gate does it. Where mails are only likely, a person who comes to one is taken to have
had as many before as are to be expected of those who have not left: who answers or opts out leaves all cadences at once.
"""

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from math import floor, inf
from typing import NamedTuple

from engine.compiler.plan import CadencePlan, Caps, EmailStep, Policy
from engine.deliver.caps import LONGEST_SPAN, limits_of
from engine.spans import DaysOff

LEAST = 1e-6  # of one mail to one person


class Mail(NamedTuple):
    """A mail as planned. `mails`: how many are expected of one who began; `likely`: of one who has not left by then."""

    day: int
    way: int
    step: str
    mails: float
    likely: float
    rank: tuple[float, ...]  # the least goes first


class Moved(NamedTuple):
    """What the caps held back of a mail. `cap`: which did, or None where only the mail before it did not go yet.

    `to`: the day on which it goes; None: it is dropped, or it still waits on the last day.
    """

    way: int
    step: str
    day: int
    cap: str | None
    to: int | None
    mails: float


@dataclass(frozen=True, eq=False, kw_only=True)
class Way:
    """A walk through one cadence as the caps see it.

    `stays`: how many do after each mail. `priority`: the one in force now. `before`: the steps from which one may come to a step.
    """

    plan: CadencePlan
    priority: int
    days_off: DaysOff
    stays: float
    before: Mapping[str, frozenset[str]]
    sends: Mapping[tuple[int, str], float]

    def is_open(self, day: int) -> bool:
        on, window = date.fromordinal(day), self.plan.window
        return on.weekday() in window.weekdays and not (window.holidays and on in self.days_off)

    def gap_is_over(self, mailed_on: int, day: int) -> bool:
        gap = self.plan.gap
        return not gap.is_whole_days or gap.after_day(date.fromordinal(mailed_on), self.days_off).toordinal() <= day

    @cached_property
    def likely(self) -> list[tuple[int, str, float, float]]:
        """(day, step, mails of one who began, of one who has not left by then), by day."""
        found, gone, today, last = [], 0.0, 0.0, None
        for (day, step), mails in sorted(self.sends.items()):
            if day != last:
                gone, today, last = gone + today, 0.0, day
            found.append((day, step, mails, min(1.0, mails / max(1.0 - gone, LEAST))))
            today += mails * (1.0 - self.stays)
        return found


def moved_by_caps(policy: Policy, ways: Sequence[Way], counted: Mapping[int, float], *, last: int) -> Iterable[Moved]:
    """What becomes otherwise for one person who is on all these ways at once. `counted`: mails that count already, by day."""
    if sum(len(way.sends) for way in ways) < 1:
        return ()
    mails = ranked(policy, ways)
    return Queue(policy=policy, ways=ways, counted=counted).run(mails, last) if may_bind(policy.caps, mails, counted) else ()


def ranked(policy: Policy, ways: Sequence[Way]) -> list[Mail]:
    """All mails by their day, with what decides which goes first."""
    deadlines = [valid_days(way.plan) if policy.between.first == "deadline" else {} for way in ways]
    return sorted(
        Mail(day, number, step, mails, likely, (day + deadlines[number].get(step, inf), -way.priority, day))
        for number, way in enumerate(ways)
        for day, step, mails, likely in way.likely
    )


def valid_days(plan: CadencePlan) -> dict[str, float]:
    steps = [step for step in plan.steps if isinstance(step, EmailStep) and step.valid_for is not None]
    return {step.id: 31 * span.months + span.days + span.seconds / 86_400 for step in steps if (span := step.valid_for)}


def may_bind(caps: Caps, mails: Sequence[Mail], counted: Mapping[int, float]) -> bool:
    """Whether anybody can come to a cap at all: most never do."""
    for limit, span, _name in limits_of(caps):
        steps: Counter[tuple[int, str]] = Counter()
        first = 0
        for mail in mails:
            steps[mail.way, mail.step] += 1
            while mails[first].day <= mail.day - span:
                leaving = mails[first].way, mails[first].step
                steps[leaving] -= 1
                if not steps[leaving]:
                    del steps[leaving]
                first += 1
            if len(steps) + sum(had for day, had in counted.items() if day > mail.day - span) > limit:
                return True
    return False


@dataclass(slots=True)
class Waiting:
    """A mail that is to go, and the part of it that went."""

    mail: Mail
    gone: float = 0.0
    cap: str | None = None


class Kept(NamedTuple):
    """A part of a mail that goes."""

    day: int
    way: int
    step: str
    likely: float
    moved: bool


@dataclass(slots=True, kw_only=True)
class Queue:
    """The mails to one person, day by day: each goes as far as there is room, in the order in which the gate lets them."""

    policy: Policy
    ways: Sequence[Way]
    counted: Mapping[int, float]
    waiting: list[Waiting] = field(default_factory=list)
    kept: deque[Kept] = field(default_factory=deque)
    moved: list[Moved] = field(default_factory=list)

    def run(self, mails: Sequence[Mail], last: int) -> list[Moved]:
        coming, day = deque(mails), mails[0].day
        if any(not limit for limit, _span, _name in limits_of(self.policy.caps)):
            last = day - 1  # a cap of 0 lets nothing through
        while (coming or self.waiting) and day <= last:
            if not self.waiting:
                day = max(day, coming[0].day)
            while coming and coming[0].day <= day:
                self.waiting.append(Waiting(coming.popleft()))
            self.let_go(day)
            day += 1
        for each in (*self.waiting, *map(Waiting, coming)):
            self.note(each, None, 1.0 - each.gone)
        return self.moved

    def let_go(self, day: int) -> None:
        """One day."""
        while self.kept and self.kept[0].day <= day - LONGEST_SPAN:
            self.kept.popleft()
        drops = self.policy.between.loser == "drop"
        today, self.waiting = sorted(self.waiting, key=lambda each: (each.mail.rank, each.mail.way)), []
        for each in today:
            share = self.share_with_room(each, day) if self.is_open(each.mail, day) else 0.0
            self.send(each, day, min(share, 1.0 - self.held_by_own(each.mail, day)) - each.gone)
            if 1.0 - each.gone > LEAST and drops:
                self.note(each, None, 1.0 - each.gone)
            elif 1.0 - each.gone > LEAST:
                self.waiting.append(each)

    def is_open(self, mail: Mail, day: int) -> bool:
        return day == mail.day or self.ways[mail.way].is_open(day)

    def send(self, each: Waiting, day: int, part: float) -> None:
        if part <= LEAST:
            return
        mail = each.mail
        self.kept.append(Kept(day, mail.way, mail.step, mail.likely * part, day > mail.day))
        if day > mail.day:
            self.note(each, day, part)
        each.gone += part

    def note(self, each: Waiting, to: int | None, part: float) -> None:
        mail = each.mail
        cap = each.cap or (None if to is not None else "day")
        self.moved.append(Moved(mail.way, mail.step, mail.day, cap, to, mail.mails * part))

    def share_with_room(self, each: Waiting, day: int) -> float:
        """The part of those who come to the mail for whom every cap has room on that day."""
        mail, least = each.mail, 1.0
        for limit, span, name in limits_of(self.policy.caps):
            share = chance_below(limit, self.had(mail, day - span))
            if share < least - LEAST:
                least, each.cap = share, each.cap or name
        return least

    def had(self, mail: Mail, since: int) -> Iterable[float]:
        """How many mails they are to have had after that day: before today, and of each cadence."""
        by_way = [0.0] * len(self.ways)
        for kept in self.kept:
            if kept.day > since and (kept.way != mail.way or kept.step in self.ways[mail.way].before[mail.step]):
                by_way[kept.way] += kept.likely
        return (*by_way, sum(mails for day, mails in self.counted.items() if day > since))

    def held_by_own(self, mail: Mail, day: int) -> float:
        """The part that waits for a mail before it in its own cadence: one that was held back, or the gap behind it."""
        way = self.ways[mail.way]
        ahead = sum(
            each.mail.likely * (1.0 - each.gone)
            for each in self.waiting
            if each.mail.way == mail.way and each.mail.step in way.before[mail.step]
        )
        behind = sum(
            kept.likely
            for kept in self.kept
            if kept.moved and kept.way == mail.way and kept.step in way.before[mail.step] and not way.gap_is_over(kept.day, day)
        )
        return min(1.0, ahead + behind)


def chance_below(limit: int, expected: Iterable[float]) -> float:
    """How likely less than `limit` came, of numbers that are each as near to what is expected of them as whole numbers can be."""
    sure, chances = 0, [1.0]
    for number in expected:
        whole = floor(number + LEAST)
        sure, part = sure + whole, max(0.0, number - whole)
        if part > LEAST:
            with_it = [0.0, *(part * chance for chance in chances)]
            chances = [a + b * (1 - part) for a, b in zip(with_it, [*chances, 0.0], strict=True)]
    return min(1.0, sum(chances[: max(0, limit - sure)]))
