"""The picture of a cadence as a Mermaid flowchart, which GitHub, GitLab and many wikis draw from text. Pure.

Before: `engine.graph.flow` has the cards and edges. After: it is pasted between two fences. Whatever Mermaid could read as an
instruction is written as a numbered entity (`#34;`).
"""

from engine.graph.flow import END, Card, Flow
from engine.graph.letters import shown
from engine.graph.marks import HUES

SHAPES = {
    "branch": ("{{", "}}"), "split": ("{{", "}}"), "wait": ("([", "])"), "goal": ("[[", "]]"), "task": ("[/", "/]"),
    "leave": ("([", "])"),
}  # fmt: skip
PLAIN = frozenset(" .,:?!'-_/()·…‹›=+")
LONGEST = 140


def mermaid_of(flow: Flow) -> str:
    """The whole text. Steps are `s0`, `s1`, … in the order written, since an id may be a word of Mermaid's."""
    names = {card_id: f"s{number}" for number, card_id in enumerate(flow.cards)} | {END: "done"}
    rules = "<br/>".join(f"{label(heading)}: {label(words)}" for heading, words in flow.rules)
    lines = [
        "flowchart TD",
        f'  rules["{label(flow.title)}<br/>{rules}"]',
        f"  rules -.-> {names[flow.first]}",
        *(f"  {names[card.id]}{shape(card)}" for card in flow.cards.values()),
    ]
    if any(edge.to == END for edge in flow.edges):
        lines.append('  done(["The end"])')
    lines += [f"  {names[edge.source]} -->{on_edge(edge.label)} {names[edge.to]}" for edge in flow.edges]
    return "\n".join([*lines, *paint(flow, names)]) + "\n"


def shape(card: Card) -> str:
    opens, closes = SHAPES.get(card.kind, ("[", "]"))
    people = "" if card.people is None else f"<br/>{card.people:,} here"
    words = f"{label(card.heading)} · {label(card.when)}<br/>{label(card.saying)}{people}"
    return f'{opens}"{words}"{closes}'


def on_edge(words: str) -> str:
    return f'|"{label(words)}"|' if words else ""


def label(words: str) -> str:
    """Text that Mermaid shows as it is."""
    clean = shown(words)
    cut = clean if len(clean) <= LONGEST else clean[: LONGEST - 1] + "…"
    return "".join(letter if is_plain(letter) else f"#{ord(letter)};" for letter in cut)


def is_plain(letter: str) -> bool:
    return letter.isalnum() or letter in PLAIN


def paint(flow: Flow, names: dict[str, str]) -> list[str]:
    kinds = [kind for kind in HUES if any(card.kind == kind for card in flow.cards.values())]
    classes = [f"  classDef {kind}Step stroke:{HUES[kind][0]},stroke-width:2px" for kind in kinds]
    members = [
        f"  class {','.join(names[card.id] for card in flow.cards.values() if card.kind == kind)} {kind}Step" for kind in kinds
    ]
    return classes + members
