"""A cadence's flow as nested runs of cards: where it parts, and where its ways meet again. Pure.

Before: `engine.graph.flow` has the cards and edges. After: `engine.graph.layout` gives each run its place. A flow whose ways
cross (the compiler makes none) is drawn as well: each card stands once, and a way to one that stands elsewhere names it.
"""

from dataclasses import dataclass
from graphlib import TopologicalSorter

from engine.graph.flow import END, Edge, Flow


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One way out of a fork, up to where the ways meet. `run` may be empty."""

    edge: Edge
    run: "Run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A card, and what leads on from it: one edge, several arms, or nothing."""

    id: str
    onward: Edge | None
    arms: tuple[Arm, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Cards below one another. `to`: the card that all its ends lead to; None where none of them leads on."""

    links: tuple[Link, ...]
    to: str | None


def tree_of(flow: Flow) -> Run:
    """The whole flow, from its first card to the end; cards that nothing leads to are not in it."""
    return Grower(flow=flow, meets=meetings(flow), placed=set()).run(flow.first, END)


@dataclass(slots=True, kw_only=True)
class Grower:
    flow: Flow
    meets: dict[str, str | None]
    placed: set[str]

    def run(self, first: str, until: str | None) -> Run:
        links: list[Link] = []
        current: str | None = first
        while current is not None and current not in (until, END) and current not in self.placed:
            self.placed.add(current)
            edges = self.flow.edges_of(current)
            onward = edges[0] if len(edges) == 1 else None
            meet = self.meets[current]
            arms = () if onward else tuple(Arm(edge=edge, run=self.run(edge.to, meet)) for edge in edges)
            links.append(Link(id=current, onward=onward, arms=arms))
            current = onward.to if onward else meet
        return Run(links=tuple(links), to=current)


def meetings(flow: Flow) -> dict[str, str | None]:
    """For each card the first one that every way from it comes to, of the ways that come to an end; None where none does.

    A card at which passages end early does not count as the end, unless it is the last one or nothing else ends.
    """
    *_early, last = flow.cards
    found = meetings_with(flow, {last})
    return found if found[flow.first] is not None else meetings_with(flow, set(flow.cards))


def meetings_with(flow: Flow, ends: set[str]) -> dict[str, str | None]:
    """The immediate post-dominators, by the intersection of chains (Cooper, Harvey and Kennedy 2001)."""
    after = {card_id: [edge.to for edge in flow.edges_of(card_id)] for card_id in flow.cards}
    after |= {card_id: [END] for card_id, following in after.items() if not following and card_id in ends}
    order = [*TopologicalSorter(after).static_order()]
    rank = {card_id: number for number, card_id in enumerate(order)}
    meets: dict[str, str | None] = {END: END}
    for card_id in order:
        if card_id == END:
            continue
        alive = [to for to in after[card_id] if meets.get(to) is not None]
        meets[card_id] = together(alive, meets, rank) if alive else None
    return meets


def together(cards: list[str], meets: dict[str, str | None], rank: dict[str, int]) -> str:
    found = cards[0]
    for other in cards[1:]:
        while found != other:
            if rank[found] > rank[other]:
                found = meets[found] or END
            else:
                other = meets[other] or END
    return found
