"""The score: how ready a lead is to be called, as a pure function of its events, the model and the instant.

Before: `engine.scoring.rescore` gathers the facts. After: it keeps the score and notices when the lead becomes ready. The
order in which events arrived makes no difference.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from engine.compiler.plan import PointRule, ScoringModel
from engine.expressions.condition import Condition, compile_condition
from engine.expressions.facts import EventFact, Facts
from engine.expressions.next_change import next_change_at
from engine.expressions.scope import Scope
from engine.vocabulary import EventType, Origin

ANSWERED = (EventType.HANDOFF_DECLINED, EventType.HANDOFF_CLOSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Because:
    """Points and what they are for, in words a rep reads. `at`: the last time; None: it is about who the lead is."""

    points: float
    because: str
    at: datetime | None
    times: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """`reasons`: most points first. `next_change_at`: when it may change without a new event; None: never.

    `is_ready`: the points reach the threshold, and not by who the lead is alone: it did something that counts.
    """

    points: float
    reasons: tuple[Because, ...]
    is_ready: bool
    next_change_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """An event that may score, and what the conditions of rules may look at beside it."""

    event: EventFact
    facts: Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Earned:
    """What one event is worth under one rule, and when that is gone."""

    event: EventFact
    points: float
    until: datetime | None


def score(model: ScoringModel, facts: Facts, scope: Scope) -> Score:
    """The points of one lead as of `facts.now`.

    What happened before sales last gave the lead back, or was through with it, counts no more: sales has heard it, and a new
    hand needs new reasons.
    """
    heard = fresh_events(facts)
    earned = [(rule, earn(rule, heard, facts, scope)) for rule in model.points]
    reasons = [reason for rule, by_rule in earned for reason in reasons_of(rule, by_rule)] + profile(model, facts, scope)
    reasons.sort(key=lambda reason: (-reason.points, reason.because))
    points = sum(reason.points for reason in reasons)
    return Score(
        points=points,
        reasons=tuple(reasons),
        is_ready=points >= model.threshold and any(reason.at is not None and reason.points > 0 for reason in reasons),
        next_change_at=min(changes(model, facts, scope, [each for _rule, by_rule in earned for each in by_rule]), default=None),
    )


def fresh_events(facts: Facts) -> list[Heard]:
    """The human events since sales last had its say, newest first; machines never score."""
    past = [event for event in facts.events if event.at <= facts.now]
    answered_at = max((event.at for event in past if event.type in ANSWERED), default=None)
    fresh = [event for event in past if event.origin == Origin.HUMAN and (answered_at is None or event.at > answered_at)]
    fresh.sort(key=in_one_order, reverse=True)
    return [Heard(event=event, facts=replace(facts, event=event)) for event in fresh]


def in_one_order(event: EventFact) -> tuple[object, ...]:
    """By time, then by whatever may show in a reason, so that events of one instant have an order of their own."""
    return (event.at, event.type, event.email or "", event.link or "", event.page or "", event.form or "")


def earn(rule: PointRule, heard: Sequence[Heard], facts: Facts, scope: Scope) -> list[Earned]:
    """What the rule gives points for, newest first, until its `at_most` is used up; the last one may count in part."""
    left = float("inf") if rule.at_most is None else rule.at_most
    found: list[Earned] = []
    for event in fitting(rule, heard, scope):
        gone_at = until(rule, event, facts)
        if gone_at is not None and gone_at <= facts.now:
            continue
        amount = min(abs(rule.points), left)
        if amount <= 0:
            break
        left -= amount
        found.append(Earned(event=event, points=amount if rule.points > 0 else -amount, until=gone_at))
    return found


def fitting(rule: PointRule, heard: Sequence[Heard], scope: Scope) -> Iterator[EventFact]:
    """The events that the rule is about and for which its condition holds."""
    types = scope.events.counted_as(rule.on)
    asked = condition_of(rule, scope)
    for each in heard:
        if each.event.type in types and (asked is None or asked.holds(each.facts)):
            yield each.event


def until(rule: PointRule, event: EventFact, facts: Facts) -> datetime | None:
    """When the event's points are gone; None: never."""
    return None if rule.fades is None else rule.fades.after(event.at, facts.zone)


def condition_of(rule: PointRule, scope: Scope) -> Condition | None:
    return None if rule.condition is None else compile_condition(rule.condition, scope.for_scoring(rule.on))


def reasons_of(rule: PointRule, earned: Sequence[Earned]) -> list[Because]:
    """One reason for each thing that happened, however often."""
    found: dict[str, Because] = {}
    for each in earned:
        words = in_words(rule.because, each.event)
        known = found.get(words, Because(points=0.0, because=words, at=each.event.at, times=0))
        found[words] = replace(known, points=known.points + each.points, times=known.times + 1)
    return list(found.values())


def in_words(because: str, event: EventFact) -> str:
    """The marketer's words with {email}, {link}, {page} and {form} filled in; what the event has not is "it"."""
    for name in ("email", "link", "page", "form"):
        value = getattr(event, name)
        because = because.replace("{" + name + "}", f"“{value}”" if value else "it")
    return because


def profile(model: ScoringModel, facts: Facts, scope: Scope) -> list[Because]:
    """The points for who the lead is."""
    return [
        Because(points=rule.points, because=rule.because, at=None, times=1)
        for rule in model.profile
        if compile_condition(rule.condition, scope.for_scoring()).holds(facts)
    ]


def changes(model: ScoringModel, facts: Facts, scope: Scope, earned: Sequence[Earned]) -> Iterator[datetime]:
    """The instants at which the score may change by time alone: points fade, an answer turns, an event's time comes."""
    yield from (each.until for each in earned if each.until is not None)
    yield from (event.at for event in facts.events if event.at > facts.now)
    for condition in conditions_of(model, scope):
        turns_at = next_change_at(condition, facts) if condition.uses_time else None
        if turns_at is not None:
            yield turns_at


def conditions_of(model: ScoringModel, scope: Scope) -> list[Condition]:
    of_points = [condition_of(rule, scope) for rule in model.points]
    of_profile = [compile_condition(rule.condition, scope.for_scoring()) for rule in model.profile]
    return [condition for condition in (*of_points, *of_profile) if condition is not None]


def kept_reasons(found: Score) -> list[dict[str, object]]:
    """The reasons as JSON keeps them."""
    return [{**asdict(reason), "at": reason.at.isoformat() if reason.at else None} for reason in found.reasons]


def moved_by(model: ScoringModel, event_type: str, scope: Scope) -> bool:
    """Whether an event of this type may move a score: by its points, by a condition, or because sales has had its say."""
    return event_type in moving_types(model, scope)


def moving_types(model: ScoringModel, scope: Scope) -> frozenset[str]:
    """Every type of event that a score looks at."""
    scored = {kind for rule in model.points for kind in scope.events.counted_as(rule.on)}
    asked = {kind for condition in conditions_of(model, scope) for kind in condition.uses_events}
    return frozenset({*ANSWERED, EventType.FORM_SUBMITTED, *scored, *asked})  # a form may bring new values of fields
