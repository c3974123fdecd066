"""The steps of a cadence, from the nested ways that were written to the flat list that the schedule walks.

Before: `engine.compiler.check` found no error; `engine.compiler.build` begins here for each cadence. After:
`engine.compiler.plan`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from engine.compiler import plan, syntax
from engine.compiler.attachments import Attachables
from engine.compiler.collateral import Matching
from engine.compiler.copies import Copy
from engine.compiler.reading import plain
from engine.compiler.sender import Sender
from engine.compiler.source import Node, Scalar
from engine.compiler.steps import ways_of
from engine.expressions.fields import LeadSchema
from engine.expressions.values import as_json, parse_value
from engine.vocabulary import Late


@dataclass(frozen=True, slots=True)
class Made:
    """What was made of the other files, for the steps that name it."""

    copies: Mapping[str, Copy]  # by email, in the cadence's brand
    attachables: Attachables
    leads: LeadSchema
    senders: Mapping[str, Sender | None]  # email → whom the cadence names


def build_steps(steps: Sequence[syntax.Step], after: str | None, made: Made) -> list[plan.Step]:
    """Steps in reading order; the last goes on to `after`, and so does every way that ends there."""
    planned: list[plan.Step] = []
    for step, following in zip_longest(steps, steps[1:]):
        onward = following.id.value if following else after
        planned.append(build_step(step, onward, made))
        for way in ways_of(step):
            planned += build_steps(way, onward, made)
    return planned


def build_step(step: syntax.Step, onward: str | None, made: Made) -> plan.Step:
    name, timing = step.id.value, step.timing.value
    match step:
        case syntax.EmailStep():
            return build_email(step, onward, made)
        case syntax.TaskStep():
            return build_task(step, onward)
        case syntax.WaitStep() | syntax.BranchStep() | syntax.SplitStep():
            return build_parting(step, onward)
        case syntax.GoalStep(condition=goal):
            return plan.GoalStep(id=name, timing=timing, condition=text_of(goal), next=onward if goal else None)
        case syntax.SetStep():
            return plan.SetStep(id=name, timing=timing, values=values_of(step, made.leads), next=onward)
        case syntax.WebhookStep(to=to):
            fields = tuple(field.value for field in step.fields)
            return plan.WebhookStep(id=name, timing=timing, to=to.value, fields=fields, next=onward)
        case syntax.RaiseStep(because=because):
            return plan.RaiseStep(id=name, timing=timing, because=because.text, next=onward)
        case syntax.EnterStep(cadence=cadence):
            return plan.EnterStep(id=name, timing=timing, cadence=cadence.value, next=onward)
        case syntax.LeaveStep(because=reason):
            return plan.LeaveStep(id=name, timing=timing, because=reason)


def build_email(step: syntax.EmailStep, onward: str | None, made: Made) -> plan.EmailStep:
    usual = Late.SKIP if step.valid_for else Late.SEND
    return plan.EmailStep(
        id=step.id.value,
        timing=step.timing.value,
        email=step.email.value,
        copy=made.copies[step.email.value],
        next=onward,
        attach=tuple(made.attachables[name.value].attachment for name in step.attach),
        collateral=build_matching(step, made) if step.collateral else None,
        valid_for=step.valid_for.value if step.valid_for else None,
        late=step.late.value if step.late else usual,
        shadow=step.shadow,
        sender=made.senders[step.email.value],
    )


def build_matching(step: syntax.EmailStep, made: Made) -> Matching:
    assert step.collateral
    otherwise = made.attachables[step.otherwise.value].attachment if step.otherwise else None
    return Matching(at_most=step.collateral.value, otherwise=otherwise)


def build_task(step: syntax.TaskStep, onward: str | None) -> plan.TaskStep:
    return plan.TaskStep(
        id=step.id.value,
        timing=step.timing.value,
        title=step.title.text,
        note=step.note.text,
        due=step.due,
        next=onward,
        action=step.action,
        owner=step.owner.value if step.owner else None,
    )


def build_parting(
    step: syntax.WaitStep | syntax.BranchStep | syntax.SplitStep, onward: str | None
) -> plan.WaitStep | plan.BranchStep | plan.SplitStep:
    """A step from which several ways lead on; an empty one leads straight to where they meet."""
    name, timing = step.id.value, step.timing.value
    firsts = [first_of(way, onward) for way in ways_of(step)]
    match step:
        case syntax.WaitStep(condition=condition, timeout=timeout):
            held, late = firsts
            text = text_of(condition)
            return plan.WaitStep(id=name, timing=timing, condition=text, timeout=timeout, next=held, otherwise=late)
        case syntax.BranchStep(condition=asked):
            held, otherwise = firsts
            return plan.BranchStep(id=name, timing=timing, condition=asked.text, next=held, otherwise=otherwise)
        case syntax.SplitStep():
            arms = (build_arm(arm, first) for arm, first in zip(step.arms, firsts, strict=True))
            return plan.SplitStep(id=name, timing=timing, arms=tuple(arms), next=onward)


def build_arm(arm: syntax.Arm, first: str | None) -> plan.Arm:
    return plan.Arm(name=arm.name.value, share=arm.share, next=first, holdout=arm.holdout)


def values_of(step: syntax.SetStep, leads: LeadSchema) -> dict[str, Any]:
    """The values as a lead's fields are stored; an empty one empties its field."""
    return {key.text: value_of(key.text, node, leads) for key, node in step.fields}


def value_of(name: str, node: Node, leads: LeadSchema) -> Any:
    """As JSON. Raises ValueError, with a sentence, when the field cannot hold it; KeyError for a field there is not."""
    if (field := leads.field(name)) is None:
        raise KeyError(name)
    return as_json(parse_value(field, plain(node)))


def first_of(steps: Sequence[syntax.Step], onward: str | None) -> str | None:
    return steps[0].id.value if steps else onward


def text_of(condition: Scalar | None) -> str | None:
    return condition.text if condition else None
