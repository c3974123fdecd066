"""A small workspace that scores and hands off, and a runtime to do it with."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.compiler.plan import Assignment, AssignmentRule, CadencePlan, EmailStep, PointRule, ProfileRule, Rep, ScoringModel
from engine.database import Database, Tx
from engine.deliver.wire import Flight, Outcome, Recheck
from engine.expressions.facts import EventFact, Facts
from engine.expressions.fields import EventKind, EventSchema, Field, FieldType, LeadSchema
from engine.expressions.scope import Scope
from engine.runtime import Runtime
from engine.schedule.apply import apply_plan
from engine.settings import read_settings
from engine.spans import parse_span
from engine.vocabulary import Origin
from tests.factories import TOKENS
from tests.schedule import plans

NOW = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
LEADS = LeadSchema(
    (
        *(Field(name=name) for name in ("first_name", "last_name", "company", "city", "country", "role", "phone")),
        Field(name="employees", type=FieldType.NUMBER),
    )
)
EVENTS = EventSchema(
    (
        EventKind(name="order_placed", counts_as="purchased", data=(Field(name="total", type=FieldType.NUMBER),)),
        EventKind(name="demo_requested"),
    )
)
SCOPE = Scope(leads=LEADS, events=EVENTS)
DANA = Rep(key="dana", name="Dana Whitfield", email="dana@clearroom.example", phone="+44 20 7946 0311", zone="Europe/London")
JONAS = Rep(key="jonas", name="Jonas Albers", email="jonas@clearroom.example", phone=None, zone="Europe/Berlin")
PRIYA = Rep(key="priya", name="Priya Raman", email="priya@clearroom.example", phone=None, zone="Europe/London")


def ago(words: str) -> datetime:
    return parse_span(words).before(NOW, UTC)


def event(type: str = "clicked", at: datetime = NOW, **about: Any) -> EventFact:
    """Something a person did; `email` names the mail it is about."""
    return EventFact(type=type, at=at, **{"origin": Origin.HUMAN, **about})


def facts(*events: EventFact, now: datetime = NOW, **lead: object) -> Facts:
    return Facts(lead=lead, now=now, events=events)


def points(on: str, points: float, *, fades: str | None = None, **changed: Any) -> PointRule:
    defaults: dict[str, Any] = {"condition": None, "at_most": None, "because": f"{on} {{email}}"}
    return PointRule(on=on, points=points, fades=parse_span(fades) if fades else None, **{**defaults, **changed})


def profile(condition: str, points: float, because: str = "fits") -> ProfileRule:
    return ProfileRule(condition=condition, points=points, because=because)


def model(*rules: PointRule | ProfileRule, threshold: float = 60, respond_within: str = "4 hours") -> ScoringModel:
    return ScoringModel(
        threshold=threshold,
        respond_within=parse_span(respond_within),
        points=tuple(rule for rule in rules if isinstance(rule, PointRule)),
        profile=tuple(rule for rule in rules if isinstance(rule, ProfileRule)),
    )


USUAL = model(
    points("clicked", 20, because="clicked a link in {email}"),
    points("replied", 60, because="replied"),
    points("purchased", 10, because="bought something"),
    profile("employees >= 50", 10, because="50 people or more"),
)
SHARED = Assignment(
    reps={rep.key: rep for rep in (DANA, JONAS, PRIYA)},
    rules=(AssignmentRule(condition="country == 'Germany'", to=("jonas",)), AssignmentRule(condition=None, to=("dana", "priya"))),
)
DANA_ALONE = Assignment(reps={"dana": DANA}, rules=())


def apply_rules(
    tx: Tx, *cadences: CadencePlan, scoring: ScoringModel = USUAL, assignment: Assignment = DANA_ALONE, **policy: Any
) -> None:
    """Put a workspace with this scoring into force."""
    given = {"lead_schema": LEADS, "event_schema": EVENTS, **policy}
    workspace = replace(plans.workspace(*cadences, **given), scoring=scoring, assignment=assignment)
    names = {step.email for cadence in cadences for step in cadence.steps if isinstance(step, EmailStep)}
    made = [plans.artifact(name) for name in names]
    apply_plan(tx, workspace, {artifact.hash: artifact for artifact in made})


class NoWire:
    """Nothing is sent in these tests."""

    def fly(self, flights: Sequence[Flight], recheck: Recheck) -> list[Outcome]:
        raise AssertionError("a test of the scoring sends nothing")

    def close(self) -> None:
        pass


def runtime(database: Database) -> Runtime:
    return Runtime(
        settings=read_settings(Path("/nowhere"), {"HANDRAISER_PUBLIC_URL": "https://go.clearroom.example"}),
        database=database,
        tokens=TOKENS,
        wire=NoWire(),
        worker_id="worker-1",
        has_lease=lambda: True,
        publish=lambda _noun, _claims: None,
    )
