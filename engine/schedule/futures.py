"""From where on an edit makes no difference: steps of the old version with all that may follow them just so in the new one. Pure.

Before: `engine.schedule.counterparts` knows which step is which. After: `engine.schedule.crowds` need not look at people who
stand at such a step, and a forecast may end where the ways before and after an edit have met.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from engine.compiler.copies import Copy
from engine.compiler.plan import CadencePlan, EmailStep, SplitStep, Step, TaskStep
from engine.schedule.counterparts import reachable, ways_from
from engine.schedule.forecast import Mail, Stop
from engine.schedule.next_step import Course

State = tuple[str, object, datetime | None, datetime]
NO_COPY = Copy(language="", versions=())
OF_THE_WHOLE = ("window", "gap", "goal", "exits", "topic", "brand", "repeat", "shadow")  # what bears on every step


def alike_from(old: Course, new: Course, same: Mapping[str, str]) -> frozenset[str]:
    """The ids in `old` of the steps from which on nothing differs but names and words."""
    if of_the_whole(old.plan) != of_the_whole(new.plan):
        return frozenset()
    found: dict[str, bool] = {}
    return frozenset(step.id for step in old.plan.steps if is_alike(old, new, same, step.id, found))


def of_the_whole(plan: CadencePlan) -> tuple[object, ...]:
    return tuple(getattr(plan, name) for name in OF_THE_WHOLE)


def is_alike(old: Course, new: Course, same: Mapping[str, str], step_id: str, found: dict[str, bool]) -> bool:
    if step_id not in found:
        step = old.steps[step_id]
        found[step_id] = (
            step_id in same
            and not (isinstance(step, SplitStep) and same[step_id] != step_id)  # under another name it draws other arms
            and led_on(step, same) == without_words(new.steps[same[step_id]])
            and all(is_alike(old, new, same, way, found) for way in ways_from(step))
        )
    return found[step_id]


def led_on(step: Step, same: Mapping[str, str]) -> Step:
    """The step with the names of the new version, without its words."""
    named: dict[str, Any] = {name: same.get(way, way) for name in ("next", "otherwise") if (way := getattr(step, name, None))}
    if isinstance(step, SplitStep):
        named["arms"] = tuple(replace(arm, next=same.get(arm.next or "", arm.next)) for arm in step.arms)
    return without_words(replace(step, id=same[step.id], **named))


def without_words(step: Step) -> Step:
    if isinstance(step, EmailStep):
        return replace(step, copy=NO_COPY)
    return replace(step, title="", note="") if isinstance(step, TaskStep) else step


def futures_of(course: Course) -> dict[str, frozenset[str]]:
    """For each step, itself and all that may follow."""
    return {step_id: frozenset(reachable(course, step_id) | {step_id}) for step_id in course.steps}


def until_they_meet(
    before: Iterator[Stop], after: Iterator[Stop], same: Mapping[str, str], may_meet: frozenset[str]
) -> tuple[tuple[Mail, ...], tuple[Mail, ...]]:
    """The mails on both ways, up to where they are at the same step, at the same time, with the same behind them.

    `same`: ids of the old version to those of the new; `may_meet`: ids of the new version.
    """
    mails: tuple[list[Mail], list[Mail]] = ([], [])
    seen: tuple[dict[State, int], dict[State, int]] = ({}, {})
    walking: list[tuple[int, Iterator[Stop]]] = [(0, before), (1, after)]
    while walking:
        for side, way in list(walking):
            stop = next(way, None)
            if stop is None:
                walking.remove((side, way))
                continue
            state = state_of(stop, same if side == 0 else {})
            if state in seen[1 - side] and state[0] in may_meet:
                cut = [len(mails[0]), len(mails[1])]
                cut[1 - side] = seen[1 - side][state]
                return tuple(mails[0][: cut[0]]), tuple(mails[1][: cut[1]])
            seen[side][state] = len(mails[side])
            if stop.mail is not None:
                mails[side].append(stop.mail)
    return tuple(mails[0]), tuple(mails[1])


def state_of(stop: Stop, same: Mapping[str, str]) -> State:
    return same.get(stop.step_id, stop.step_id), stop.planned, stop.mailed_at, stop.created_at
