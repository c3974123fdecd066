"""What the branches above a step have found out about a lead, and whether a branch below can still go both ways.

Before: `engine.compiler.journey` takes what is decided along on each way. Only conditions about fields count: what a lead does,
and so its score and consent, goes on changing.
"""

from dataclasses import dataclass, replace

from engine.compiler.possible import Choices, may_hold
from engine.expressions.condition import Condition
from engine.expressions.tree import AllOf, Node, Not

MOST = 20  # of the branches above, the nearest: more are not followed


@dataclass(frozen=True, slots=True)
class Decided:
    """A condition that held, or did not. `is_old`: time has passed since, so that asking the very same again may be meant."""

    tree: Node
    holds: bool
    fields: frozenset[str]
    is_old: bool = False

    @property
    def as_node(self) -> Node:
        return self.tree if self.holds else Not(part=self.tree)


def with_decision(decided: tuple[Decided, ...], condition: Condition, holds: bool) -> tuple[Decided, ...]:
    if condition.uses_events or condition.uses_score or condition.uses_consent:
        return decided
    return (*decided, Decided(condition.tree, holds, condition.uses_fields))[-MOST:]


def still_decided(decided: tuple[Decided, ...], written: set[str]) -> tuple[Decided, ...]:
    """What holds on after a step has written those fields."""
    return tuple(each for each in decided if not each.fields & written)


def aged(decided: tuple[Decided, ...], has_passed: bool) -> tuple[Decided, ...]:
    """The same, after time has passed or not."""
    return tuple(replace(each, is_old=True) for each in decided) if has_passed else decided


def decided_above(condition: Condition, decided: tuple[Decided, ...], choices: Choices) -> str | None:
    """Which of its ways nobody can take, for what is decided already; None: both are open, or it is asked anew on purpose."""
    if any(each.is_old and each.tree == condition.tree for each in decided):
        return None
    known = tuple(each.as_node for each in decided if each.fields & condition.uses_fields)
    if not known or not may_hold(AllOf(parts=known), choices):
        return None
    if not may_hold(AllOf(parts=(*known, condition.tree)), choices):
        return "nobody goes on at `then`: a branch above has decided that this does not hold"
    if not may_hold(AllOf(parts=(*known, Not(part=condition.tree))), choices):
        return "nobody goes on at `else`: a branch above has decided that this holds"
    return None
