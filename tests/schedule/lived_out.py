"""The proof that an edit does what was told: random edits under people at random places, lived out by the real verbs.

`tests/schedule/test_edits.py` runs a few; by itself as many as asked:

    python -m tests.schedule.lived_out --cases 10000 --people 50 --seed 1

Only the mail server is left out: every mail is accepted at once. Nobody does anything; sales gives back whom it has when an edit
is applied.
"""

import argparse
import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import sqlalchemy as sa

from engine.advance import advance
from engine.claim import TOUCH, Claim, in_state, take_due
from engine.clock import VirtualClock
from engine.compiler.plan import CadencePlan
from engine.database import Database, Tx
from engine.deliver.compose import Begun
from engine.deliver.wire import Flight, Outcome, Recheck
from engine.events import NewEvent, record_events
from engine.render.artifact import Artifact
from engine.runtime import Runtime
from engine.schedule.apply import apply_plan, carry_out_work
from engine.schedule.crowds import Crowd, crowds
from engine.schedule.edited import Edited, versions_inside, work_out
from engine.schedule.enrol import enrol_leads
from engine.schedule.leave import resume, suspend
from engine.schedule.progress import EndedTouch, end_touches
from engine.schema import enrolments, leads, metadata, sends, touches
from engine.settings import read_settings
from engine.versions import cadence_plan, live_rules
from engine.vocabulary import EnrolmentState, EventType, Origin, SendState, TouchState
from tests.factories import SECRET, TOKENS, lead_row
from tests.schedule.plans import artifact, workspace
from tests.schedule.random_edits import Node, Writer, mails_in, plan_of

START = datetime(2026, 1, 5, 9, tzinfo=UTC)
ZONES = ("Europe/London", "America/New_York", "Asia/Kolkata", None)
LEASE = timedelta(hours=1)
AT_ONCE = 1_000
LONG = 700  # days, after which nobody is inside any more
NAMES = ("Ada", "Grace", None)

Sent = tuple[str, str, datetime]  # (step, email, when)


@dataclass(slots=True, kw_only=True)
class Lived:
    """What a number of cases came to."""

    cases: int = 0
    people: int = 0
    moved: int = 0
    mails: int = 0
    how: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True, kw_only=True)
class Case:
    """One cadence with its people. Many live side by side in one world, since a look at the clock costs the same for all."""

    number: int
    dice: Random
    writer: Writer
    tree: list[Node]
    on_change: str = "pin"
    people: list[int] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"cadence-{self.number}"

    @property
    def plan(self) -> CadencePlan:
        return plan_of(self.tree, name=self.name, on_change=self.on_change)


def new_case(number: int, seed: int) -> Case:
    dice = Random(f"{seed}/{number}")
    writer = Writer(dice=dice, mails=f"{number}-")
    return Case(number=number, dice=dice, writer=writer, tree=writer.cadence())


class NoWire:
    """Nothing here reaches a wire."""

    def fly(self, flights: Sequence[Flight], recheck: Recheck) -> list[Outcome]:
        raise AssertionError("no mail flies here")

    def close(self) -> None: ...


def live_out(database: Database, clock: VirtualClock, cases: Sequence[Case], people: int, lived: Lived, edits: int = 2) -> None:
    """Cadences, people in them, edits, and then time until nobody is inside. Raises AssertionError where a promise is broken."""
    dice, runtime = Random(f"{cases[0].number} and on"), runtime_of(database)
    clock.move_to(max(clock.now(), START))
    with database.write() as tx:
        put(tx, cases)
    for edit in range(edits):
        with database.write() as tx:
            for case in cases:
                let_in(tx, case, people // edits)
        run(runtime, clock, clock.now() + timedelta(days=dice.randint(0, 25), hours=dice.randint(0, 23)))
        held = stop_somewhere(runtime, dice, [lead_id for case in cases for lead_id in case.people])
        for case in cases:
            case.tree = case.writer.edited(case.tree)
            case.on_change = case.dice.choice(("pin", "migrate", "migrate"))
        with database.read() as tx:
            had, last = sent_to(tx), last_send(tx)
        promised = apply_as_told(database, cases, lived)
        accept(runtime, held)
        run(runtime, clock, clock.now() + timedelta(days=LONG if edit == edits - 1 else dice.choice((0, 9))))
        check_promised(database, had, promised, clock.now(), lived)
        check_copy(database, cases, last)
    run(runtime, clock, clock.now() + timedelta(days=LONG))
    check_all(database)
    lived.cases += len(cases)
    lived.people += sum(len(case.people) for case in cases)


def put(tx: Tx, cases: Sequence[Case]) -> None:
    apply_plan(tx, workspace(*[case.plan for case in cases]), artifacts_of(cases))


def artifacts_of(cases: Sequence[Case]) -> dict[str, Artifact]:
    made = [artifact(node.value, node.text) for case in cases for node in mails_in(case.tree)]
    return {each.hash: each for each in made}


def let_in(tx: Tx, case: Case, number: int) -> None:
    """Some today, some as if they had come in a while ago, some once more; some have looked at the prices."""
    dice = case.dice
    new = add_people(tx, [person(tx, dice) for _ in range(number)])
    case.people += new
    for some in (new[0::3], new[1::3], new[2::3]):
        enrol_leads(tx, case.name, some, anchor_at=tx.now - timedelta(days=dice.choice((0, 0, dice.randint(0, 30)))))
    enrol_leads(tx, case.name, dice.sample(case.people, number // 4), again=True)  # of those who have been through it
    record_events(tx, [looked_at_prices(tx, lead_id, dice.randint(0, 25)) for lead_id in new if dice.random() < 0.3])


def person(tx: Tx, dice: Random) -> dict[str, object]:
    fields = {"first_name": dice.choice(NAMES), "employees": dice.choice((10, 30, 80))}
    return lead_row(tx, fields=fields, zone=dice.choice(ZONES))


def add_people(tx: Tx, rows: Sequence[dict[str, object]]) -> list[int]:
    """All at once; their numbers in the order of the rows."""
    added = sa.insert(leads).returning(leads.c.id, sort_by_parameter_order=True)
    return list(tx.run(added, rows).scalars()) if rows else []


def looked_at_prices(tx: Tx, lead_id: int, days_ago: int) -> NewEvent:
    return NewEvent(
        source_key=f"looked {lead_id}", type=EventType.VISITED, origin=Origin.HUMAN, lead_id=lead_id, data={"page": "/pricing"},
        occurred_at=tx.now - timedelta(days=days_ago),
    )  # fmt: skip


def stop_somewhere(runtime: Runtime, dice: Random, people: Collection[int]) -> list[Claim]:
    """The edit meets mails on their way, claimed touches, and people whom sales has."""
    with runtime.database.write() as tx:
        claims = take_due(tx, TOUCH, limit=AT_ONCE, lease=LEASE)
        held = advance(tx, runtime, claims[: dice.randint(0, len(claims))])
        suspend(tx, [lead_id for lead_id in people if dice.random() < 0.1])
    return [claim for claim in claims_of(held) if is_claimed(runtime.database, claim)]


def claims_of(held: Sequence[Begun]) -> list[Claim]:
    return [(send.send_id, send.epoch) for send in held]


def is_claimed(database: Database, claim: Claim) -> bool:
    with database.read() as tx:
        return tx.run(sa.select(sends.c.state).where(sends.c.id == claim[0])).scalar() == SendState.CLAIMED


def apply_as_told(database: Database, cases: Sequence[Case], lived: Lived) -> dict[int, list[Sent]]:
    """Apply it, and say which mails every passage is promised from here on."""
    plan, made = workspace(*[case.plan for case in cases]), artifacts_of(cases)
    with database.read() as tx:
        before = work_out(tx, plan, made)
    with database.write() as tx:
        resume(tx, [lead_id for case in cases for lead_id in case.people])
        work = work_out(tx, plan, made, whole=True)
        cut_short = work_out(tx, plan, made, since=before)
        assert cut_short.changes == work.changes, "a forecast was cut short too early, or was no longer true"
        stay = [crowd for edited in work.edited for crowd in as_they_are(tx, edited)]
        carry_out_work(tx, plan, made, cut_short)
        moved = [crowd for edited in work.edited for crowd in edited.crowds]
        check_removed(tx, work.edited)
    lived.moved += sum(edited.change.moves for edited in work.edited)
    for crowd in moved:
        lived.how[crowd.fate.how] += len(crowd.people)
    return {person[0]: promise(crowd) for crowd in (*moved, *stay) for person in crowd.people}


def as_they_are(tx: Tx, edited: Edited) -> Iterator[Crowd]:
    """Those who stay on a version, with what they are to get by it."""
    for row in versions_inside(tx, edited.plan.name):
        if row.id not in edited.moving:
            yield from crowds(tx, cadence_plan(tx, row.id), [row.id], live_rules(tx).policy, whole=True)


def promise(crowd: Crowd) -> list[Sent]:
    return [(mail.step_id, mail.email, mail.at) for mail in crowd.fate.after]


def check_removed(tx: Tx, work: Sequence[Edited]) -> None:
    """Who stood at a step that is gone is listed with a step that is there, or has finished with the reason; nobody hangs."""
    finished = set()
    for edited in work:
        steps = {step.id for step in edited.plan.steps}
        for crowd in edited.crowds:
            assert crowd.fate.how == "sending" or crowd.fate.to_step in {None, *steps}
            finished |= {person[0] for person in crowd.people if crowd.fate.to_step is None}
    without = (
        sa.select(enrolments.c.id)
        .outerjoin(touches, sa.and_(touches.c.enrolment_id == enrolments.c.id, touches.c.ended_at.is_(None)))
        .where(enrolments.c.ended_at.is_(None), touches.c.id.is_(None))
    )
    assert tx.run(without).all() == []
    rows = tx.run(sa.select(enrolments.c.state, enrolments.c.reason).where(enrolments.c.id.in_(finished))).all()
    assert all(tuple(row) == (EnrolmentState.FINISHED, "removed") for row in rows)


def check_promised(
    database: Database, had: dict[int, list[Sent]], promised: dict[int, list[Sent]], until: datetime, lived: Lived
) -> None:
    """What was told is what was sent since, mail by mail and to the second."""
    with database.read() as tx:
        sent = sent_to(tx)
    for enrolment_id, mails in promised.items():
        due = [mail for mail in mails if mail[2] <= until]
        got = sent.get(enrolment_id, [])
        since = [mail for mail in got if mail not in had.get(enrolment_id, ())]
        assert since == due, f"enrolment {enrolment_id} was told {due} and got {since}; all: {got}; told: {mails}"
        lived.mails += len(due)


def check_copy(database: Database, cases: Sequence[Case], after_send: int) -> None:
    """Whatever version somebody is on, what was asked for since the edit says what the edit made it say."""
    newest = {made.email: digest for digest, made in artifacts_of(cases).items()}
    chosen = sa.select(sends.c.email, sends.c.artifact_hash).where(sends.c.id > after_send, sends.c.email.in_(newest))
    with database.read() as tx:
        for email, digest in tx.run(chosen.distinct()):
            assert digest == newest[email], f"{email} went out with old words"


def last_send(tx: Tx) -> int:
    return tx.run(sa.select(sa.func.coalesce(sa.func.max(sends.c.id), 0))).scalar_one()


def sent_to(tx: Tx) -> dict[int, list[Sent]]:
    chosen = (
        sa.select(touches.c.enrolment_id, touches.c.step_id, sends.c.email, touches.c.ended_at)
        .join(sends, sends.c.touch_id == touches.c.id)
        .where(sends.c.state == SendState.ACCEPTED)
        .order_by(sends.c.id)
    )
    found: dict[int, list[Sent]] = {}
    for row in tx.run(chosen):
        found.setdefault(row.enrolment_id, []).append((row.step_id, row.email, row.ended_at))
    return found


def check_all(database: Database) -> None:
    """No mail twice in a passage, nobody left inside, and a reason for everything that was not done."""
    with database.read() as tx:
        for enrolment_id, mails in sent_to(tx).items():
            assert len({email for _step, email, _at in mails}) == len(mails), f"enrolment {enrolment_id} got {mails}"
        left_inside = sa.select(enrolments.c.id).where(enrolments.c.ended_at.is_(None))
        assert tx.run(left_inside).all() == []
        told = sa.or_(touches.c.state == TouchState.DONE, touches.c.reason.is_not(None))
        assert tx.run(sa.select(touches).where(sa.or_(touches.c.ended_at.is_(None), ~told))).all() == []
        steps = tx.run(sa.select(touches.c.enrolment_id, touches.c.step_id)).all()
        assert len(steps) == len(set(steps))


def run(runtime: Runtime, clock: VirtualClock, until: datetime) -> None:
    """Let everything happen that is due up to `until`."""
    with runtime.database.read() as tx:
        due_at = next_due(tx)
    while due_at is not None and due_at <= until:
        clock.move_to(max(due_at, clock.now()))
        with runtime.database.write() as tx:
            held = advance(tx, runtime, take_due(tx, TOUCH, limit=AT_ONCE, lease=LEASE))
            accepted(tx, claims_of(held))
            due_at = next_due(tx)
    clock.move_to(max(until, clock.now()))


def next_due(tx: Tx) -> datetime | None:
    due_at: datetime | None = tx.run(NEXT_DUE).scalar()
    return due_at


NEXT_DUE = sa.select(sa.func.min(touches.c.due_at)).where(in_state(touches, TouchState.WAITING))


def accept(runtime: Runtime, held: Sequence[Claim]) -> None:
    with runtime.database.write() as tx:
        accepted(tx, held)


def accepted(tx: Tx, held: Sequence[Claim]) -> None:
    """What the wire and the record would do with mails that all go well."""
    if not held:
        return
    ids = [send_id for send_id, _epoch in held]
    taken = sa.update(sends).where(sends.c.id.in_(ids)).values(state=SendState.ACCEPTED, ended_at=tx.now, worker_id=None)
    done = tx.run(taken.returning(sends.c.touch_id)).scalars().all()
    end_touches(tx, [EndedTouch(touch_id=touch_id, state=TouchState.DONE) for touch_id in done])


def runtime_of(database: Database) -> Runtime:
    return Runtime(
        settings=read_settings(Path("/nowhere"), {"HANDRAISER_SECRET_KEY": SECRET}), database=database, tokens=TOKENS,
        wire=NoWire(), worker_id="w", has_lease=lambda: True, publish=lambda _noun, _claims: None,
    )  # fmt: skip


@contextmanager
def throw_away_database(clock: VirtualClock) -> Iterator[Database]:
    with TemporaryDirectory(prefix="edits-") as folder:
        database = Database.open(f"sqlite:///{folder}/a.db", clock=clock, durable=False)
        metadata.create_all(database.engine)
        yield database
        database.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.schedule.lived_out", description=__doc__)
    parser.add_argument("--cases", type=int, default=1_000)
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=1, help="number of the first case")
    parser.add_argument("--together", type=int, default=100, help="cases in one world")
    given = parser.parse_args()
    lived, began, end = Lived(), time.perf_counter(), given.first + given.cases
    for first in range(given.first, end, given.together):
        clock = VirtualClock(START)
        cases = [new_case(number, given.seed) for number in range(first, min(end, first + given.together))]
        with throw_away_database(clock) as database:
            live_out(database, clock, cases, given.people, lived)
        print(told(lived, time.perf_counter() - began), flush=True)


def told(lived: Lived, seconds: float) -> str:
    ways = ", ".join(f"{number:,} {how}" for how, number in lived.how.most_common())
    return (
        f"{lived.cases:,} cases, {lived.people:,} people, {lived.moved:,} moved ({ways}), "
        f"{lived.mails:,} mails as told; {seconds:.0f} s"
    )


if __name__ == "__main__":
    main()
