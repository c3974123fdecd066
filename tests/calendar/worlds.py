"""Simulated worlds whose cadences we choose, to hold the calendar against what really happens in them."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from engine.calendar.expected import Forecast
from engine.calendar.forecast import Asked, forecast
from engine.compiler.copies import Copy
from engine.compiler.plan import CadencePlan, EmailStep, Policy
from engine.compiler.workspace import Compiled
from engine.leads import NewLead, save_leads
from engine.schedule.enrol import enrol_leads
from engine.schema import enrolments, sends, touches
from engine.simulate.make import make_world
from engine.simulate.recipients import Persona, Recipients
from engine.simulate.world import World
from engine.vocabulary import Consent

START = datetime(2026, 1, 5, 8, tzinfo=UTC)
ZONES = ("Europe/London", "America/New_York", None, "Asia/Kolkata", "Europe/Berlin")
SILENT = Persona(name="silent", share=1.0)
LETTER = "enquiry-01-welcome"


def world_of(
    compiled: Compiled,
    folder: Path,
    *cadences: CadencePlan,
    persona: Persona = SILENT,
    change: Callable[[Policy], Policy] = lambda policy: policy,
) -> World:
    """A world with these cadences alone, whose emails all have the body of one letter of the starter."""
    assert compiled.plan is not None
    letter = compiled.plan.emails[LETTER]
    ours = tuple(replace(plan, steps=tuple(written(step, letter) for step in plan.steps)) for plan in cadences)
    world = make_world(
        replace(compiled, plan=replace(compiled.plan, cadences=ours, policy=change(compiled.plan.policy))),
        folder,
        start=START,
        seed=1,
    )
    world.recipients = Recipients(seed=1, personas=(persona,))
    world.runtime.wire.is_refused = lambda _address: False  # type: ignore[attr-defined]
    return world


def written(step: object, letter: Copy) -> object:
    return replace(step, copy=letter) if isinstance(step, EmailStep) else step


def take_in(world: World, cadence: str, numbers: Sequence[int], zones: Sequence[str | None] = ZONES) -> None:
    """Enrol the leads of these numbers, making those that are new."""
    people = [
        NewLead(
            key=f"lead-{n}", email=f"lead-{n}@{('one', 'two', 'three')[n % 3]}.example", zone=zones[n % len(zones)],
            fields={"first_name": "Ada"}, consent={"air-lessons": Consent.GRANTED}, consent_source="test",
        )
        for n in numbers
    ]  # fmt: skip
    with world.runtime.database.write() as tx:
        ids = save_leads(tx, world.runtime.tokens, people)
        enrol_leads(tx, cadence, list(ids.values()))


def expected(world: World, asked: Asked | None = None) -> Forecast:
    with world.runtime.database.read() as tx:
        return forecast(tx, asked or Asked())


def sent(world: World, since: datetime) -> Counter[tuple[int, str, str]]:
    """The mails that went out after an instant, by (day where the reader is, cadence, step)."""
    chosen = (
        sa.select(sends.c.cap_on, enrolments.c.cadence, touches.c.step_id)
        .join_from(sends, touches, touches.c.id == sends.c.touch_id)
        .join(enrolments, enrolments.c.id == touches.c.enrolment_id)
        .where(sends.c.state == "accepted", sends.c.ended_at > since)
    )
    with world.runtime.database.read() as tx:
        return Counter((row.cap_on.toordinal(), row.cadence, row.step_id) for row in tx.run(chosen))


def let_pass(world: World, span: timedelta) -> datetime:
    world.run(world.clock.now() + span)
    return world.clock.now()
