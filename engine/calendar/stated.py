"""Odds that somebody states: a small YAML file, or words in the command.

    every_mail: {replied: 0.5%, unsubscribed: 0.3%}       # of those who get a mail, how many leave after it
    new-enquiry:
      every_mail: {replied: 1%, purchased: 0.2%}          # for this cadence, instead of the above
      read-the-guide: 30%                                 # a step: how many take its first way (yes, it happened, reached)
      short-or-long: {short: 50%, long: 40%, none: 10%}   # a split: every arm

Before: a person who knows more than the history. After: `engine.calendar.forecast` takes these before all others. A mistake
raises UsageError with its line.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from engine.calendar.odds import HANDED_OVER, REACHED, LeavingOdds, Odds, Source, StepOdds, assumed
from engine.compiler import source
from engine.compiler.diagnostics import Findings, Place, instead
from engine.compiler.plan import CadencePlan, GoalStep, RaiseStep, SplitStep, Step
from engine.compiler.source import Node, Scalar, read_alone
from engine.errors import UsageError
from engine.schedule.next_step import NEXT, OTHERWISE

EVERY_MAIL = "every_mail"
REASONS = ("replied", "unsubscribed", "purchased", "handoff", "bounced", "complained", "goal", "exit")
EXACT = 0.001  # the arms of a split are together 1


def read_odds(file: Path, plans: Mapping[str, CadencePlan]) -> Odds:
    """What the file states. `plans`: the cadences in force."""
    findings = Findings()
    root = read_alone(file, file.name, findings)
    if root is None:
        raise UsageError("\n".join(str(finding) for finding in findings.in_order()))
    steps: dict[tuple[str, str], StepOdds] = {}
    leaving: dict[str, LeavingOdds] = {}
    for name, node in entries(root, "the file"):
        if name.text == EVERY_MAIL:
            rates = rates_of(node)
            leaving = {plan: leaving.get(plan, rates) for plan in plans}
            continue
        plan = plans.get(name.text)
        if plan is None:
            raise wrong(name, f"there is no cadence {name.text!r}{instead(name.text, [*plans])}")
        for key, value in entries(node, name.text):
            if key.text == EVERY_MAIL:
                leaving[name.text] = rates_of(value)
            else:
                steps[name.text, key.text] = shares_of(plan, key, value)
    return Odds(steps=steps, leaving=leaving)


def with_words(odds: Odds, words: Sequence[str], plans: Mapping[str, CadencePlan]) -> Odds:
    """Odds from the command: `new-enquiry.read-the-guide=30%`, or `replied=1%` for every cadence."""
    steps, leaving = dict(odds.steps), dict(odds.leaving)
    for said in words:
        name, equals, value = said.partition("=")
        share = share_in(value) if equals else None
        if share is None:
            raise UsageError(f"{said!r} states no odds; write --say replied=1% or --say new-enquiry.read-the-guide=30%")
        cadence, dot, step_id = name.partition(".")
        if not dot:
            require_reason(cadence, f"{said!r}")
            leaving |= {plan: added(leaving.get(plan), cadence, share) for plan in plans}
            continue
        if cadence not in plans:
            raise UsageError(f"there is no cadence {cadence!r}{instead(cadence, [*plans])}")
        steps[cadence, step_id] = two_ways(step_named(plans[cadence], step_id, f"{said!r}"), share, f"{said!r}")
    return Odds(steps=steps, leaving=leaving)


def added(odds: LeavingOdds | None, reason: str, rate: float) -> LeavingOdds:
    return LeavingOdds(rates={**(odds.rates if odds else {}), reason: rate}, source=Source.STATED)


def entries(node: Node, what: str) -> Iterator[tuple[Scalar, Node]]:
    if not isinstance(node, source.Mapping):
        raise wrong(node, f"{what} holds names with shares, such as `read-the-guide: 30%`")
    yield from node.entries


def rates_of(node: Node) -> LeavingOdds:
    rates: dict[str, float] = {}
    for reason, value in entries(node, EVERY_MAIL):
        require_reason(reason.text, told(reason.place))
        rates[reason.text] = required_share(value)
    if sum(rates.values()) > 1:
        raise wrong(node, "more leave than there are: the shares are together more than 100%")
    return LeavingOdds(rates=rates, source=Source.STATED)


def require_reason(reason: str, where: str) -> None:
    if reason not in REASONS:
        raise UsageError(f"{where}: nobody leaves for {reason!r}; the reasons are {', '.join(REASONS)}")


def shares_of(plan: CadencePlan, key: Scalar, value: Node) -> StepOdds:
    step = step_named(plan, key.text, told(key.place))
    if isinstance(value, Scalar):
        return two_ways(step, required_share(value), told(key.place))
    shares = {arm.text: required_share(share) for arm, share in entries(value, key.text)}
    known = assumed(step)
    if known is None or set(shares) != set(known.shares) or abs(sum(shares.values()) - 1) > EXACT:
        ways = ", ".join(known.shares) if known else "none"
        raise wrong(key, f"{key.text} needs a share for each of its ways ({ways}), together 100%")
    return StepOdds(shares=shares, source=Source.STATED, delays=known.delays)


def step_named(plan: CadencePlan, step_id: str, where: str) -> Step:
    for step in plan.steps:
        if step.id == step_id and assumed(step) is not None:
            return step
    forks = [step.id for step in plan.steps if assumed(step) is not None]
    raise UsageError(f"{where}: {plan.name} has no step {step_id!r} at which ways part; it has: {', '.join(forks) or 'none'}")


def two_ways(step: Step, first: float, where: str) -> StepOdds:
    """`first`: of the way that a person means: yes, it happened, the goal is reached, sales keeps the lead."""
    known = assumed(step)
    if isinstance(step, SplitStep) or known is None:
        raise UsageError(f"{where}: {step.id} is a split; state a share for each arm, in a file for --odds")
    match step:
        case GoalStep():
            shares = {REACHED: first, NEXT: 1 - first}
        case RaiseStep():
            shares = {HANDED_OVER: first, NEXT: 1 - first}
        case _:
            shares = {NEXT: first, OTHERWISE: 1 - first}
    return StepOdds(shares=shares, source=Source.STATED, delays=known.delays)


def required_share(node: Node) -> float:
    share = share_in(node.text) if isinstance(node, Scalar) else None
    if share is None:
        raise wrong(node, "a share is written like 30% or 0.3, and is between 0 and 1")
    return share


def share_in(text: str) -> float | None:
    """`30%` or `0.3`; None where it is neither."""
    number, percent, rest = text.strip().partition("%")
    try:
        share = float(number) / (100 if percent else 1)
    except ValueError:
        return None
    return share if 0 <= share <= 1 and not rest else None


def wrong(node: Node, message: str) -> UsageError:
    return UsageError(f"{told(node.place)}: {message}")


def told(place: Place) -> str:
    return f"{place.file}:{place.line}:{place.column}"


def newcomers(words: Sequence[str], plans: Mapping[str, CadencePlan]) -> dict[str, float]:
    """`50/week` for every cadence, `trial-ended=20/week` for one; also a day or a month; `none`. By cadence, in a week."""
    found: dict[str, float] = {}
    for said in words:
        name, equals, rate = said.rpartition("=")
        in_a_week = rate_in(rate)
        if in_a_week is None or (equals and name not in plans):
            raise UsageError(
                f"{said!r} is no rate; write --new 50/week, --new trial-ended=20/week ({', '.join(plans)}) or --new none"
            )
        found |= {plan: in_a_week for plan in ([name] if equals else plans)}
    return found


def rate_in(text: str) -> float | None:
    if text.strip() == "none":
        return 0.0
    number, _, unit = text.partition("/")
    weeks = {"day": 7.0, "week": 1.0, "month": 7 / 30.44}.get(unit.strip())
    try:
        return float(number) * weeks if weeks and 0 <= float(number) < 1e9 else None
    except ValueError:
        return None
