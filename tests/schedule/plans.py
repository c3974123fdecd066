"""Small cadences and workspaces for tests, so that a test names only what matters to it."""

from dataclasses import replace
from datetime import time
from typing import Any

from engine.compiler.plan import (
    Arm,
    Assignment,
    BranchStep,
    CadencePlan,
    Caps,
    EmailStep,
    EnterStep,
    Exit,
    GoalStep,
    LeaveStep,
    Policy,
    RaiseStep,
    Rep,
    ScoringModel,
    SetStep,
    SplitStep,
    Step,
    TaskStep,
    Timing,
    Topic,
    WaitStep,
    WebhookStep,
    Window,
    WorkspacePlan,
)
from engine.compiler.sender import Sender
from engine.database import Tx
from engine.expressions.fields import EventSchema, Field, FieldType, LeadSchema
from engine.render.artifact import Artifact
from engine.schedule.apply import apply_plan
from engine.schedule.changes import Changes
from engine.spans import Span, parse_span
from tests.factories import plain_copy

OFFICE_HOURS = Window(weekdays=(0, 1, 2, 3, 4), opens=time(9), closes=time(17))
AT_ONCE = Timing(base="after", span=Span())
LEAD_FIELDS = LeadSchema((Field(name="first_name"), Field(name="employees", type=FieldType.NUMBER)))


def at(words: str, clock: time | None = None) -> Timing:
    """`at("3 days")`: day 3 from the anchor; `at("")`: day 0."""
    return Timing(base="at", span=parse_span(words) if words else Span(), clock=clock)


def after(words: str, clock: time | None = None) -> Timing:
    return Timing(base="after", span=parse_span(words), clock=clock)


def email(id: str, timing: Timing = AT_ONCE, *, next: str | None = None, text: str = "") -> EmailStep:
    return EmailStep(id=id, timing=timing, email=id, copy=plain_copy(artifact(id, text).hash), next=next)


def task(id: str, timing: Timing = AT_ONCE, *, title: str = "Call {{ lead.first_name }}", next: str | None = None) -> TaskStep:
    return TaskStep(id=id, timing=timing, title=title, note="", due=parse_span("2 business days"), next=next)


def wait(id: str, words: str, *, condition: str | None = None, next: str | None = None, otherwise: str | None = None) -> WaitStep:
    timeout = parse_span(words)
    return WaitStep(
        id=id,
        timing=AT_ONCE,
        condition=condition,
        timeout=timeout,
        next=next,
        otherwise=otherwise if condition else next,
    )


def branch(id: str, condition: str, *, next: str | None = None, otherwise: str | None = None) -> BranchStep:
    return BranchStep(id=id, timing=AT_ONCE, condition=condition, next=next, otherwise=otherwise)


def goal(id: str, condition: str | None = None, *, next: str | None = None) -> GoalStep:
    return GoalStep(id=id, timing=AT_ONCE, condition=condition, next=next)


def split(id: str, *arms: Arm, next: str | None = None) -> SplitStep:
    return SplitStep(id=id, timing=AT_ONCE, arms=arms, next=next)


def arm(name: str, share: int = 1, *, next: str | None = None, holdout: bool = False) -> Arm:
    return Arm(name=name, share=share, next=next, holdout=holdout)


def set_values(id: str, **values: Any) -> SetStep:
    return SetStep(id=id, timing=AT_ONCE, values=values, next=None)


def raise_hand(id: str, because: str = "asked for a visit") -> RaiseStep:
    return RaiseStep(id=id, timing=AT_ONCE, because=because, next=None)


def enter(cadence: str) -> EnterStep:
    return EnterStep(id=f"enter-{cadence}", timing=AT_ONCE, cadence=cadence, next=None)


def leave_here(id: str, because: str) -> LeaveStep:
    return LeaveStep(id=id, timing=AT_ONCE, because=because)


def webhook(id: str, *fields: str, to: str = "crm") -> WebhookStep:
    return WebhookStep(id=id, timing=AT_ONCE, to=to, fields=fields, next=None)


def chain(*steps: Any) -> tuple[Step, ...]:
    """Each step followed by the one after it."""
    following = [step.id for step in steps[1:]] + [None]
    return tuple(
        step if isinstance(step, LeaveStep) else replace(step, next=next) for step, next in zip(steps, following, strict=True)
    )


def cadence(*steps: Step, name: str = "new-enquiry", **changed: Any) -> CadencePlan:
    """Office hours in London, a day between mails, leaves on a reply or a purchase."""
    defaults: dict[str, Any] = {
        "title": name, "owner": "dana", "topic": "air-lessons", "brand": "clearroom", "on_change": "pin", "repeat": False,
        "window": OFFICE_HOURS, "gap": Span(days=1), "goal": None,
        "exits": tuple(Exit(event=event, condition=None, because=event) for event in ("replied", "purchased")),
    }  # fmt: skip
    return CadencePlan(name=name, steps=steps, **{**defaults, **changed})


BRAND = {
    "name": "Clearroom",
    "identities": {"team": {"name": "Clearroom", "address": "hello@clearroom.example"}},
    "from": "team",
    "zone": "Europe/London",
}


def workspace(*cadences: CadencePlan, **policy: Any) -> WorkspacePlan:
    defaults: dict[str, Any] = {
        "name": "Clearroom", "zone": "Europe/London", "brand": "clearroom",
        "topics": {"air-lessons": Topic(title="Lessons on indoor air")}, "unknown_consent": "nurture",
        "caps": Caps(per_day=None, per_week=None, per_month=None), "lead_schema": LEAD_FIELDS,
        "event_schema": EventSchema(), "segments": {}, "brands": {"clearroom": BRAND}, "event_emails": {},
    }  # fmt: skip
    dana = Rep(key="dana", name="Dana Whitfield", email="dana@clearroom.example", phone=None, zone="Europe/London")
    return WorkspacePlan(
        policy=Policy(**{**defaults, **policy}),
        scoring=ScoringModel(threshold=60, respond_within=parse_span("4 hours"), points=(), profile=()),
        assignment=Assignment(reps={"dana": dana}, rules=()),
        offers=(),
        cadences=cadences,
        emails={},
    )


def artifact(email: str, text: str = "") -> Artifact:
    return Artifact(
        email=email,
        brand="clearroom",
        stream="marketing",
        sender=Sender(name="Clearroom", address="hello@clearroom.example"),
        subject=f"About {email}",
        preheader="",
        html=f"<p>{text}</p>",
        text=text,
        links=(),
    )


def apply(tx: Tx, *cadences: CadencePlan, texts: tuple[str, ...] = ("",), **policy: Any) -> Changes:
    """Put a workspace with these cadences into force, with the artifacts that their emails name."""
    names = {step.email for cadence in cadences for step in cadence.steps if isinstance(step, EmailStep)}
    made = [artifact(name, text) for name in names for text in texts]
    return apply_plan(tx, workspace(*cadences, **policy), {each.hash: each for each in made})
