"""From what was written, and found to be sound, to the plan.

Before: `engine.compiler.check` found no error. After: `engine.compiler.plan` is all that the rest of the engine sees.
"""

from collections.abc import Mapping, Sequence
from itertools import zip_longest

from engine.compiler import plan, syntax
from engine.compiler.source import Scalar
from engine.vocabulary import Reason


def build_plan(files: syntax.Files, hashes: Mapping[tuple[str, str], str]) -> plan.WorkspacePlan:
    """The plan of a workspace without errors; `hashes` name the artifacts by (email, brand)."""
    brand = default_brand(files)
    return plan.WorkspacePlan(
        policy=build_policy(files, brand),
        scoring=build_scoring(files.scoring),
        assignment=build_assignment(files.assignment),
        offers=tuple(build_offer(offer) for offer in files.offers),
        cadences=tuple(build_cadence(cadence, files, brand, hashes) for cadence in files.cadences),
        emails={email: digest for (email, own_brand), digest in sorted(hashes.items()) if own_brand == brand},
    )


def default_brand(files: syntax.Files) -> str:
    """The brand of mails that name none: the workspace's, or the only one."""
    return files.workspace.brand.value if files.workspace.brand else next(iter(files.brands), "")


def build_policy(files: syntax.Files, brand: str) -> plan.Policy:
    workspace = files.workspace
    return plan.Policy(
        name=workspace.name,
        zone=workspace.zone,
        brand=brand,
        topics={name: plan.Topic(title=title) for name, title in workspace.topics.items()},
        unknown_consent=workspace.unknown_consent,
        caps=workspace.caps,
        lead_schema=files.leads,
        event_schema=files.events.schema,
        segments={name: condition.text for name, condition in files.segments.items()},
        brands={name: each.values for name, each in files.brands.items()},
        event_emails={event: email.value for event, email in files.events.emails.items()},
    )


def build_scoring(scoring: syntax.Scoring) -> plan.ScoringModel:
    return plan.ScoringModel(
        threshold=scoring.threshold,
        respond_within=scoring.respond_within,
        points=tuple(build_point_rule(rule) for rule in scoring.points),
        profile=tuple(
            plan.ProfileRule(condition=rule.condition.text, points=rule.points, because=rule.because) for rule in scoring.profile
        ),
    )


def build_point_rule(rule: syntax.PointRule) -> plan.PointRule:
    return plan.PointRule(
        on=rule.on.value,
        condition=text_of(rule.condition),
        points=rule.points,
        at_most=rule.at_most,
        fades=rule.fades,
        because=rule.because.text,
    )


def build_assignment(assignment: syntax.Assignment) -> plan.Assignment:
    rules = (
        plan.AssignmentRule(condition=text_of(rule.condition), to=tuple(name.value for name in rule.to))
        for rule in assignment.rules
    )
    return plan.Assignment(reps=dict(assignment.reps), rules=tuple(rules))


def build_offer(offer: syntax.Offer) -> plan.Offer:
    return plan.Offer(
        key=offer.key,
        priority=offer.priority,
        emails=tuple(email.value for email in offer.emails),
        condition=text_of(offer.condition),
        title=offer.title,
        text=offer.text,
        link=offer.link,
        button=offer.button,
    )


def build_cadence(
    cadence: syntax.Cadence, files: syntax.Files, brand: str, hashes: Mapping[tuple[str, str], str]
) -> plan.CadencePlan:
    own_brand = cadence.brand.value if cadence.brand else brand
    digests = {email: digest for (email, of_brand), digest in hashes.items() if of_brand == own_brand}
    return plan.CadencePlan(
        name=cadence.name,
        title=cadence.title,
        owner=cadence.owner.value,
        topic=cadence.topic.value,
        brand=own_brand,
        on_change=cadence.on_change,
        repeat=cadence.repeat,
        window=cadence.window or files.workspace.window,
        gap=cadence.gap,
        goal=text_of(cadence.goal),
        exits=tuple(build_exit(way_out) for way_out in cadence.exits),
        steps=tuple(build_steps(cadence.steps, None, digests)),
    )


def build_exit(way_out: syntax.Exit) -> plan.Exit:
    """An event's own name is its reason; a condition without words of its own has the usual one."""
    event = way_out.event.value if way_out.event else None
    because = way_out.because or event or Reason.EXIT.value
    return plan.Exit(event=event, condition=text_of(way_out.condition), because=because)


def build_steps(steps: Sequence[syntax.Step], after: str | None, digests: Mapping[str, str]) -> list[plan.Step]:
    """Steps in reading order; the last goes on to `after`, and so does every way that ends there."""
    planned: list[plan.Step] = []
    for step, following in zip_longest(steps, steps[1:]):
        onward = following.id.value if following else after
        planned.append(build_step(step, onward, digests))
        if isinstance(step, syntax.WaitStep | syntax.BranchStep):
            planned += build_steps(step.then, onward, digests)
            planned += build_steps(step.otherwise, onward, digests)
    return planned


def build_step(step: syntax.Step, onward: str | None, digests: Mapping[str, str]) -> plan.Step:
    name, timing = step.id.value, step.timing.value
    match step:
        case syntax.EmailStep(email=email):
            digest = digests[email.value]
            return plan.EmailStep(id=name, timing=timing, email=email.value, artifact=digest, next=onward)
        case syntax.TaskStep(title=title, note=note, due=due):
            return plan.TaskStep(id=name, timing=timing, title=title.text, note=note.text, due=due, next=onward)
        case syntax.WaitStep(condition=condition, timeout=timeout):
            return plan.WaitStep(
                id=name,
                timing=timing,
                condition=text_of(condition),
                timeout=timeout,
                next=first_of(step.then, onward),
                otherwise=first_of(step.otherwise, onward),
            )
        case syntax.BranchStep(condition=condition):
            return plan.BranchStep(
                id=name,
                timing=timing,
                condition=condition.text,
                next=first_of(step.then, onward),
                otherwise=first_of(step.otherwise, onward),
            )
        case syntax.GoalStep(condition=goal):
            return plan.GoalStep(id=name, timing=timing, condition=text_of(goal), next=onward if goal else None)


def first_of(steps: Sequence[syntax.Step], onward: str | None) -> str | None:
    return steps[0].id.value if steps else onward


def text_of(condition: Scalar | None) -> str | None:
    return condition.text if condition else None
