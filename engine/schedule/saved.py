"""A plan that was kept: what it said of everybody, and in what it is no longer true.

Before: `handraiser plan --out FILE`. After: `handraiser apply FILE` works everything out again and carries it out only while each
person fares as the file says, or while no more of them fare otherwise than was allowed.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from engine.schedule.edited import Edited, Work

FORMAT = "handraiser plan, 1"
Fares = dict[int, str]  # enrolment → from, to and how


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """`people` 0: something else than people differs, which nobody can allow."""

    words: str
    people: int


def as_saved(work: Work, workspace: str, at: datetime) -> dict[str, Any]:
    """What is kept. `workspace`: the hash of its plan."""
    return {"format": FORMAT, "made_at": at.isoformat(), "changes": work.changes.as_plain(), **as_compared(work, workspace)}


def as_compared(work: Work, workspace: str) -> dict[str, Any]:
    return {
        "workspace": workspace,
        "rules": list(work.changes.rules),
        "emails": [list(each) for each in work.changes.emails],
        "cadences": {each.cadence: each.how for each in work.changes.cadences},
        "people": {each.plan.name: grouped(fares(each)) for each in work.edited if each.crowds},
    }


def fares(edited: Edited) -> Fares:
    return {
        person[0]: f"{crowd.fate.from_step} > {crowd.fate.to_step or ''} > {crowd.fate.how}"
        for crowd in edited.crowds
        for person in crowd.people
    }


def grouped(how: Fares) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for enrolment_id, way in sorted(how.items()):
        found.setdefault(way, []).append(enrolment_id)
    return found


def deviations(saved: Mapping[str, Any], work: Work, workspace: str) -> list[Deviation]:
    """In what applying would now differ from what was saved; empty: in nothing."""
    now = as_compared(work, workspace)
    if saved["workspace"] != now["workspace"]:
        return [Deviation(words="the workspace is not the one that was planned", people=0)]
    found = [
        Deviation(words=f"what is in force has changed: other {name}", people=0)
        for name in ("rules", "emails", "cadences")
        if saved[name] != now[name]
    ]
    for edited in work.edited:
        then = {each: way for way, people in saved["people"].get(edited.plan.name, {}).items() for each in people}
        found += people_deviations(edited.plan.name, then, fares(edited))
    return found


def people_deviations(cadence: str, then: Fares, now: Fares) -> Iterator[Deviation]:
    """People who have come in, gone, or moved on since."""
    counted = Counter(
        moved_on(then.get(each), now.get(each)) for each in then.keys() | now.keys() if then.get(each) != now.get(each)
    )
    for words, people in sorted(counted.items(), key=lambda item: (-item[1], item[0])):
        yield Deviation(words=f"{cadence}: {words}", people=people)


def moved_on(then: str | None, now: str | None) -> str:
    if then is None:
        return f"not planned for, at {str(now).split(' > ')[0]}"
    if now is None:
        return f"were at {then.split(' > ')[0]}, and are not inside any more"
    was, at = then.split(" > ")[0], now.split(" > ")[0]
    return f"were at {was}, and fare otherwise now" if was == at else f"were at {was}, and are at {at} now"
