"""Whether a condition can hold for any lead at all: `employees > 50 and employees < 10` cannot.

Before: `engine.compiler.conditions` has compiled it. After: the checks report what can never hold, and ways that nobody can
take. The analysis never calls a condition impossible that some lead could meet; where it would take long, it does not try.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import product

from engine.expressions.fields import FieldType
from engine.expressions.tree import (
    AllOf,
    Always,
    AnyOf,
    Comparator,
    Comparison,
    Happened,
    InSegment,
    IsMissing,
    IsYes,
    Leaf,
    Literal,
    Named,
    Node,
    Not,
    Plain,
    Source,
)

MOST_WAYS = 256  # of meeting a condition: more are not followed
OPPOSITE = {
    Comparator.EQUAL: Comparator.UNEQUAL,
    Comparator.UNEQUAL: Comparator.EQUAL,
    Comparator.LESS: Comparator.AT_LEAST,
    Comparator.AT_LEAST: Comparator.LESS,
    Comparator.MORE: Comparator.AT_MOST,
    Comparator.AT_MOST: Comparator.MORE,
    Comparator.IN: Comparator.NOT_IN,
    Comparator.NOT_IN: Comparator.IN,
}

Choices = Callable[[Named], tuple[str, ...]]
Said = tuple[Leaf, bool]  # a leaf, and whether it holds
Way = tuple[Said, ...]  # one way of meeting a condition: all of these


class TooMany(Exception):
    """There are more ways of meeting the condition than are followed."""


def may_hold(tree: Node, choices: Choices) -> bool:
    """Whether some lead may meet it, as far as can be told. `choices`: what a field of that type may hold."""
    try:
        return any(is_consistent(way, choices) for way in ways_of(tree, True))
    except TooMany:
        return True


def may_fail(tree: Node, choices: Choices) -> bool:
    """Whether some lead may not meet it, as far as can be told."""
    return may_hold(Not(part=tree), choices)


@lru_cache(maxsize=4096)
def ways_of(node: Node, holds: bool) -> tuple[Way, ...]:
    """Every way in which the node holds, or does not. Raises TooMany."""
    match node:
        case Not(part=part):
            return ways_of(part, not holds)
        case InSegment(part=part):
            return tuple(tuple((inside(leaf, node), told) for leaf, told in way) for way in ways_of(part, holds))
        case AllOf(parts=parts):
            return all_of(parts, holds) if holds else any_of(parts, holds)
        case AnyOf(parts=parts):
            return any_of(parts, holds) if holds else all_of(parts, holds)
        case Always(value=value):
            return ((),) if value is holds else ()
    return (((node, holds),),)


def inside(leaf: Leaf, segment: InSegment) -> Leaf:
    """A question about events is another one in a segment: outside it, in a wait, only what happens from then on counts."""
    return replace(segment, name="", part=leaf) if isinstance(leaf, Happened) else leaf


def all_of(parts: Sequence[Node], holds: bool) -> tuple[Way, ...]:
    each = [ways_of(part, holds) for part in parts]
    count = 1
    for ways in each:
        count *= len(ways)
        if count > MOST_WAYS:
            raise TooMany
    return tuple(tuple(said for way in chosen for said in way) for chosen in product(*each))


def any_of(parts: Sequence[Node], holds: bool) -> tuple[Way, ...]:
    ways = tuple(way for part in parts for way in ways_of(part, holds))
    if len(ways) > MOST_WAYS:
        raise TooMany
    return ways


def is_consistent(way: Way, choices: Choices) -> bool:
    """Whether all of it can be true of one lead at one time."""
    said = dict(way)
    if any(said[leaf] is not holds for leaf, holds in way):
        return False
    rooms: dict[Named, Room] = {}
    for leaf, holds in way:
        if (named := value_asked(leaf)) is not None:
            rooms.setdefault(named, Room(choices(named) if named.type is FieldType.CHOICE else ())).take(leaf, holds)
    return all(room.has_value(named) for named, room in rooms.items())


def value_asked(leaf: Leaf) -> Named | None:
    """The one value that a leaf is about; None: there are several, or it is no value, and nothing follows from it."""
    match leaf:
        case IsYes(value=named) | IsMissing(value=named):
            return named
        case Comparison(left=Named() as named, right=Literal()):
            return named
    return None


@dataclass
class Room:
    """The values that are still possible for one field of a lead. A comparison with a missing value never holds."""

    choices: tuple[str, ...]
    may_be_missing: bool = True
    may_be_there: bool = True
    among: frozenset[Plain] | None = None
    not_among: set[Plain] = field(default_factory=set)
    bounds: list[tuple[Comparator, Plain]] = field(default_factory=list)

    def take(self, leaf: Leaf, holds: bool) -> None:
        """Leave only the values of which the leaf holds, or does not."""
        match leaf:
            case IsYes():
                self.compare(Comparator.EQUAL, True, holds)
            case IsMissing():
                self.be_missing(holds)
            case Comparison(comparator=comparator, right=Literal(value=value)):
                self.compare(comparator, value, holds)

    def be_missing(self, is_missing: bool) -> None:
        if is_missing:
            self.may_be_there = False
        else:
            self.may_be_missing = False

    def compare(self, comparator: Comparator, value: Plain | tuple[Plain, ...], holds: bool) -> None:
        if holds:
            self.may_be_missing = False
        values = frozenset(map(folded, value if isinstance(value, tuple) else (value,)))
        match comparator if holds else OPPOSITE[comparator]:
            case Comparator.EQUAL | Comparator.IN:
                self.among = values if self.among is None else self.among & values
            case Comparator.UNEQUAL | Comparator.NOT_IN:
                self.not_among |= values
            case bound:
                self.bounds.append((bound, next(iter(values))))

    def has_value(self, named: Named) -> bool:
        """Whether anything is left."""
        if self.may_be_missing and named.source not in (Source.SCORE, Source.CONSENT):
            return True
        return self.may_be_there and self.has_value_there(named)

    def has_value_there(self, named: Named) -> bool:
        domain = self.domain(named)
        if domain is not None:
            return any(self.fits(value) for value in domain - self.not_among)
        return not self.is_empty_between()

    def domain(self, named: Named) -> frozenset[Plain] | None:
        """The values it could be at most; None: too many to name."""
        if self.among is not None:
            return self.among
        if named.type is FieldType.YES_NO:
            return frozenset((True, False))
        return frozenset(map(folded, self.choices)) if self.choices else None

    def fits(self, value: Plain) -> bool:
        return all(is_within(value, bound, limit) for bound, limit in self.bounds)

    def is_empty_between(self) -> bool:
        """Whether one bound from below and one from above leave nothing between them but perhaps a value that is refused."""
        below = [(limit, bound) for bound, limit in self.bounds if bound in (Comparator.MORE, Comparator.AT_LEAST)]
        above = [(limit, bound) for bound, limit in self.bounds if bound in (Comparator.LESS, Comparator.AT_MOST)]
        return any(self.are_apart(low, high) for low in below for high in above)

    def are_apart(self, low: tuple[Plain, Comparator], high: tuple[Plain, Comparator]) -> bool:
        if low[0] != high[0]:
            return not is_within(high[0], Comparator.AT_LEAST, low[0])
        is_shut = low[1] is Comparator.AT_LEAST and high[1] is Comparator.AT_MOST
        return not is_shut or low[0] in self.not_among


def is_within(value: Plain, bound: Comparator, limit: Plain) -> bool:
    """Whether a value is on the right side of a limit; values that have no order with it are let through."""
    try:
        match bound:
            case Comparator.LESS:
                return value < limit  # type: ignore[operator]
            case Comparator.AT_MOST:
                return value <= limit  # type: ignore[operator]
            case Comparator.MORE:
                return value > limit  # type: ignore[operator]
            case _:
                return value >= limit  # type: ignore[operator]
    except TypeError:
        return True


def folded(value: Plain) -> Plain:
    """Capitals make no difference between texts."""
    return value.casefold() if isinstance(value, str) else value
