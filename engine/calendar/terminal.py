"""The calendar on a terminal of 80 columns: bars by month or week, what stands in the way, and what was reckoned with. Pure.

Before: `engine.calendar.told`. After: `engine.cli.calendar` prints the lines.
"""

import textwrap
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any

from engine.calendar.told import rate_in_words, source_in_words
from engine.graph.flow import counted
from engine.graph.letters import shown

MARKS = "█▓▒░▞▚╳•"
WIDTH = 80
BAR = 52
MOST_COLLISIONS, MOST_DOMAINS = 12, 6


def lines_of(told: Mapping[str, Any], *, by_week: bool = False) -> Iterator[str]:
    """Every line."""
    yield f"{amount(told['mails'])} mails expected from {told['begins']} to {told['ends']}, after the caps"
    yield f"{counted(told['people'], 'person is', 'people are')} inside, in {counted(told['passages'], 'passage')}"
    yield from newcomers(told)
    for held in told["held_back"]:
        yield from folded(f"NOW {held}; the calendar is as if it were not, but for who stands still", "  ")
    if not told["cadences"]:
        yield "Nobody is inside a cadence, so there is nothing to see yet; `handraiser enrol` takes people in"
        return
    yield ""
    yield from legend(told)
    yield ""
    yield from bars(told, by_week=by_week)
    yield from section("What stands in the way", collisions(told))
    yield from section("The largest domains", domains(told))
    yield from section("Not sent", not_sent(told))
    yield from section("Reckoned with", odds(told))


def newcomers(told: Mapping[str, Any]) -> Iterator[str]:
    for each in told["newcomers"]:
        yield from folded(f"still to come: {rate_in_words(each)}", "  ")
    if told["newcomers"]:
        yield f"{amount(told['mails_to_newcomers'])} of the mails are to people still to come (--new none leaves them out)"
    else:
        yield "Only people who are inside now; --new 50/week adds those who are still to come"
    if told["delayed_by_caps"]:
        yield f"{amount(told['delayed_by_caps'])} of the mails go later than planned, for the caps have no room before"


def legend(told: Mapping[str, Any]) -> Iterator[str]:
    for mark, cadence in marked(told):
        still = f", {cadence['standing_still']:,} of them standing still" if cadence["standing_still"] else ""
        name, inside = cut(cadence["cadence"], 26), f"{cadence['inside']:,} inside{still}"
        yield f"  {mark} {name:<26}{amount(cadence['mails']):>9} mails, {inside}"
        if cadence["mails_to_newcomers"]:
            yield f"    {'':<26}{amount(cadence['mails_to_newcomers']):>9} of them to people still to come"


def marked(told: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    return [(MARKS[min(number, len(MARKS) - 1)], cadence) for number, cadence in enumerate(told["cadences"])]


def bars(told: Mapping[str, Any], *, by_week: bool) -> Iterator[str]:
    """One bar for each month or week, in which each cadence has its mark."""
    sums: dict[str, dict[str, float]] = {}
    for day in told["days"]:
        into = sums.setdefault(period_of(day["day"], by_week=by_week), defaultdict(float))
        for name, mails in day["by_cadence"].items():
            into[name] += mails
    most = max((sum(each.values()) for each in sums.values()), default=0.0) or 1.0
    for period, mails in sums.items():
        yield f"  {period:<10} {bar(told, mails, most):<{BAR}} {amount(sum(mails.values())):>9}"


def period_of(day: str, *, by_week: bool) -> str:
    if not by_week:
        return day[:7]
    parsed = date.fromisoformat(day)
    return (parsed - timedelta(days=parsed.weekday())).isoformat()


def bar(told: Mapping[str, Any], mails: Mapping[str, float], most: float) -> str:
    """Its length is that of the sum; where a cadence is too small for a mark, its neighbours have the room."""
    drawn, so_far = "", 0.0
    for mark, cadence in marked(told):
        so_far += mails.get(cadence["cadence"], 0.0)
        drawn += mark * (round(so_far / most * BAR) - len(drawn))
    return drawn or ("·" if so_far else "")


def collisions(told: Mapping[str, Any]) -> Iterator[str]:
    advised = set()
    largest = sorted(told["collisions"], key=lambda each: -each["mails"])[:MOST_COLLISIONS]
    for each in sorted(largest, key=lambda each: str(each["day"])):
        yield from folded(f"{each['day']}  {amount(each['mails'])} mails: {each['reason']}", " " * 12)
        if each["advice"] not in advised:
            yield from folded(f"{' ' * 12}→ {each['advice']}", " " * 14)
        advised.add(each["advice"])
    if len(told["collisions"]) > MOST_COLLISIONS:
        yield f"… and {len(told['collisions']) - MOST_COLLISIONS} smaller ones (--json or --html has them)"


def domains(told: Mapping[str, Any]) -> Iterator[str]:
    for each in told["domains"][:MOST_DOMAINS]:
        peak = f"{amount(each['on_that_day'])} on {each['fullest_day']}"
        yield f"{cut(each['domain'], 34):<34}{amount(each['mails']):>10} mails, at most {peak}"


def not_sent(told: Mapping[str, Any]) -> Iterator[str]:
    for each in told["not_sent"]:
        yield f"{amount(each['mails']):>10}  {cut(each['cadence'], 40)}: {each['reason']}"


def odds(told: Mapping[str, Any]) -> Iterator[str]:
    for each in told["odds"]:
        shares = ", ".join(f"{way} {100 * share:.3g}%" for way, share in each["shares"].items()) or "nobody"
        where = f"{each['cadence']}.{each['step']}" if each["step"] else f"{each['cadence']}, leave after a mail"
        source = source_in_words(each["source"], each["sample"], of_mails=each["step"] is None)
        yield from folded(f"{where}: {shares} ({source})", "    ")


def section(title: str, lines: Iterator[str]) -> Iterator[str]:
    found = list(lines)
    if found:
        yield from ("", title, *(f"  {line}" for line in found))


def folded(text: str, indent: str) -> Iterator[str]:
    """In lines that fit, the further ones indented."""
    first = text[: len(text) - len(text.lstrip())]
    yield from textwrap.wrap(text.strip(), WIDTH - 2, initial_indent=first, subsequent_indent=indent)


def cut(words: str, width: int) -> str:
    clean = shown(words)
    return clean if len(clean) <= width else clean[: width - 1] + "…"


def amount(mails: float) -> str:
    return f"{mails:,.0f}" if mails >= 10 or mails == int(mails) else f"{mails:.1f}"
