"""Walking the steps of a cadence as written: all of them in reading order, whatever way they are on.

Before: `engine.compiler.syntax`. After: the checks and `engine.compiler.build`.
"""

from collections.abc import Iterator, Sequence

from engine.compiler.syntax import BranchStep, EmailStep, Step, WaitStep


def all_steps(steps: Sequence[Step]) -> Iterator[Step]:
    """Every step, nested ones after the step that holds them."""
    for step in steps:
        yield step
        if isinstance(step, WaitStep | BranchStep):
            yield from all_steps(step.then)
            yield from all_steps(step.otherwise)


def emails_of(steps: Sequence[Step]) -> list[str]:
    """The names of the emails that these steps send, in reading order."""
    return [step.email.value for step in all_steps(steps) if isinstance(step, EmailStep)]
