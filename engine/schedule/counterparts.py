"""Which step of a cadence's new version is which of the old one, and where somebody goes whose step is no more. Pure.

Before: a cadence was edited. After: `engine.schedule.fates` works out what the edit means for the people inside. A step is known
by its id; a pause without one by what it follows; what is left, by what it does: the same mail under another id is the same step.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

from engine.compiler.plan import CadencePlan, EmailStep, GoalStep, SplitStep, Step, WaitStep
from engine.schedule.next_step import Course

WITHOUT_NAME = re.compile(r"wait-\d+")  # how the compiler calls a pause to which the marketer gave no id


def counterparts(old: CadencePlan, new: CadencePlan) -> dict[str, str]:
    """For each step of `old` that `new` still has, its id there; other than its own where it was renamed."""
    there = {known_as: step_id for step_id, known_as in names_of(new)}
    same = {step_id: there[known_as] for step_id, known_as in names_of(old) if known_as in there}
    left = [step for step in new.steps if step.id not in {*same.values()}]
    for step in old.steps:
        alike = None if step.id in same else next((each for each in left if does(each) == does(step)), None)
        if alike is not None:
            same[step.id] = alike.id
            left.remove(alike)
    return same


def names_of(plan: CadencePlan) -> Iterator[tuple[str, tuple[str, int]]]:
    """(id, what the step is known as): its name, or which of the pauses it is that follow a step with a name."""
    last_named, number = "", 0
    for step in plan.steps:
        if isinstance(step, WaitStep) and step.condition is None and WITHOUT_NAME.fullmatch(step.id):
            number += 1
            yield step.id, (last_named, number)
        else:
            last_named, number = step.id, 0
            yield step.id, (step.id, 0)


def does(step: Step) -> tuple[str, object]:
    """What a step does, whatever it is called and wherever it stands."""
    if isinstance(step, EmailStep):
        return step.kind, step.email
    unnamed: dict[str, Any] = {"id": "", "next": None}
    if hasattr(step, "otherwise"):
        unnamed["otherwise"] = None
    if isinstance(step, SplitStep):
        unnamed["arms"] = tuple(replace(arm, next=None) for arm in step.arms)
    return step.kind, repr(replace(step, **unnamed))


def ways_from(step: Step) -> tuple[str, ...]:
    """The steps to which this one may lead."""
    found = [step.next, getattr(step, "otherwise", None)]
    if isinstance(step, SplitStep):
        found += [arm.next for arm in step.arms]
    return tuple(dict.fromkeys(step_id for step_id in found if step_id is not None))


def reachable(course: Course, step_id: str) -> set[str]:
    """The steps that may follow this one, by any way."""
    found: set[str] = set()
    waiting = list(ways_from(course.steps[step_id]))
    while waiting:
        following = waiting.pop()
        if following not in found:
            found.add(following)
            waiting += ways_from(course.steps[following])
    return found


def entry(old: Course, step_id: str, same: Mapping[str, str], taken: Collection[str]) -> str | None:
    """Where somebody goes on whose step is gone: the first following step, in the order of the old version, that the new one
    still has and this passage has not had. None: nothing follows. `same` is from `counterparts`; the answer is a new id.
    """
    following = reachable(old, step_id)
    for step in old.plan.steps:
        if step.id in following and step.id in same and same[step.id] not in taken and step.id not in taken:
            return same[step.id]
    return None


def with_ghost(new: Course, gone: Step, leads_to: str | None) -> Course:
    """The new version with a step in it that it has no more and that somebody has yet to leave, to `leads_to`."""
    ghost: Step = GoalStep(id=gone.id, timing=gone.timing, condition=None, next=leads_to)
    if isinstance(gone, EmailStep):
        ghost = replace(gone, next=leads_to)
    return replace(new, steps=new.steps | {gone.id: ghost})


def mails_had_under_other_ids(had: Collection[tuple[str, str]], taken: Collection[str], new: CadencePlan) -> tuple[str, ...]:
    """The steps of `new` whose mail a passage has had under an id that no longer stands for it.

    `had`: (step id, email) of each mail sent; `taken`: the ids of all steps that it had. A mail that the cadence itself names
    twice is sent twice: each time it was had under a lost id stands for one step only, the first.
    """
    if new.repeat:
        return ()
    mails = [step for step in new.steps if isinstance(step, EmailStep)]
    standing = {(step.id, step.email) for step in mails}
    lost = [email for step_id, email in had if (step_id, email) not in standing]
    blocked = []
    for step in mails:
        if step.email in lost and (step.id, step.email) not in had and step.id not in taken:
            lost.remove(step.email)
            blocked.append(step.id)
    return tuple(blocked)
