"""Random cadences and random edits of them: what a marketer may do to a file while people are under way in it.

A cadence is a tree of `Node`s, as in the file; `plan_of` flattens it as the compiler does. `edited` does to a copy of the tree
what one edit might: steps go, come, change places, names, times, mails, and get wrapped in branches and splits.
"""

from copy import deepcopy
from dataclasses import dataclass, field, replace
from itertools import count
from random import Random
from typing import Any

from engine.compiler.plan import Arm, BranchStep, CadencePlan, GoalStep, SplitStep, Step, Timing, WaitStep
from engine.spans import Span, parse_span
from tests.schedule.plans import after, at, cadence, email, task

CONDITIONS = (
    "employees >= 50", "employees < 20", "first_name == 'Ada'", "visited('/pricing', within='20 days')",
    "not visited('/pricing', within='12 days')", "visited('/pricing')", "not visited('/pricing')",
)  # fmt: skip
WAITED_FOR = ("clicked('guide')", "visited('/pricing')", "employees >= 50")
KINDS = ("email",) * 8 + ("task", "pause", "pause", "wait", "branch", "split", "goal")


@dataclass(slots=True, kw_only=True)
class Node:
    """One step as written. `ways`: the steps nested in it, by `then` and `else` or by arm. `id` None: the compiler names it.

    `text`: what its mail says.
    """

    kind: str
    id: str | None
    timing: Timing
    value: Any = None  # the email, the condition, the span
    ways: dict[str, list["Node"]] = field(default_factory=dict)
    timeout: Span = field(default_factory=Span)
    text: str = ""


@dataclass(slots=True, kw_only=True)
class Writer:
    """The marketer. Names and mails are never used twice unless one is meant to come back. `mails`: how all its mails begin."""

    dice: Random
    mails: str = ""
    numbers: "count[int]" = field(default_factory=lambda: count(1))

    def cadence(self) -> list[Node]:
        return self.nodes(self.dice.randint(3, 8), depth=0)

    def nodes(self, number: int, depth: int) -> list[Node]:
        return [self.node(depth) for _ in range(number)]

    def node(self, depth: int) -> Node:
        kind = self.dice.choice(KINDS if depth < 2 else KINDS[:10])
        name, dice = f"{kind[0]}{next(self.numbers)}", self.dice
        node = Node(kind=kind, id=name, timing=self.timing())
        match kind:
            case "email":
                node.value = self.mails + name
            case "pause":
                node.id, node.value = dice.choice((name, None)), parse_span(dice.choice(("2 days", "5 days", "1 week")))
            case "wait":
                node.value, node.timeout = dice.choice(WAITED_FOR), parse_span(dice.choice(("3 days", "10 days", "6 hours")))
                node.ways = {"then": self.nodes(dice.randint(0, 2), depth + 1), "else": self.nodes(dice.randint(0, 2), depth + 1)}
            case "branch":
                node.value = dice.choice(CONDITIONS)
                node.ways = {"then": self.nodes(dice.randint(0, 2), depth + 1), "else": self.nodes(dice.randint(0, 2), depth + 1)}
            case "split":
                node.ways = {arm: self.nodes(dice.randint(0, 2), depth + 1) for arm in ("short", "long")} | {"none": []}
            case "goal":
                node.value = dice.choice(CONDITIONS)
        return node

    def timing(self) -> Timing:
        dice = self.dice
        day, span = f"{dice.randint(1, 60)} days", dice.choice(("1 day", "3 days", "2 business days", "1 week", "4 hours"))
        return dice.choice((at(day), at(day), at(""), after(span), after(span), Timing(base="after", span=Span())))

    def edited(self, tree: list[Node]) -> list[Node]:
        tree = deepcopy(tree)
        for _ in range(self.dice.randint(1, 3)):
            self.dice.choice((self.insert, self.delete, self.delete, self.rename, self.swap, self.move, self.retime, self.wrap,
                              self.unwrap, self.change_mail, self.reword))(tree)  # fmt: skip
        return tree or [self.node(2)]

    def insert(self, tree: list[Node]) -> None:
        steps = self.dice.choice(lists(tree))
        steps.insert(self.dice.randint(0, len(steps)), self.node(1))

    def delete(self, tree: list[Node]) -> None:
        if steps := self.some_steps(tree):
            del steps[self.dice.randrange(len(steps))]

    def rename(self, tree: list[Node]) -> None:
        """The default id of a mail is its email's name; a marketer who gives it one renames the step."""
        if steps := self.some_steps(tree):
            self.dice.choice(steps).id = f"r{next(self.numbers)}"

    def swap(self, tree: list[Node]) -> None:
        steps = self.some_steps(tree)
        if steps and len(steps) > 1:
            one, other = self.dice.sample(range(len(steps)), 2)
            steps[one], steps[other] = steps[other], steps[one]

    def move(self, tree: list[Node]) -> None:
        if steps := self.some_steps(tree):
            taken = steps.pop(self.dice.randrange(len(steps)))
            there = self.dice.choice(lists(tree))
            there.insert(self.dice.randint(0, len(there)), taken)

    def retime(self, tree: list[Node]) -> None:
        if steps := self.some_steps(tree):
            self.dice.choice(steps).timing = self.timing()

    def wrap(self, tree: list[Node]) -> None:
        steps = self.some_steps(tree)
        if not steps:
            return
        begin = self.dice.randrange(len(steps))
        end = self.dice.randint(begin + 1, len(steps))
        kind = self.dice.choice(("branch", "split", "wait"))
        around = Node(kind=kind, id=f"w{next(self.numbers)}", timing=Timing(base="after", span=Span()))
        around.value, around.timeout = self.dice.choice(CONDITIONS[:3]), parse_span("2 days")
        inner = steps[begin:end]
        around.ways = {"short": inner, "long": [], "none": []} if kind == "split" else {"then": inner, "else": []}
        steps[begin:end] = [around]

    def unwrap(self, tree: list[Node]) -> None:
        found = [(steps, node) for steps in lists(tree) for node in steps if node.ways]
        if found:
            steps, node = self.dice.choice(found)
            place = steps.index(node)
            steps[place : place + 1] = [each for way in node.ways.values() for each in way]

    def change_mail(self, tree: list[Node]) -> None:
        """Another mail at the same step; or two steps change their mails."""
        mails = mails_in(tree)
        if len(mails) > 1 and self.dice.random() < 0.5:
            one, other = self.dice.sample(mails, 2)
            (one.value, one.text), (other.value, other.text) = (other.value, other.text), (one.value, one.text)
        elif mails:
            self.dice.choice(mails).value = f"{self.mails}m{next(self.numbers)}"

    def reword(self, tree: list[Node]) -> None:
        if mails := mails_in(tree):
            self.dice.choice(mails).text = f"text {next(self.numbers)}"

    def some_steps(self, tree: list[Node]) -> list[Node] | None:
        found = [steps for steps in lists(tree) if steps]
        return self.dice.choice(found) if found else None


def lists(tree: list[Node]) -> list[list[Node]]:
    """Every list of steps in it."""
    found = [tree]
    for node in tree:
        for way in node.ways.values():
            found += lists(way)
    return found


def mails_in(tree: list[Node]) -> list[Node]:
    return [node for steps in lists(tree) for node in steps if node.kind == "email"]


def plan_of(tree: list[Node], **changed: Any) -> CadencePlan:
    steps: list[Step] = []
    flatten(tree, None, steps, count(1))
    return cadence(*steps, **changed)


def flatten(nodes: list[Node], following: str | None, steps: list[Step], positions: "count[int]") -> str | None:
    """Add the steps in the order written; returns the id of the first, or `following` where there is none."""
    numbered = [(node, next(positions)) for node in nodes]
    first = following
    made: list[list[Step]] = []
    for node, position in reversed(numbered):
        inner: list[Step] = []
        first = step_of(node, position, first, inner, positions)
        made.append(inner)
    for inner in reversed(made):
        steps += inner
    return first


def step_of(node: Node, position: int, next: str | None, steps: list[Step], positions: "count[int]") -> str:
    step_id = node.id or f"wait-{position}"
    nested: list[Step] = []
    ways = {name: flatten(way, next, nested, positions) for name, way in node.ways.items()}
    steps.append(bare_step(node, step_id, next, ways))
    steps += nested
    return step_id


def bare_step(node: Node, step_id: str, next: str | None, ways: dict[str, str | None]) -> Step:
    match node.kind:
        case "email":
            return replace(email(node.value, node.timing, next=next, text=node.text), id=step_id)
        case "task":
            return task(step_id, node.timing, next=next)
        case "pause":
            return WaitStep(id=step_id, timing=node.timing, condition=None, timeout=node.value, next=next, otherwise=next)
        case "wait":
            return WaitStep(
                id=step_id, timing=node.timing, condition=node.value, timeout=node.timeout, next=ways["then"],
                otherwise=ways["else"],
            )  # fmt: skip
        case "branch":
            return BranchStep(id=step_id, timing=node.timing, condition=node.value, next=ways["then"], otherwise=ways["else"])
        case "split":
            arms = tuple(Arm(name=name, share=1, next=way, holdout=name == "none") for name, way in ways.items())
            return SplitStep(id=step_id, timing=node.timing, arms=arms, next=next)
        case _:
            return GoalStep(id=step_id, timing=node.timing, condition=node.value, next=next)
