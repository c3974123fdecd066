"""The calendar in the form that JSON, the CSV and the page share: plain values, amounts rounded, dates in ISO form. Pure.

Before: `engine.calendar.forecast` and `engine.calendar.collisions`. After: `engine.cli.calendar` prints it and
`engine.calendar.page` shows it. Nobody's name and no address is in it, only the domains of addresses.
"""

import csv
import io
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any

from engine.calendar.collisions import Collision, collisions
from engine.calendar.expected import OTHER_DOMAINS, Forecast
from engine.calendar.odds import FEWEST, FEWEST_MAILS, Source, StepOdds
from engine.calendar.walk import BEYOND
from engine.compiler.plan import Step
from engine.graph.words import ways_on

WAYS = {"next": "yes", "otherwise": "no"}


def as_plain(found: Forecast) -> dict[str, Any]:
    """Everything, for JSON."""
    by_day = found.by_day()
    totals, newcomers = found.totals(), found.newcomers_by_day()
    return {
        "begins": found.begins.isoformat(),
        "ends": (found.ends - timedelta(days=1)).isoformat(),
        "held_back": list(found.held_back),
        "people": found.people,
        "passages": found.passages,
        "groups": found.groups,
        "mails": rounded(sum(totals.values())),
        "mails_to_newcomers": rounded(sum(found.newcomers.values())),
        "delayed_by_caps": rounded(sum(found.delayed.values())),
        "cadences": [cadence_told(found, name, sum(by_day[name].values())) for name in cadences_shown(found)],
        "days": [
            {
                "day": date.fromordinal(day).isoformat(),
                "mails": rounded(totals.get(day, 0.0)),
                "to_newcomers": {name: rounded(new[day]) for name, new in newcomers.items() if new.get(day)},
                "by_cadence": {name: rounded(days[day]) for name, days in by_day.items() if days.get(day)},
            }
            for day in found.days
        ],
        "domains": domains_told(found),
        "collisions": [collision_told(each) for each in collisions(found)],
        "not_sent": not_sent(found),
        "odds": list(odds_told(found)),
        "newcomers": [
            {"cadence": name, "in_a_week": rounded(rate.in_a_week), "source": rate.source.value, "weeks": rate.weeks}
            for name, rate in sorted(found.new.items())
        ],
    }


def cadences_shown(found: Forecast) -> list[str]:
    """Those with people or mails in them, the fullest first."""
    mails = {name: sum(days.values()) for name, days in found.by_day().items()}
    shown = [name for name in mails if mails[name] or found.inside[name]]
    return sorted(shown, key=lambda name: (-mails[name], name))


def cadence_told(found: Forecast, name: str, mails: float) -> dict[str, Any]:
    ended = {reason: rounded(people) for (cadence, reason), people in found.ended.items() if cadence == name and people >= 0.05}
    return {
        "cadence": name,
        "title": found.plans[name].title,
        "inside": found.inside[name],
        "standing_still": found.standing_still[name],
        "mails": rounded(mails),
        "mails_to_newcomers": rounded(sum(found.newcomers_by_day().get(name, {}).values())),
        "delayed_by_caps": rounded(found.delayed.get(name, 0.0)),
        "ended": dict(sorted(ended.items(), key=lambda item: -item[1])),
        "still_inside": ended.get(BEYOND, 0.0),
    }


def domains_told(found: Forecast) -> list[dict[str, Any]]:
    told = []
    for domain, days in found.domains.items():
        if not days:
            continue
        peak = max(days, key=lambda day: days[day])
        told.append(
            {
                "domain": domain,
                "mails": rounded(sum(days.values())),
                "fullest_day": date.fromordinal(peak).isoformat(),
                "on_that_day": rounded(days[peak]),
            }
        )
    return sorted(told, key=lambda each: (each["domain"] == OTHER_DOMAINS, -each["mails"]))


def collision_told(each: Collision) -> dict[str, Any]:
    return {
        "day": each.day.isoformat(),
        "until": each.until.isoformat(),
        "kind": each.kind,
        "mails": rounded(each.mails),
        "reason": each.reason,
        "advice": each.advice,
    }


def not_sent(found: Forecast) -> list[dict[str, Any]]:
    """Mails that people come to and do not get, by cadence and reason."""
    together: dict[tuple[str, str], float] = defaultdict(float)
    for (cadence, _step, reason), mails in found.unsent.items():
        together[cadence, reason] += mails
    return [
        {"cadence": cadence, "reason": reason, "mails": rounded(mails)}
        for (cadence, reason), mails in sorted(together.items(), key=lambda item: -item[1])
        if mails >= 0.05
    ]


def odds_told(found: Forecast) -> Iterator[dict[str, Any]]:
    """Every number that was reckoned with, and where it comes from."""
    for name in cadences_shown(found):
        leaving = found.odds.after_mail(name)
        yield {
            "cadence": name,
            "step": None,
            "what": "leave after a mail",
            "shares": {reason: round(rate, 5) for reason, rate in sorted(leaving.rates.items())},
            "source": leaving.source.value,
            "sample": leaving.sample,
        }
        for step in found.plans[name].steps:
            odds = found.odds.at(name, step)
            if odds is not None and (name, step.id) in found.reached:
                yield step_odds_told(name, step, odds)


def step_odds_told(name: str, step: Step, odds: StepOdds) -> dict[str, Any]:
    labels = {way.took: way.label for way in ways_on(step) if step.kind != "split"}
    return {
        "cadence": name,
        "step": step.id,
        "what": getattr(step, "condition", None) or step.kind,
        "shares": {labels.get(way) or way: round(share, 4) for way, share in odds.shares.items()},
        "source": odds.source.value,
        "sample": odds.sample,
    }


def rate_in_words(each: Mapping[str, Any]) -> str:
    """How many come in, and how that is known."""
    known = f"the median of the last {each['weeks']} weeks here" if each["source"] == Source.OBSERVED else "as stated"
    return f"{each['in_a_week']:g} people a week come into {each['cadence']} ({known})"


def source_in_words(source: str, sample: int, *, of_mails: bool = False) -> str:
    """Where a number comes from, for a person."""
    match Source(source):
        case Source.OBSERVED:
            return f"observed here, from {sample:,} {'mails' if of_mails else 'people'}"
        case Source.STATED:
            return "stated by whoever asked for this calendar"
        case Source.FILE:
            return "as the cadence says"
    fewest = f"{FEWEST_MAILS} mails" if of_mails else f"{FEWEST} people"
    return f"assumed: fewer than {fewest} seen so far"


def rounded(amount: float) -> float:
    return round(amount, 2)


def csv_of(found: Forecast) -> str:
    """A line for each day and cadence with mail."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["day", "cadence", "mails"])
    by_day = found.by_day()
    for day in found.days:
        for name in sorted(by_day):
            if by_day[name].get(day):
                writer.writerow([date.fromordinal(day).isoformat(), name, rounded(by_day[name][day])])
    return out.getvalue()
