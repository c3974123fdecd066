"""What a step is in a marketer's words: its kind, its time, what it says and the ways that lead on from it. Pure.

Before: the compiler has planned the steps. After: `engine.graph.flow` makes cards and edges of them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, assert_never

from engine.compiler.plan import (
    Arm,
    BranchStep,
    CadencePlan,
    EmailStep,
    EnterStep,
    Entry,
    Exit,
    GoalStep,
    LeaveStep,
    RaiseStep,
    SetStep,
    SplitStep,
    Step,
    TaskStep,
    Timing,
    WaitStep,
    WebhookStep,
)
from engine.schedule.next_step import way_on

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
PRINTED = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}", re.DOTALL)
FIELD = re.compile(r"(?:\w+\.)?(\w+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way on from a step. `took`: as in a touch; `to` None: the end of the cadence. `share`: of a split's arm, 0 to 1."""

    took: str
    label: str
    to: str | None
    share: float | None = None


def ways_on(step: Step) -> tuple[Way, ...]:
    """Every way on from the step, in the order written. None where the passage ends with it."""
    match step:
        case LeaveStep() | GoalStep(condition=None):
            return ()
        case GoalStep(next=to):
            return (Way(took="next", label="not yet", to=to),)
        case BranchStep(next=to, otherwise=otherwise):
            return (Way(took="next", label="yes", to=to), Way(took="otherwise", label="no", to=otherwise))
        case WaitStep(condition=str(), timeout=timeout, next=to, otherwise=otherwise):
            happened = Way(took="next", label="it happened", to=to)
            return (happened, Way(took="otherwise", label=f"not in {timeout}", to=otherwise))
        case SplitStep(arms=arms):
            whole = sum(arm.share for arm in arms) or 1
            return tuple(
                Way(took=arm.name, label=arm_in_words(arm, arm.share / whole), to=way_on(step, arm.name), share=arm.share / whole)
                for arm in arms
            )
    return (Way(took="next", label="", to=step.next),)


def arm_in_words(arm: Arm, share: float) -> str:
    return f"{arm.name} {100 * share:.3g} %" + (", held out" if arm.holdout else "")


def heading_of(step: Step) -> str:
    """What kind of step it is."""
    match step:
        case EmailStep(attach=attach, shadow=shadow):
            with_files = f", {len(attach)} attached" if attach else ""
            return ("Shadow email" if shadow else "Email") + with_files
        case TaskStep(action=action):
            return "Call" if action == "call" else "Task"
        case WaitStep(condition=condition):
            return "Pause" if condition is None else "Wait"
        case RaiseStep():
            return "Raised hand"
        case SetStep():
            return "Note on the lead"
    return step.kind.capitalize()


def saying_of(step: Step, subjects: Mapping[str, str]) -> str:
    """What the step says or asks. `subjects`: of the emails, by artifact."""
    match step:
        case EmailStep(copy=copy, email=email):
            return plain_words(subjects.get(copy.plain, email))
        case TaskStep(title=title):
            return plain_words(title)
        case WaitStep(condition=condition, timeout=timeout):
            return str(timeout) if condition is None else f"until {condition}"
        case BranchStep(condition=condition):
            return f"{condition}?"
        case GoalStep(condition=condition):
            return "leaves as a success" if condition is None else f"leaves as a success if {condition}"
        case SplitStep(arms=arms):
            return f"draws one of {len(arms)} ways for each lead"
        case SetStep(values=values):
            return ", ".join(f"{name} = {value_in_words(value)}" for name, value in values.items())
        case WebhookStep(to=to, fields=fields):
            return f"tells {to}" + (f": {', '.join(fields)}" if fields else "")
        case RaiseStep(because=because) | LeaveStep(because=because):
            return plain_words(because)
        case EnterStep(cadence=cadence):
            return f"begins {cadence}"
    assert_never(step)


def value_in_words(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def plain_words(text: str) -> str:
    """Jinja read by a person: what is printed becomes the name of its field, and the rest of the markup goes."""
    named = PRINTED.sub(lambda found: f"‹{name_in(found.group(1))}›", text)
    return re.sub(r"\s+", " ", re.sub(r"\{[%#].*?[%#]\}", "", named, flags=re.DOTALL)).strip()


def name_in(expression: str) -> str:
    found = FIELD.match(expression)
    return found.group(1).replace("_", " ") if found else "…"


def timing_in_words(timing: Timing, *, is_first: bool = False) -> str:
    """`day 4, 14:30` · `3 business days later` · `at once`."""
    clock = f", {timing.clock:%H:%M}" if timing.clock else ""
    if timing.base == "at" or is_first:
        return (day_in_words(timing) if timing.span else "on entering") + clock
    return (f"{timing.span} later" if timing.span else "at once") + clock


def day_in_words(timing: Timing) -> str:
    """A single unit is named as in the file, `month 3`; anything else is told by its length."""
    unit, _, rest = str(timing.span).partition(" ")[::-1]
    if rest.isdigit() and unit.rstrip("s") in ("day", "week", "month", "year"):
        return f"{unit.rstrip('s')} {rest}"
    return f"{timing.span} after entering"


def rules_in_words(plan: CadencePlan) -> list[tuple[str, str]]:
    """What holds for the whole cadence, as (heading, words); what is not asked for is left out."""
    told = [
        ("Comes in", "; ".join(map(entry_in_words, plan.entries)) or "by hand"),
        ("Success", f"at any time, if {plan.goal}" if plan.goal else ""),
        ("Leaves", "; ".join(map(exit_in_words, plan.exits)) or "only at the end, or by opting out"),
        ("Mail", mail_in_words(plan)),
        ("Shadow", "everything happens, nothing leaves the house" if plan.shadow else ""),
    ]
    return [(heading, words) for heading, words in told if words]


def entry_in_words(entry: Entry) -> str:
    condition = f" if {entry.condition}" if entry.condition else ""
    return f"by the segment {entry.segment}" if entry.segment else f"at {entry.event}{condition}"


def exit_in_words(leaving: Exit) -> str:
    return f"at {leaving.event}" if leaving.event else f"if {leaving.condition} ({leaving.because})"


def mail_in_words(plan: CadencePlan) -> str:
    window = plan.window
    gap = f", at least {plan.gap} apart" if plan.gap else ""
    return f"{days_in_words(window.weekdays)} {window.opens:%H:%M} to {window.closes:%H:%M} where the reader is{gap}"


def days_in_words(weekdays: tuple[int, ...]) -> str:
    days = sorted(weekdays)
    if len(days) > 2 and days == list(range(days[0], days[-1] + 1)):
        return f"{WEEKDAYS[days[0]]} to {WEEKDAYS[days[-1]]}"
    return ", ".join(WEEKDAYS[day] for day in days)
