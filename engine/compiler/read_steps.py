"""The steps of a cadence as written, those inside ways and arms included.

Before: `engine.compiler.read_cadence` has read what stands above them. After: `engine.compiler.check_cadences`.
"""

from collections.abc import Iterator
from itertools import count
from typing import Literal

from engine.compiler import kinds
from engine.compiler.diagnostics import Findings, Place
from engine.compiler.plan import Timing
from engine.compiler.reading import Section, items_of
from engine.compiler.shapes_of_cadences import ARM, MATCHING, PAUSE, STEP
from engine.compiler.source import Mapping, Node, Scalar
from engine.compiler.syntax import (
    Arm,
    BranchStep,
    EmailStep,
    EnterStep,
    GoalStep,
    LeaveStep,
    RaiseStep,
    SetStep,
    SplitStep,
    Step,
    TaskStep,
    Text,
    WaitStep,
    WebhookStep,
    Written,
)
from engine.spans import Span
from engine.vocabulary import StepKind

MOST_STEPS = 1_000
WAYS_OF_A_STEP = ("next", "otherwise")  # what the schedule calls the ways out of every step, so that no arm may
USUAL_TIMEOUT = Span(days=1)  # in the place of one that is missing, which was reported
USUAL_DUE = Span(business_days=2)
NO_DELAY = Timing(base="after", span=Span())


def read_first_steps(section: Section) -> tuple[Step, ...]:
    """Everything under a cadence's `steps`."""
    section.require("steps")
    node = section.node("steps")
    return read_steps(node, "`steps`", count(1), section.findings) if node else ()


def read_steps(node: Node, what: str, positions: Iterator[int], findings: Findings) -> tuple[Step, ...]:
    """A list of steps; `positions` counts the steps of the whole cadence as they are written."""
    items = items_of(node, what, findings)
    if not items and not isinstance(node, Scalar | Mapping):
        findings.add("E028", node.place, f"{what} is empty")
    steps = (read_step(item, position, positions, findings) for item, position in counted(items, positions, findings))
    return tuple(step for step in steps if step)


def counted(items: tuple[Node, ...], positions: Iterator[int], findings: Findings) -> Iterator[tuple[Node, int]]:
    """The items with their positions, up to what a cadence may have."""
    for item in items:
        position = next(positions)
        if position > MOST_STEPS:
            findings.add("E003", Place(item.place.file), f"this cadence has more than {MOST_STEPS:,} steps")
            return
        yield item, position


def read_step(node: Node, position: int, positions: Iterator[int], findings: Findings) -> Step | None:
    if not isinstance(node, Mapping):
        findings.add("E013", node.place, "a step must be a mapping such as `email: welcome`")
        return None
    kind = kind_of(node, findings)
    if kind is None:
        return None
    if kind is StepKind.WAIT and not is_awaiting(node):
        return read_pause(Section(node, "a pause", PAUSE, findings), position)
    section = section_of(node, kind, findings)
    return read_parted(kind, section, positions) or read_plain(kind, section)


def kind_of(node: Mapping, findings: Findings) -> StepKind | None:
    """What the step does; None: nothing or two things (reported)."""
    keys = [key.text for key, _ in node.entries]
    found = [kind for kind in StepKind if kind in keys]
    if len(found) == 1:
        return found[0]
    if found:
        findings.add("E018", node.place, f"a step does one thing, not {' and '.join(found)}; make them two steps")
    else:
        odd = next((key for key in keys if not any(key in known for known in STEP.values())), "")
        findings.guess("E018", node.place, f"a step needs one of: {', '.join(StepKind)}", odd, StepKind)
    return None


def section_of(node: Mapping, kind: StepKind, findings: Findings) -> Section:
    article = "an" if kind[0] in "aeiou" else "a"
    return Section(node, f"{article} {kind} step", STEP[kind], findings)


def read_parted(kind: StepKind, section: Section, positions: Iterator[int]) -> Step | None:
    """A step that holds others; None: it is no such step."""
    match kind:
        case StepKind.WAIT:
            return read_awaiting(section, positions)
        case StepKind.BRANCH:
            return read_branch(section, positions)
        case StepKind.SPLIT:
            return read_split(section, positions)
    return None


def read_plain(kind: StepKind, section: Section) -> Step | None:
    match kind:
        case StepKind.EMAIL:
            return read_email(section)
        case StepKind.TASK:
            return read_task(section)
        case StepKind.GOAL:
            return GoalStep(id=read_id(section, kind), timing=read_timing(section), condition=section.filled_scalar("if"))
        case StepKind.SET:
            return read_set(section)
        case StepKind.WEBHOOK:
            return read_webhook(section)
        case StepKind.RAISE:
            return RaiseStep(id=read_id(section, kind), timing=read_timing(section), because=section.needed_scalar("because"))
        case StepKind.ENTER:
            return read_enter(section)
        case StepKind.LEAVE:
            return LeaveStep(id=read_id(section, kind), timing=read_timing(section), because=section.text("because"))
    return None


def is_awaiting(node: Mapping) -> bool:
    """A wait for a condition has one of these; without them it is a pause, and `wait` says how long."""
    return bool({key.text for key, _ in node.entries} & {"for", "timeout", "then", "else"})


def read_pause(section: Section, position: int) -> WaitStep:
    return WaitStep(
        id=section.optional("id", kinds.NAME) or Written(f"wait-{position}", section.place),
        timing=read_timing(section),
        condition=None,
        timeout=section.needed("wait", kinds.POSITIVE_SPAN, USUAL_TIMEOUT).value,
    )


def read_awaiting(section: Section, positions: Iterator[int]) -> WaitStep:
    if section.lacks("timeout"):
        section.findings.add("E026", section.place, "this wait has no `timeout:`, so it may never end")
    return WaitStep(
        id=read_id(section, StepKind.WAIT),
        timing=read_timing(section),
        condition=section.needed_scalar("for"),
        timeout=section.given("timeout", kinds.POSITIVE_SPAN, USUAL_TIMEOUT).value,
        then=read_way(section, "then", positions),
        otherwise=read_way(section, "else", positions),
    )


def read_branch(section: Section, positions: Iterator[int]) -> BranchStep:
    if section.lacks("then") and section.lacks("else"):
        section.findings.add("E028", section.place, "this branch has neither `then:` nor `else:`")
    return BranchStep(
        id=read_id(section, StepKind.BRANCH),
        timing=read_timing(section),
        condition=section.needed_scalar("if"),
        then=read_way(section, "then", positions),
        otherwise=read_way(section, "else", positions),
    )


def read_way(section: Section, key: str, positions: Iterator[int]) -> tuple[Step, ...]:
    node = section.node(key)
    return read_steps(node, f"`{key}`", positions, section.findings) if node else ()


def read_split(section: Section, positions: Iterator[int]) -> SplitStep:
    section.require("arms")
    arms = tuple(read_arm(name, node, positions, section.findings) for name, node in section.keyed_entries("arms"))
    if len(arms) < 2 and "arms" in section:
        message = f"this split has {'only one arm' if arms else 'no arms'}; it needs two or more to compare"
        section.findings.add("E045", section.place, message)
    return SplitStep(id=read_id(section, StepKind.SPLIT), timing=read_timing(section), arms=arms)


def read_arm(key: Scalar, node: Node, positions: Iterator[int], findings: Findings) -> Arm:
    section = Section(node, "an arm", ARM, findings)
    if key.text in WAYS_OF_A_STEP:
        findings.add("E017", key.place, f'an arm cannot be called "{key.text}"; choose another name')
    is_holdout = section.given("holdout", kinds.YES_NO, False).value
    if is_holdout and "steps" in section:
        findings.add("E046", section.place_of("steps"), f"the arm `{key.text}` is a holdout, and yet has steps")
    if not is_holdout and section.lacks("steps") and section.lacks("holdout"):
        findings.add("E047", key.place, f"the arm `{key.text}` has no steps; if that is meant, say `holdout: yes`")
    return Arm(
        name=section.value(key, kinds.NAME, ""),
        share=section.needed("share", kinds.COUNT, 1).value,
        holdout=is_holdout,
        steps=read_way(section, "steps", positions),
    )


def read_email(section: Section) -> EmailStep:
    email, items = section.reference("email"), section.list_of_nodes("attach")
    matching = [read_matching(item, section.findings) for item in items if isinstance(item, Mapping)]
    for _, place in matching[1:]:
        section.findings.add("E024", place.place, "collateral is asked for twice; say once how many at most")
    collateral, otherwise = next(((most, other) for other, most in matching), (None, None))
    return EmailStep(
        id=section.optional("id", kinds.NAME) or email,
        timing=read_timing(section),
        email=email,
        attach=tuple(Written(item.text, item.place) for item in items if isinstance(item, Scalar)),
        collateral=collateral,
        otherwise=otherwise,
        valid_for=section.optional("valid_for", kinds.POSITIVE_SPAN),
        late=section.optional("late", kinds.LATE),
        shadow=section.given("shadow", kinds.YES_NO, False).value,
    )


def read_matching(node: Node, findings: Findings) -> tuple[Text | None, Written[int]]:
    """What goes where nothing fits, and how many at most."""
    section = Section(node, "an attachment", MATCHING, findings)
    most = section.needed("collateral", kinds.COUNT, 1)
    return section.optional("else", kinds.TEXT), most


def read_task(section: Section) -> TaskStep:
    return TaskStep(
        id=read_id(section, StepKind.TASK),
        timing=read_timing(section),
        title=section.needed_scalar("title"),
        note=section.scalar("note") or Scalar("", section.place),
        due=section.given("due", kinds.SPAN, USUAL_DUE).value,
        action=read_action(section),
        owner=section.optional("owner", kinds.TEXT),
    )


def read_action(section: Section) -> Literal["call", "other"]:
    return "other" if section.given("action", kinds.ACTION, "call").value == "other" else "call"


def read_set(section: Section) -> SetStep:
    section.require("fields")
    fields = section.keyed_entries("fields")
    if "fields" in section and not fields:
        section.findings.add("E028", section.place_of("fields"), "`fields` is empty, so there is nothing to set")
    return SetStep(id=read_id(section, StepKind.SET), timing=read_timing(section), fields=fields)


def read_webhook(section: Section) -> WebhookStep:
    return WebhookStep(
        id=read_id(section, StepKind.WEBHOOK),
        timing=read_timing(section),
        to=section.reference("to"),
        fields=section.texts("fields"),
    )


def read_enter(section: Section) -> EnterStep:
    cadence = section.reference("enter")
    usual_id = Written(f"enter-{cadence.value}" if cadence.value else "", cadence.place)
    return EnterStep(
        id=section.optional("id", kinds.NAME) or usual_id,
        timing=read_timing(section),
        cadence=cadence,
    )


def read_id(section: Section, key: str) -> Text:
    return section.needed(key, kinds.NAME, "")


def read_timing(section: Section) -> Written[Timing]:
    """When the step is planned; without a word about it, as soon as the previous step has ended."""
    at, after = section.optional("at", kinds.AT), section.optional("after", kinds.AFTER)
    if "at" in section and "after" in section:
        section.findings.add("E025", section.place_of("after"), "a step has `at:` or `after:`, not both")
    return at or after or Written(NO_DELAY, section.place)
