"""What the people inside a cadence answer to its conditions now, for forecasts; once a person, however many steps ask.

Before: `engine.schedule.positions`. After: `engine.schedule.crowds` counts an answer among what tells two people apart. An answer
that time alone may change is asked again at its time; what a score will be is not known, so it stays as it is.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import NamedTuple

from engine.compiler.plan import BranchStep, GoalStep, Policy, SplitStep, WaitStep
from engine.conditions import gather_facts
from engine.database import Tx
from engine.expressions.condition import Condition
from engine.expressions.facts import Facts
from engine.leads import load_leads
from engine.schedule.draw import draw
from engine.schedule.endings import compiled_or_none, conditions_of
from engine.schedule.forecast import Outlook
from engine.schedule.next_step import Course
from engine.schedule.positions import Position
from engine.versions import live_rules
from engine.vocabulary import Consent

FAR = datetime.max.replace(tzinfo=UTC)
NONE: frozenset[str] = frozenset()


class Answers(NamedTuple):
    """Which conditions hold of somebody by the rules of one side of the edit.

    `hold`: now. `hold_without_events`: at a wait yet to begin. `asked`: whether what the open wait waits for has come.
    `takes_mail`: whether marketing mail may go to the person at all. `person`: the lead, where time may change an answer; else 0.
    """

    hold: frozenset[str] = NONE
    hold_without_events: frozenset[str] = NONE
    asked: bool = False
    takes_mail: bool = True
    person: int = 0
    arms: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """The conditions of a version, compiled by the rules that hold with it. `waits`: those that waits ask, by step."""

    course: Course
    policy: Policy
    conditions: Mapping[str, Condition]
    waits: Mapping[str, Condition]
    splits: tuple[SplitStep, ...]


def side_of(course: Course, policy: Policy) -> Side:
    return Side(
        course=course,
        policy=policy,
        conditions=compiled({*conditions_of(course.plan), *asked_at_steps(course)}, policy),
        waits={
            step.id: condition
            for step in course.plan.steps
            if isinstance(step, WaitStep) and step.condition and (condition := compiled_or_none(step.condition, policy))
        },
        splits=tuple(step for step in course.plan.steps if isinstance(step, SplitStep)),
    )


def asked_at_steps(course: Course) -> Iterator[str]:
    for step in course.plan.steps:
        if isinstance(step, BranchStep | GoalStep) and step.condition:
            yield step.condition


def compiled(texts: Collection[str], policy: Policy) -> dict[str, Condition]:
    found = {text: compiled_or_none(text, policy) for text in sorted(texts)}
    return {text: condition for text, condition in found.items() if condition is not None}


def gather(tx: Tx, standing: Sequence[Position], sides: Collection[Side], topic: str) -> dict[int, Facts]:
    """Facts by lead, where any of these conditions asks for them."""
    asked = [each for side in sides for each in (*side.conditions.values(), *side.waits.values())]
    if not asked:
        return {}
    people = load_leads(tx, {each.lead_id for each in standing})
    types = {kind for condition in asked for kind in condition.uses_events}
    return gather_facts(tx, people, live_rules(tx), topic=topic, event_types=types)


def answers_of(side: Side, position: Position, open_step: str | None, facts: Facts | None) -> Answers:
    """What this person answers. `open_step`: the open step's id in this version."""
    takes_mail, arms = may_be_written(side.policy, position), arms_of(side, position)
    if facts is None:
        return Answers(takes_mail=takes_mail, arms=arms)
    waiting = side.waits.get(open_step or "")
    quiet = replace(facts, since=FAR)
    return Answers(
        hold=frozenset(text for text, condition in side.conditions.items() if condition.holds(facts)),
        hold_without_events=frozenset(each.text for each in side.waits.values() if each.holds(quiet)),
        asked=waiting is not None and waiting.holds(replace(facts, since=position.created_at)),
        takes_mail=takes_mail,
        person=position.lead_id if changes_with_time(side, facts) else 0,
        arms=arms,
    )


def arms_of(side: Side, position: Position) -> tuple[tuple[str, str], ...]:
    """(split, arm) of each split that the lead may come to."""
    return tuple((split.id, draw(split, lead_id=position.lead_id, cadence=side.course.plan.name).name) for split in side.splits)


def may_be_written(policy: Policy, position: Position) -> bool:
    unknown = position.consent in (None, Consent.UNKNOWN)
    held = position.consent == Consent.REFUSED or (unknown and policy.unknown_consent == "hold")
    return position.has_address and not position.is_stopped and not held


def changes_with_time(side: Side, facts: Facts) -> bool:
    types = {event.type for event in facts.events}
    return any(condition.uses_time and condition.uses_events & types for condition in side.conditions.values())


def outlook_of(side: Side, answers: Answers, facts: Facts | None) -> Outlook:
    """The same as questions that a forecast asks."""

    arms = dict(answers.arms)

    def holds(text: str, at: datetime) -> bool:
        if not answers.person or facts is None:
            return text in answers.hold
        condition = side.conditions.get(text)
        return condition is not None and condition.holds(replace(facts, now=at))

    over = tuple(conditions_of(side.course.plan))

    def is_over(at: datetime) -> bool:
        return any(holds(text, at) for text in over)

    return Outlook(
        holds=holds,
        wait_holds=lambda text, _at: text in answers.hold_without_events,
        arm=lambda split: arms[split.id],
        is_over=is_over,
        asked=answers.asked,
        takes_mail=answers.takes_mail,
    )
