"""Where the plan meets something in its way: caps, holidays, weekends, crowded days, one domain's peak; in plain words. Pure.

Before: `engine.calendar.forecast` has all numbers. After: every form of the calendar lists these findings, by their date. A
finding says when, how many mails, why, and what could be done about it.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import median
from typing import Literal

from engine.calendar.expected import OTHER_DOMAINS, Forecast

MOST = 60
CROWDED, LEAST_CROWD = 1.6, 10.0  # times the usual of that weekday; mails more than usual
NEAR = 6  # weeks on both sides that say what is usual
UNEVEN = 1.8  # the fullest weekday against the others
DOMAIN_JUMP, LEAST_PEAK = 3.0, 200.0
DOMAIN_WEEKS = 4
FEWEST = 0.5  # mails; less than that is not worth a line
CAP_WORDS = {"day": "in one day", "week": "in 7 days", "month": "in 30 days"}

Kind = Literal["cap", "holiday", "crowd", "weekday", "domain"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Collision:
    """`until`: the last day, where it is about several. `mails`: how many are concerned."""

    day: date
    until: date
    kind: Kind
    mails: float
    reason: str
    advice: str


def collisions(found: Forecast) -> list[Collision]:
    """The largest of each kind first chosen, then by date."""
    every = [*over_caps(found), *on_holidays(found), *crowds(found), *uneven_weeks(found), *domain_peaks(found)]
    largest = sorted(every, key=lambda each: -each.mails)[:MOST]
    return sorted(largest, key=lambda each: (each.day, each.kind, each.reason))


def over_caps(found: Forecast) -> Iterator[Collision]:
    """Days for which people were to get more than the caps let through; neighbouring days are one finding."""
    cases: dict[tuple[str, tuple[str, ...]], dict[int, float]] = defaultdict(dict)
    for (day, cap, names), mails in found.capped.items():
        cases[cap, names][day] = mails
    for (cap, names), days in cases.items():
        for first, last, mails in together(days, within=7):
            yield Collision(
                day=date.fromordinal(first), until=date.fromordinal(last), kind="cap", mails=mails,
                reason=f"{people_in(names)} would get more mails {CAP_WORDS[cap]} than the cap allows",
                advice=advice_on_cap(names, drops=found.drops),
            )  # fmt: skip


def people_in(names: Sequence[str]) -> str:
    return f"people in {' and '.join(names)} at once" if len(names) > 1 else f"people in {names[0]}"


def advice_on_cap(names: Sequence[str], *, drops: bool) -> str:
    over = "The mails over it are left out, as workspace.yaml says." if drops else "The mails over it wait for a day with room."
    if len(names) > 1:
        return f"{over} Let one cadence go first by its priority, or enter people apart."
    return f"{over} Put the steps further apart, or raise the cap in workspace.yaml."


def together(days: Mapping[int, float], *, within: int) -> Iterator[tuple[int, int, float]]:
    """Days near each other as one: (first, last, sum)."""
    first = last = None
    mails = 0.0
    for day in sorted(days):
        if first is None or last is None or day - last > within:
            if first is not None and last is not None and mails >= FEWEST:
                yield first, last, mails
            first, mails = day, 0.0
        last = day
        mails += days[day]
    if first is not None and last is not None and mails >= FEWEST:
        yield first, last, mails


def on_holidays(found: Forecast) -> Iterator[Collision]:
    """Days that get the mails of a holiday before them."""
    moved: dict[int, float] = defaultdict(float)
    for (day, _cadence, what), mails in found.pushed.items():
        if what == "holiday":
            moved[day] += mails
    for day, mails in moved.items():
        if mails >= FEWEST:
            yield Collision(
                day=date.fromordinal(day), until=date.fromordinal(day), kind="holiday", mails=mails,
                reason="mails of public holidays before it come on this day",
                advice="Nothing need be done, unless the mail is about the day itself: then give the step a date before it.",
            )  # fmt: skip


def crowds(found: Forecast) -> Iterator[Collision]:
    """Days far fuller than the same weekday in the weeks around."""
    totals, by_date = found.totals(), found.by_date()
    for day, mails in totals.items():
        around = [totals.get(day + 7 * week, 0.0) for week in range(-NEAR, NEAR + 1) if week and day + 7 * week in found.days]
        usual = median(around) if around else 0.0
        if mails - usual >= LEAST_CROWD and mails > CROWDED * usual:
            cadence, step, most = fullest_step(by_date[day])
            yield Collision(
                day=date.fromordinal(day), until=date.fromordinal(day), kind="crowd", mails=mails,
                reason=f"only {usual:,.0f} mails are usual here; {most:,.0f} of these are {step} of {cadence}",
                advice="Many came in on one day. If that is more than sales can answer, take the next ones in over several days.",
            )  # fmt: skip


def fullest_step(here: Mapping[tuple[str, str], float]) -> tuple[str, str, float]:
    (cadence, step), mails = max(here.items(), key=lambda item: item[1])
    return cadence, step, mails


def uneven_weeks(found: Forecast) -> Iterator[Collision]:
    """One weekday that always carries what the closed days before it leave."""
    by_weekday: dict[int, float] = defaultdict(float)
    for day, mails in found.totals().items():
        by_weekday[date.fromordinal(day).weekday()] += mails
    if len(by_weekday) < 2:
        return
    fullest = max(by_weekday, key=lambda weekday: by_weekday[weekday])
    others = (sum(by_weekday.values()) - by_weekday[fullest]) / (len(by_weekday) - 1)
    moved = sum(
        mails for (day, _cadence, what), mails in found.pushed.items()
        if what == "window" and date.fromordinal(day).weekday() == fullest
    )  # fmt: skip
    if by_weekday[fullest] > UNEVEN * others and moved >= LEAST_CROWD:
        yield Collision(
            day=found.begins, until=found.ends, kind="weekday", mails=moved,
            reason=f"every {day_name(fullest)} carries {by_weekday[fullest] / others:.1f} times another day, "
            "for the mails of the closed days before it wait for it",
            advice="Count in weeks or in business days rather than in months, or open the window on more days.",
        )  # fmt: skip


def day_name(weekday: int) -> str:
    return f"{date.min + timedelta(days=weekday):%A}"


def domain_peaks(found: Forecast) -> Iterator[Collision]:
    """Days on which one mail host gets several times what it is used to from us."""
    for domain, days in found.domains.items():
        if domain == OTHER_DOMAINS or not days:
            continue
        day = max(days, key=lambda each: days[each])
        before = [days.get(earlier, 0.0) for earlier in range(max(day - 7 * DOMAIN_WEEKS, found.begins.toordinal()), day)]
        usual = sum(before) / max(1, len(before)) * 1.4  # a week has five days of mail
        if before and days[day] >= LEAST_PEAK and days[day] > DOMAIN_JUMP * usual:
            yield Collision(
                day=date.fromordinal(day), until=date.fromordinal(day), kind="domain", mails=days[day],
                reason=f"all of them to {domain}, after {usual:,.0f} a day in the weeks before",
                advice="Mail hosts slow down senders that jump. Take people in over several days, or limit the relay.",
            )  # fmt: skip
