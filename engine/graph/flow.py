"""A cadence as cards and edges: what every picture of it shows. Pure.

Before: `engine.graph.words` puts each step into words. After: `engine.graph.svg` and `engine.graph.mermaid` draw the flow.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from engine.compiler.plan import CadencePlan, Step
from engine.graph.words import Way, heading_of, rules_in_words, saying_of, timing_in_words, ways_on

END = "the end"  # no step can be called so: an id has no spaces


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One step. `people`: how many live passages stand at it; None where nobody asked."""

    id: str
    kind: str
    heading: str
    when: str
    saying: str
    people: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """`to` may be END."""

    source: str
    to: str
    label: str
    took: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """The whole picture in words. `rules`: what holds at any time, as (heading, words)."""

    name: str
    title: str
    about: str
    rules: tuple[tuple[str, str], ...]
    first: str
    cards: dict[str, Card]
    edges: tuple[Edge, ...]

    def edges_of(self, card_id: str) -> list[Edge]:
        return [edge for edge in self.edges if edge.source == card_id]


def flow_of(plan: CadencePlan, subjects: Mapping[str, str], people: Mapping[str, int] | None = None) -> Flow:
    """`subjects`: of the emails, by artifact. `people`: how many stand at each step; those at steps not here are told apart."""
    cards = {step.id: card_of(plan, step, subjects, people) for step in plan.steps}
    edges = tuple(edge_of(step, way) for step in plan.steps for way in ways_on(step))
    return Flow(
        name=plan.name,
        title=plan.title,
        about=about(plan, people),
        rules=tuple(rules_in_words(plan)),
        first=plan.steps[0].id,
        cards=cards,
        edges=edges,
    )


def edge_of(step: Step, way: Way) -> Edge:
    return Edge(source=step.id, to=way.to or END, label=way.label, took=way.took)


def card_of(plan: CadencePlan, step: Step, subjects: Mapping[str, str], people: Mapping[str, int] | None) -> Card:
    due = f" · due in {step.due}" if step.kind == "task" else ""
    return Card(
        id=step.id,
        kind=step.kind,
        heading=heading_of(step),
        when=timing_in_words(step.timing, is_first=step is plan.steps[0]) + due,
        saying=saying_of(step, subjects),
        people=None if people is None else people.get(step.id, 0),
    )


def about(plan: CadencePlan, people: Mapping[str, int] | None) -> str:
    mails = sum(step.kind == "email" for step in plan.steps)
    words = f"{plan.name}: {counted(len(plan.steps), 'step')}, {counted(mails, 'email')}"
    if people is None:
        return words
    elsewhere = sum(count for step_id, count in people.items() if step_id not in {step.id for step in plan.steps})
    inside = counted(sum(people.values()), "person", "people")
    return f"{words}; {inside} inside" + (f", {elsewhere:,} of them at steps of older versions" if elsewhere else "")


def counted(number: int, one: str, several: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else several or one + 's'}"


def as_plain(flow: Flow) -> dict[str, object]:
    """For JSON; the end of the cadence is null."""
    return {
        "cadence": flow.name,
        "title": flow.title,
        "rules": dict(flow.rules),
        "steps": [
            {"id": card.id, "kind": card.kind, "when": card.when, "says": card.saying, "people": card.people}
            for card in flow.cards.values()
        ],
        "ways": [
            {"from": edge.source, "to": None if edge.to == END else edge.to, "took": edge.took, "label": edge.label}
            for edge in flow.edges
        ],
    }
