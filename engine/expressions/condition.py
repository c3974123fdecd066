"""A condition ready to be asked of many leads: the door to this package.

The workspace's text and a `Scope` come in; whoever decides something holds the `Condition` and hands it `Facts`.

    condition = compile_condition("employees >= 50 and not replied(within='30 days')", scope)
    if condition.holds(facts): …
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from engine.expressions.check import check_text
from engine.expressions.evaluate import Answer, answer_of
from engine.expressions.facts import Facts
from engine.expressions.scope import Scope
from engine.expressions.tree import (
    Comparison,
    Happened,
    InSegment,
    IsMissing,
    IsYes,
    Leaf,
    Named,
    Node,
    Source,
    deep_leaves,
    leaves,
)
from engine.expressions.words import leaf_in_words


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A checked condition and what its answer depends on, segments included."""

    text: str
    tree: Node
    uses_fields: frozenset[str]  # of the lead
    uses_events: frozenset[str]  # types of event that may change the answer
    uses_segments: frozenset[str]
    uses_time: bool  # whether it may change by time alone: it asks for something `within` a span
    uses_score: bool
    uses_consent: bool
    _answer: Answer = field(repr=False, compare=False)

    def holds(self, facts: Facts) -> bool:
        """Whether it holds for this lead. Never raises for a lead; what is missing compares as false."""
        return self._answer(facts)

    def explain(self, facts: Facts) -> list[tuple[str, bool]]:
        """Each leaf in words with its truth, in the order written; a `not` before a leaf is not in its words."""
        return [(leaf_in_words(leaf, facts), answer_of(leaf)(facts)) for leaf in leaves(self.tree)]


@lru_cache(maxsize=4096)
def compile_condition(text: str, scope: Scope) -> Condition:
    """The condition that `text` says, with the names in `scope`. Raises ConditionError with every problem in it."""
    tree = check_text(text, scope)
    found = list(deep_leaves(tree))
    named = [value for leaf in found for value in _named_values(leaf)]
    happened = [leaf for leaf in found if isinstance(leaf, Happened)]
    return Condition(
        text=text,
        tree=tree,
        uses_fields=frozenset(value.name for value in named if value.source is Source.LEAD),
        uses_events=frozenset(match.type for leaf in happened for match in leaf.matches),
        uses_segments=frozenset(_segments(tree)),
        uses_time=any(leaf.within is not None for leaf in happened),
        uses_score=any(value.source is Source.SCORE for value in named),
        uses_consent=any(value.source is Source.CONSENT for value in named),
        _answer=answer_of(tree),
    )


def _segments(node: Node) -> Iterator[str]:
    """The segments asked for, and those that they ask for."""
    for leaf in leaves(node):
        if isinstance(leaf, InSegment):
            yield leaf.name
            yield from _segments(leaf.part)


def _named_values(leaf: Leaf) -> list[Named]:
    match leaf:
        case Comparison(left=left, right=right):
            return [side for side in (left, right) if isinstance(side, Named)]
        case IsYes(value=value) | IsMissing(value=value):
            return [value]
    return []
