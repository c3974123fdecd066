"""What is found out while a condition is checked: the problems so far, and where names are looked up.

`engine.expressions.check` makes one per condition and hands it to each part of the check, so that one bad name does not
hide the next.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches

from jinja2 import nodes

from engine.errors import Problem
from engine.expressions.scope import Scope
from engine.expressions.tree import Named


@dataclass(slots=True, kw_only=True)
class Findings:
    """Collects the problems of one condition."""

    scope: Scope
    inside: tuple[str, ...] = ()  # the segments we are in, the outermost first
    names: dict[str, Named] = field(init=False)
    problems: list[Problem] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.names = self.scope.names()

    def report(self, node: nodes.Node, message: str, suggestion: str | None = None) -> None:
        """Notes a problem at the place of `node`, and goes on."""
        self.problems.append(Problem(column=_begin(node), message=message, suggestion=suggestion))


def _begin(node: nodes.Node) -> int:
    """Where a part of the condition begins; Jinja gives a comparison or a call the place of its last sign."""
    places = [node.lineno] if node.lineno is not None else []
    return min(places + [_begin(child) for child in node.iter_child_nodes()], default=0)


def closest(word: str, names: Iterable[str]) -> str | None:
    """The name that was probably meant by `word`."""
    by_folded = {name.casefold(): name for name in names}
    close = get_close_matches(word.casefold(), by_folded, n=1)
    return by_folded[close[0]] if close else None


def one_of(words: Iterable[str]) -> str:
    """Those words as a list in a sentence; a long one is cut."""
    shown = [f"`{word}`" for word in words]
    return ", ".join(shown[:8]) + (f" and {len(shown) - 8} more" if len(shown) > 8 else "")
