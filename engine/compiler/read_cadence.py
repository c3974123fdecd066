"""A cadence file as written: its steps, their times, its exits.

Before: `engine.compiler.reading` over one file of `cadences/`. After: `engine.compiler.check_cadences`.
"""

from collections.abc import Iterator
from itertools import count

from engine.compiler import kinds
from engine.compiler.diagnostics import Findings, Place
from engine.compiler.plan import Timing, Window
from engine.compiler.read_window import read_window
from engine.compiler.reading import Section, items_of
from engine.compiler.source import Mapping, Node, Scalar
from engine.compiler.syntax import (
    BranchStep,
    Cadence,
    EmailStep,
    Exit,
    GoalStep,
    Step,
    TaskStep,
    Text,
    WaitStep,
    Written,
)
from engine.spans import Span
from engine.vocabulary import EventType, StepKind

KEYS = (
    "title", "owner", "topic", "brand", "on_change", "repeat", "window", "gap", "exits", "goal", "steps",
)  # fmt: skip
TIMES = ("at", "after")
STEP_KEYS = {
    StepKind.EMAIL: ("email", "id", *TIMES),
    StepKind.TASK: ("task", "title", "note", "due", *TIMES),
    StepKind.WAIT: ("wait", "for", "timeout", "then", "else", *TIMES),
    StepKind.BRANCH: ("branch", "if", "then", "else", *TIMES),
    StepKind.GOAL: ("goal", "if", *TIMES),
}
PAUSE_KEYS = ("wait", "id", *TIMES)
USUAL_EXITS = (EventType.REPLIED, EventType.PURCHASED)
USUAL_GAP = Span(days=1)
USUAL_DUE = Span(business_days=2)
NO_DELAY = Timing(base="after", span=Span())


def read_cadence(node: Node, name: str, window: Window, findings: Findings) -> Cadence:
    """One cadence; `window` is the workspace's, whose parts stand in for what its own leaves out."""
    section = Section(node, "a cadence", KEYS, findings)
    own_window = section.node("window")
    return Cadence(
        name=name,
        place=section.place,
        title=section.text("title"),
        owner=section.reference("owner"),
        topic=section.reference("topic"),
        brand=section.optional("brand", kinds.TEXT),
        on_change=section.given("on_change", kinds.ON_CHANGE, "pin").value,
        repeat=section.given("repeat", kinds.YES_NO, False).value,
        window=read_window(own_window, window, findings) if own_window else None,
        gap=section.given("gap", kinds.SPAN, USUAL_GAP).value,
        goal=section.filled_scalar("goal"),
        exits=tuple(read_exits(section)),
        steps=read_first_steps(section),
    )


def read_exits(section: Section) -> Iterator[Exit]:
    if "exits" not in section:
        yield from (Exit(event=Written(str(event), section.place)) for event in USUAL_EXITS)
    for item in section.list_of_nodes("exits"):
        if isinstance(item, Scalar):
            yield Exit(event=Written(item.text, item.place))
        else:
            own = Section(item, "an exit", ("if", "because"), section.findings)
            because = own.optional("because", kinds.TEXT)
            yield Exit(condition=own.needed_scalar("if"), because=because.value if because else None)


def read_first_steps(section: Section) -> tuple[Step, ...]:
    section.require("steps")
    node = section.node("steps")
    return read_steps(node, "`steps`", count(1), section.findings) if node else ()


def read_steps(node: Node, what: str, positions: Iterator[int], findings: Findings) -> tuple[Step, ...]:
    """A list of steps; `positions` counts the steps of the whole cadence as they are written."""
    items = items_of(node, what, findings)
    if not items and not isinstance(node, Scalar | Mapping):
        findings.add("E028", node.place, f"{what} is empty")
    steps = (read_step(item, next(positions), positions, findings) for item in items)
    return tuple(step for step in steps if step)


def read_step(node: Node, position: int, positions: Iterator[int], findings: Findings) -> Step | None:
    if not isinstance(node, Mapping):
        findings.add("E013", node.place, "a step must be a mapping such as `email: welcome`")
        return None
    kind = kind_of(node, findings)
    match kind:
        case None:
            return None
        case StepKind.EMAIL:
            return read_email(section_of(node, kind, findings))
        case StepKind.TASK:
            return read_task(section_of(node, kind, findings))
        case StepKind.WAIT:
            return read_wait(node, position, positions, findings)
        case StepKind.BRANCH:
            return read_branch(section_of(node, kind, findings), positions)
        case StepKind.GOAL:
            return read_goal(section_of(node, kind, findings))


def kind_of(node: Mapping, findings: Findings) -> StepKind | None:
    """What the step does; None: nothing or two things (reported)."""
    keys = [key.text for key, _ in node.entries]
    found = [kind for kind in StepKind if kind in keys]
    if len(found) == 1:
        return found[0]
    if found:
        findings.add("E018", node.place, f"a step does one thing, not {' and '.join(found)}; make them two steps")
    else:
        odd = next((key for key in keys if not any(key in known for known in STEP_KEYS.values())), "")
        findings.guess("E018", node.place, f"a step needs one of: {', '.join(StepKind)}", odd, StepKind)
    return None


def section_of(node: Mapping, kind: StepKind, findings: Findings) -> Section:
    article = "an" if kind is StepKind.EMAIL else "a"
    return Section(node, f"{article} {kind} step", STEP_KEYS[kind], findings)


def read_email(section: Section) -> EmailStep:
    email = section.reference("email")
    given_id = section.optional("id", kinds.NAME)
    return EmailStep(id=given_id or email, timing=read_timing(section), email=email)


def read_task(section: Section) -> TaskStep:
    return TaskStep(
        id=read_id(section, "task"),
        timing=read_timing(section),
        title=section.needed_scalar("title"),
        note=section.scalar("note") or Scalar("", section.place),
        due=section.given("due", kinds.SPAN, USUAL_DUE).value,
    )


def read_wait(node: Mapping, position: int, positions: Iterator[int], findings: Findings) -> WaitStep:
    """A wait for a condition has `for`; without it, it is a pause, and `wait` says how long."""
    keys = {key.text for key, _ in node.entries}
    if keys & {"for", "timeout", "then", "else"}:
        return read_awaiting(section_of(node, StepKind.WAIT, findings), positions)
    section = Section(node, "a pause", PAUSE_KEYS, findings)
    return WaitStep(
        id=section.optional("id", kinds.NAME) or Written(f"wait-{position}", section.place),
        timing=read_timing(section),
        condition=None,
        timeout=section.needed("wait", kinds.POSITIVE_SPAN, USUAL_GAP).value,
    )


def read_awaiting(section: Section, positions: Iterator[int]) -> WaitStep:
    if "timeout" not in section:
        section.findings.add("E026", section.place, "this wait has no `timeout:`, so it may never end")
    return WaitStep(
        id=read_id(section, "wait"),
        timing=read_timing(section),
        condition=section.needed_scalar("for"),
        timeout=section.given("timeout", kinds.POSITIVE_SPAN, USUAL_GAP).value,
        then=read_way(section, "then", positions),
        otherwise=read_way(section, "else", positions),
    )


def read_branch(section: Section, positions: Iterator[int]) -> BranchStep:
    if "then" not in section and "else" not in section:
        section.findings.add("E028", section.place, "this branch has neither `then:` nor `else:`")
    return BranchStep(
        id=read_id(section, "branch"),
        timing=read_timing(section),
        condition=section.needed_scalar("if"),
        then=read_way(section, "then", positions),
        otherwise=read_way(section, "else", positions),
    )


def read_goal(section: Section) -> GoalStep:
    return GoalStep(id=read_id(section, "goal"), timing=read_timing(section), condition=section.filled_scalar("if"))


def read_way(section: Section, key: str, positions: Iterator[int]) -> tuple[Step, ...]:
    node = section.node(key)
    return read_steps(node, f"`{key}`", positions, section.findings) if node else ()


def read_id(section: Section, key: str) -> Text:
    return section.needed(key, kinds.NAME, "")


def read_timing(section: Section) -> Written[Timing]:
    """When the step is planned; without a word about it, as soon as the previous step has ended."""
    at, after = section.optional("at", kinds.AT), section.optional("after", kinds.AFTER)
    if "at" in section and "after" in section:
        section.findings.add("E025", place_of(section, "after"), "a step has `at:` or `after:`, not both")
    return at or after or Written(NO_DELAY, section.place)


def place_of(section: Section, key: str) -> Place:
    node = section.node(key)
    return node.place if node else section.place
