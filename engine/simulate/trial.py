"""Runs the tests beside the cadences, one lead each, in the real engine under virtual time.

Before: `engine.compiler` read the tests. After: `engine.simulate.verdict` compares what came out with what was expected. One
world serves all tests; each finds it empty, so none can disturb another.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from engine.clock import VirtualClock
from engine.compiler.cadence_tests import USUAL_CLOCK, CadenceTest, Happening
from engine.compiler.plan import CadencePlan, SplitStep, WorkspacePlan
from engine.compiler.workspace import Compiled
from engine.database import Tx
from engine.leads import Lead, NewLead, load_leads, save_leads
from engine.runtime import Runtime
from engine.schedule.apply import apply_plan
from engine.schedule.courses import course, zone_of
from engine.schedule.draw import draw
from engine.schedule.enrol import enrol_leads
from engine.schedule.next_step import Course
from engine.schedule.timing import first_instant
from engine.schema import bodies, enrolments, handoffs, leads, metadata, scores, sends, touches
from engine.simulate.acts import DirectActs
from engine.simulate.happen import Stage, happen, mails_to
from engine.simulate.mailbox import MailboxWire
from engine.simulate.make import make_runtime, open_database, world_settings
from engine.simulate.recipients import Recipients
from engine.simulate.world import World
from engine.story.passages import told_passages
from engine.story.steps import ToldPassage
from engine.story.words import in_words
from engine.vocabulary import LIVE_ENROLMENT, Consent, SendState, Stream
from webhooks.links import LinkTables

Row = sa.Row[Any]
Trouble = tuple[tuple[int, str], ...]

BEFORE_ALL = datetime(2000, 1, 1, tzinfo=UTC)
KEY, EMAIL = "lead-of-a-test", "lead@test.example"
OWN_COLUMNS = ("key", "email", "zone", "do_not_call", "created_at")
KEPT = ("installation", "workers", "plans", "rules", "artifacts", "files", "cadence_versions", "cadences", "emails")
A_WHILE = timedelta(minutes=10)  # after a mail came: nobody follows a link at once
SLICE = timedelta(days=60)
LONGEST = timedelta(days=366 * 6)  # after which a test ends, whatever still goes on


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A mail that went out to the lead. `step` None: no cadence sent it."""

    step: str | None
    email: str
    at: datetime  # in the lead's zone

    @property
    def on(self) -> date:
        return self.at.date()


@dataclass(frozen=True, slots=True, kw_only=True)
class CameOut:
    """What a test came to. `score`: after the last of its events. `trouble`: events that could not happen, by their number.

    `ends`: for what the passage ended; None: it has not. `refused`: why the lead could not be enrolled.
    """

    zone: ZoneInfo
    sends: tuple[Sent, ...] = ()
    score: float = 0.0
    score_reasons: tuple[str, ...] = ()
    hands: tuple[datetime, ...] = ()
    ends: str | None = None
    ended_at: datetime | None = None
    trouble: tuple[tuple[int, str], ...] = ()
    refused: str | None = None
    passages: tuple[ToldPassage, ...] = ()
    course: Course | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """The world that tests run in."""

    plan: WorkspacePlan
    runtime: Runtime
    clock: VirtualClock
    arrived: list[tuple[int, datetime]]
    stage: Stage


@contextmanager
def open_ground(compiled: Compiled) -> Iterator[Ground]:
    """A throw-away database with the workspace in force and nobody in it."""
    assert compiled.plan is not None  # the caller has told what is wrong otherwise
    with TemporaryDirectory(prefix="handraiser-") as folder:
        clock, settings = VirtualClock(BEFORE_ALL), world_settings(Path(folder), seed=0)
        database = open_database(settings, clock)
        arrived: list[tuple[int, datetime]] = []
        wire = MailboxWire(arrived=arrived, now=clock.now, is_refused=lambda _address: False)
        runtime = make_runtime(settings, database, wire)
        with database.write() as tx:
            apply_plan(tx, compiled.plan, compiled.artifacts, attachments=compiled.attachments)
        stage = Stage(runtime=runtime, acts=DirectActs(runtime, LinkTables(database)))
        try:
            yield Ground(plan=compiled.plan, runtime=runtime, clock=clock, arrived=arrived, stage=stage)
        finally:
            database.close()


def run_test(ground: Ground, test: CadenceTest) -> CameOut:
    """Let the test's lead live through it, to the end of all that the engine does by itself."""
    empty(ground)
    plan = next(each for each in ground.plan.cadences if each.name == test.cadence)
    zone = zone_of(text(test.lead.get("zone")), plan.brand, ground.plan.policy)
    starts_at = first_instant(test.starts, USUAL_CLOCK, zone)
    ground.clock.instant = starts_at
    with ground.runtime.database.write() as tx:
        lead = bring_in(tx, ground, test, plan)
        refused = enrol_leads(tx, test.cadence, [lead.id], again=True).refused.get(lead.id)
    if refused is not None:
        return CameOut(zone=zone, refused=in_words(refused))
    world = World(
        runtime=ground.runtime,
        clock=ground.clock,
        recipients=Recipients(seed=0),
        perform=lambda _intended: None,
        patience=timedelta(0),
    )
    return live(ground, world, test, lead, zone, starts_at)


def empty(ground: Ground) -> None:
    """Everything about people goes; the workspace stays in force."""
    ground.arrived.clear()
    with ground.runtime.database.write() as tx:
        tx.run(sa.delete(bodies))
        tx.run(sa.update(sends).values(handoff_id=None, task_id=None, event_id=None, touch_id=None))
        tx.run(sa.update(handoffs).values(touch_id=None))
        for table in reversed(metadata.sorted_tables):
            if table.name not in KEPT:
                tx.run(sa.delete(table))


def bring_in(tx: Tx, ground: Ground, test: CadenceTest, plan: CadencePlan) -> Lead:
    """The lead of the test, who has agreed to every topic unless the test says otherwise; under a number with which it draws the
    arms that the test names.
    """
    given = test.lead
    key, email = text(given.get("key")) or KEY, text(given.get("email")) or EMAIL
    number = number_that_draws(plan, test)
    if number > 1:
        beside = {"key": "", "fields": {}, "do_not_call": False, "created_at": tx.now, "updated_at": tx.now}
        tx.run(sa.insert(leads).values(id=number - 1, **beside))
    person = NewLead(
        key=key,
        email=email,
        zone=text(given.get("zone")),
        fields={name: value for name, value in given.items() if name not in OWN_COLUMNS},
        do_not_call=given.get("do_not_call") is True,
        consent={
            topic: test.consent if topic == plan.topic else Consent.GRANTED
            for topic in ground.plan.policy.topics
            if topic != plan.topic or test.consent != Consent.UNKNOWN
        },
        consent_source="the test",
    )
    lead_id = save_leads(tx, ground.runtime.tokens, [person])[key]
    tx.run(sa.delete(leads).where(leads.c.id != lead_id))
    if isinstance(since := given.get("created_at"), str):
        tx.run(sa.update(leads).values(created_at=datetime.fromisoformat(since).replace(tzinfo=UTC)))
    return load_leads(tx, [lead_id])[lead_id]


def number_that_draws(plan: CadencePlan, test: CadenceTest) -> int:
    """The first number of a lead that draws all the arms that the test asks for."""
    splits = [step for step in plan.steps if isinstance(step, SplitStep) and step.id in test.arms]
    return next(
        number
        for number in count(1)
        if all(draw(split, lead_id=number, cadence=plan.name).name == test.arms[split.id] for split in splits)
    )


def live(ground: Ground, world: World, test: CadenceTest, lead: Lead, zone: ZoneInfo, starts_at: datetime) -> CameOut:
    trouble = []
    world.run(starts_at)
    for number, event in enumerate(test.events):
        at = come_to(ground, world, test, lead, event, zone)
        if why := happen(ground.stage, lead, event, at=at, number=number):
            trouble.append((number, why))
        world.run(at)
    with ground.runtime.database.read() as tx:
        score = tx.run(sa.select(scores).where(scores.c.lead_id == lead.id)).first()
    run_out(ground, world, lead, starts_at + LONGEST)
    with ground.runtime.database.read() as tx:
        return came_out(tx, test, lead, zone, score, tuple(trouble))


def come_to(ground: Ground, world: World, test: CadenceTest, lead: Lead, event: Happening, zone: ZoneInfo) -> datetime:
    """Let time pass until the event. Without a time of day it is at nine; where the mail that it is about comes later that day,
    a while after that.
    """
    on = event.on.on(test.starts)
    at = max(first_instant(on, event.on.clock or USUAL_CLOCK, zone), ground.clock.now())
    world.run(at)
    if event.on.clock is None and event.email is not None:
        came_at = newest(ground, lead, event.email)
        if came_at is None:
            came_at = wait_for_mail(
                ground, world, lead, event.email, first_instant(on + timedelta(days=1), USUAL_CLOCK.min, zone)
            )
        at = max(at, came_at + A_WHILE) if came_at else at
        world.run(max(at, ground.clock.now()))
    return max(at, ground.clock.now())


def wait_for_mail(ground: Ground, world: World, lead: Lead, email: str, until: datetime) -> datetime | None:
    """Go on from instant to instant of that day until the mail has come; None: it does not, and no time has passed in vain."""
    while (upcoming := world.next_instant()) is not None and upcoming < until:
        world.run(upcoming)
        if came_at := newest(ground, lead, email):
            return came_at
    return None


def newest(ground: Ground, lead: Lead, email: str) -> datetime | None:
    with ground.runtime.database.read() as tx:
        mails = mails_to(tx, lead, email)
    return mails[0].at if mails else None


def run_out(ground: Ground, world: World, lead: Lead, limit: datetime) -> None:
    """Until nothing more will happen to the lead by itself."""
    while ground.clock.now() < limit and goes_on(ground, world, lead):
        world.run(min(ground.clock.now() + SLICE, limit))


def goes_on(ground: Ground, world: World, lead: Lead) -> bool:
    if world.next_instant() is None:
        return False
    with ground.runtime.database.read() as tx:
        is_inside = sa.exists().where(enrolments.c.lead_id == lead.id, enrolments.c.state.in_(LIVE_ENROLMENT))
        is_open = sa.exists().where(sends.c.lead_id == lead.id, sends.c.ended_at.is_(None))
        return bool(tx.run(sa.select(sa.or_(is_inside, is_open))).scalar())


def came_out(tx: Tx, test: CadenceTest, lead: Lead, zone: ZoneInfo, score: Row | None, trouble: Trouble) -> CameOut:
    passages = sa.select(enrolments).where(enrolments.c.lead_id == lead.id, enrolments.c.cadence == test.cadence)
    passage = tx.run(passages.order_by(enrolments.c.id)).first()
    hands = tx.run(sa.select(handoffs.c.raised_at).where(handoffs.c.lead_id == lead.id).order_by(handoffs.c.id)).scalars()
    reasons = score.reasons if score is not None else ()
    return CameOut(
        zone=zone,
        sends=tuple(sent(tx, lead, zone)),
        score=score.points if score is not None else 0.0,
        score_reasons=tuple(f"{reason['because']} ({reason['points']:+g})" for reason in reasons),
        hands=tuple(at.astimezone(zone) for at in hands),
        ends=passage.reason if passage is not None and passage.ended_at else None,
        ended_at=passage.ended_at.astimezone(zone) if passage is not None and passage.ended_at else None,
        trouble=trouble,
        course=course(tx, passage.version_id) if passage is not None else None,
        passages=told_passages(tx, load_leads(tx, [lead.id])[lead.id], zone),
    )


def sent(tx: Tx, lead: Lead, zone: ZoneInfo) -> Iterator[Sent]:
    chosen = (
        sa.select(sends.c.email, sends.c.ended_at, touches.c.step_id)
        .join(touches, touches.c.id == sends.c.touch_id, isouter=True)
        .where(sends.c.lead_id == lead.id, sends.c.state == SendState.ACCEPTED, sends.c.stream != Stream.INTERNAL)
        .order_by(sends.c.ended_at, sends.c.id)
    )
    for row in tx.run(chosen):
        yield Sent(step=row.step_id, email=row.email, at=row.ended_at.astimezone(zone))


def text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
