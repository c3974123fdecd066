"""When the answer of a condition may next change by time alone.

Before: a compiled condition and one lead's facts. After: whoever keeps an answer, or points that rest on it, looks again then.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from engine.expressions.condition import Condition
from engine.expressions.facts import Facts
from engine.expressions.tree import Happened, deep_leaves
from engine.spans import Span

AT_ONCE_AFTER = timedelta(microseconds=1)  # both ends of `within` count, so an event is out just behind its end
LOOK_AGAIN = timedelta(days=1)


def next_change_at(condition: Condition, facts: Facts) -> datetime | None:
    """The first instant after `facts.now` at which it may change without a new event; None: never. It may be too early."""
    return min(candidates(condition, facts), default=None)


def candidates(condition: Condition, facts: Facts) -> Iterator[datetime]:
    for leaf in deep_leaves(condition.tree):
        if isinstance(leaf, Happened):
            types = {match.type for match in leaf.matches}
            for event in facts.events:
                if event.type in types and event.at > facts.now:
                    yield event.at
                elif event.type in types and leaf.within is not None and event.at >= leaf.within.before(facts.now, facts.zone):
                    yield leaves_at(leaf.within, event.at, facts)


def leaves_at(within: Span, at: datetime, facts: Facts) -> datetime:
    """When an event falls out of `within`. Spans of months are not the same forward and back, so it may need a second look."""
    out_at = within.after(at, facts.zone) + AT_ONCE_AFTER
    return out_at if out_at > facts.now else facts.now + LOOK_AGAIN
