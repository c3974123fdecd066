"""Walking the steps of a cadence as written: all of them in reading order, whatever way they are on.

Before: `engine.compiler.syntax`. After: the checks and `engine.compiler.build`.
"""

from collections.abc import Iterator, Sequence

from engine.compiler.syntax import BranchStep, EmailStep, SplitStep, Step, WaitStep


def all_steps(steps: Sequence[Step]) -> Iterator[Step]:
    """Every step, nested ones after the step that holds them."""
    for step in steps:
        yield step
        for way in ways_of(step):
            yield from all_steps(way)


def ways_of(step: Step) -> tuple[tuple[Step, ...], ...]:
    """The steps inside a step, by the way on which they are; none in a step that holds no others."""
    match step:
        case WaitStep(then=then, otherwise=otherwise) | BranchStep(then=then, otherwise=otherwise):
            return then, otherwise
        case SplitStep(arms=arms):
            return tuple(arm.steps for arm in arms)
    return ()


def emails_of(steps: Sequence[Step]) -> list[str]:
    """The names of the emails that these steps send, in reading order."""
    return [step.email.value for step in all_steps(steps) if isinstance(step, EmailStep)]
