"""First tests for a cadence, from its graph: a lead for each way out of each fork, and what the engine then does.

Before: `handraiser test --write`. After: `engine.simulate.written` spells them. What cannot be brought about simply is told.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from engine.compiler.cadence_tests import USUAL_START, CadenceTest, Expected, ExpectedSend, Happening, Moment
from engine.compiler.diagnostics import Place
from engine.compiler.plan import BranchStep, CadencePlan, Policy, SplitStep, WaitStep
from engine.conditions import condition
from engine.render.artifact import Artifact
from engine.schedule.next_step import NEXT, OTHERWISE, Took, way_taken
from engine.simulate.solve import NOTHING, Needs, Wished, solve
from engine.simulate.trial import CameOut, Ground, run_test
from engine.story.steps import ToldStep
from engine.vocabulary import EventType

MOST_WAYS = 20
ONE_DAY = timedelta(days=1)
ABOUT_MAIL = (EventType.OPENED, EventType.CLICKED, EventType.REPLIED)

Fork = BranchStep | WaitStep | SplitStep
Choices = Mapping[str, Took]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed:
    """`tests`: with what came out as their expectation. `missed`: ways for which no lead was found, in words."""

    tests: tuple[CadenceTest, ...]
    missed: tuple[str, ...]


def propose(ground: Ground, plan: CadencePlan, artifacts: Mapping[str, Artifact]) -> Proposed:
    """A test for everybody who stays silent, and one for each other way out of each fork."""
    tests, missed = [], []
    for choices in ways_through(plan):
        found = brought_about(ground, plan, choices, artifacts)
        name = words_for(plan, choices)
        if found is None:
            missed.append(name)
        else:
            test, out = found
            tests.append(replace(test, title=name, expect=expectation(out, test)))
    return Proposed(tests=tuple(tests), missed=tuple(missed))


def ways_through(plan: CadencePlan) -> Iterator[Choices]:
    """Choices at forks, so that every way out of every fork is among them; at forks that are not named nothing happens."""
    covered, ahead, number = set[tuple[str, Took]](), [dict[str, Took]()], 0
    while ahead and number < MOST_WAYS:
        choices = ahead.pop(0)
        path = list(forks_on_the_way(plan, choices))
        yield choices
        number += 1
        covered.update(path)
        for place, (step_id, took) in enumerate(path):
            for other in ways_out(step_named(plan, step_id)):
                if other != took and (step_id, other) not in covered:
                    covered.add((step_id, other))
                    ahead.append({**dict(path[:place]), step_id: other})


def forks_on_the_way(plan: CadencePlan, choices: Choices) -> Iterator[tuple[str, Took]]:
    steps = {step.id: step for step in plan.steps}
    current = plan.steps[0].id if plan.steps else None
    while current is not None:
        step = steps[current]
        ways = ways_out(step)
        if not ways:
            current = step.next
            continue
        took = choices.get(step.id, next(iter(ways)))
        yield step.id, took
        current = ways[took]


def ways_out(step: object) -> dict[Took, str | None]:
    """The ways that a fork has, the silent one first; none where a step is no fork."""
    match step:
        case SplitStep(arms=arms, next=meet):
            return {arm.name: meet if arm.holdout else arm.next for arm in arms}
        case BranchStep() | WaitStep() if getattr(step, "condition", None) is not None:
            return {OTHERWISE: step.otherwise, NEXT: step.next}
    return {}


def step_named(plan: CadencePlan, step_id: str) -> object:
    return next(step for step in plan.steps if step.id == step_id)


def words_for(plan: CadencePlan, choices: Choices) -> str:
    """`school-or-office: yes`, of what is not as silence has it."""
    said = {NEXT: "yes", OTHERWISE: "no"}
    told = [f"{step_id} {said.get(took, took)}" for step_id, took in choices.items() if took != silent_way(plan, step_id)]
    return ", ".join(told) or "Nothing happens"


def silent_way(plan: CadencePlan, step_id: str) -> Took:
    return next(iter(ways_out(step_named(plan, step_id))))


def brought_about(
    ground: Ground, plan: CadencePlan, choices: Choices, artifacts: Mapping[str, Artifact]
) -> tuple[CadenceTest, CameOut] | None:
    """The lead that goes this way; None: none was found. Forks are met in their order: their dates depend on those before."""
    forks = [step for step in plan.steps if step.id in choices]
    arms = {step.id: choices[step.id] for step in forks if isinstance(step, SplitStep)}
    nobody = CadenceTest(cadence=plan.name, place=Place(""), lead={}, starts=USUAL_START, events=(), expect=Expected(), arms=arms)
    test, out = nobody, run_test(ground, nobody)
    for step_id, took in choices.items():
        step = step_named(plan, step_id)
        if not isinstance(step, BranchStep | WaitStep) or went(out, step_id) == took:
            continue
        needs = needs_at(step, took, ground.plan.policy)
        came = step_of(out, step_id)
        if needs is None or came is None:
            return None
        events = [event for each in needs.events if (event := as_event(each, step, came, out, artifacts))]
        ordered = sorted([*test.events, *events], key=lambda event: event.on.on(test.starts))
        test = replace(test, lead={**test.lead, **needs.fields}, events=tuple(ordered))
        out = run_test(ground, test)
    is_met = not out.trouble and all(went(out, step_id) == took for step_id, took in choices.items())
    return (test, out) if is_met else None


def needs_at(step: BranchStep | WaitStep, took: Took, policy: Policy) -> Needs | None:
    if step.condition is None:
        return NOTHING
    fields = {field.name: field for field in policy.lead_schema.all_fields}
    return solve(condition(step.condition, policy).tree, took == NEXT, fields)


def step_of(out: CameOut, step_id: str) -> ToldStep | None:
    return next((step for step in (out.passages[0].steps if out.passages else ()) if step.step == step_id), None)


def went(out: CameOut, step_id: str) -> Took | None:
    step = step_of(out, step_id)
    if step is None:
        return None
    return way_taken(step.reason, step.arm)


def as_event(
    each: Wished, step: BranchStep | WaitStep, came: ToldStep, out: CameOut, artifacts: Mapping[str, Artifact]
) -> Happening | None:
    """The event a day after a wait began, or a day before a branch is come to; about the newest mail that it may be about."""
    begun_on = came.begun_on or USUAL_START
    on = begun_on + ONE_DAY if isinstance(step, WaitStep) else began_before(begun_on)
    if each.type not in ABOUT_MAIL:
        page = each.subject if each.type == EventType.VISITED else None
        form = each.subject if each.type == EventType.FORM_SUBMITTED else None
        return Happening(on=Moment(day=on), type=each.type, page=page, form=form)
    for mail in reversed([sent for sent in out.sends if sent.on <= on]):
        links = links_of(mail.email, artifacts)
        if each.type == EventType.CLICKED and not links:
            continue
        if each.subject in (None, mail.email):
            return Happening(on=Moment(day=on), type=each.type, email=mail.email)
        if each.subject in links:
            return Happening(on=Moment(day=on), type=each.type, email=mail.email, link=each.subject)
    return None


def began_before(day: date) -> date:
    return max(day - ONE_DAY, USUAL_START + ONE_DAY)


def links_of(email: str, artifacts: Mapping[str, Artifact]) -> Sequence[str]:
    found = next((artifact for artifact in artifacts.values() if artifact.email == email), None)
    return [link.name for link in found.links] if found else []


def expectation(out: CameOut, test: CadenceTest) -> Expected:
    return Expected(
        sends=tuple(ExpectedSend(name=sent.step or sent.email, on=Moment(day=sent.on), place=Place("")) for sent in out.sends),
        score=out.score if out.score or test.events else None,
        handoff=Moment(day=out.hands[0].date()) if out.hands else "no",
        ends=out.ends or "no",
    )
