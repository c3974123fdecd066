"""Back after an outage: no burst, nobody twice within the gap, the order kept, and every mail that was too late has its reason.

At full size (`--full`) fifty thousand passages in four cadences stand still for an hour, a day, a week and five weeks.
"""

import random
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest
import sqlalchemy as sa

from engine.clock import VirtualClock
from engine.compiler.plan import CadencePlan, Window
from engine.database import Database, Tx
from engine.schedule.catch_up import current, keep_pace, let_all_go, skip_all
from engine.schedule.enrol import enrol_leads
from engine.schema import catch_ups, enrolments, sends, touches
from engine.spans import Span
from engine.vocabulary import Late
from tests.factories import add_lead, add_send
from tests.schedule.outage import House, at_hour, mail
from tests.schedule.plans import after, apply, at, cadence, chain, task

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
ZONES = ("Europe/London", "America/New_York", "Asia/Tokyo", "Australia/Sydney")
ALWAYS = Window(weekdays=tuple(range(7)), opens=time(8), closes=time(20))
WEEKDAYS = Window(weekdays=(0, 1, 2, 3, 4), opens=time(9), closes=time(17))
CLOCKS = (time(9), time(11), time(13), time(15))


@dataclass(frozen=True)
class Size:
    leads: int
    before: timedelta
    off: timedelta
    late: Late


@pytest.fixture
def house(database: Database, clock: VirtualClock, tmp_path: Path) -> House:
    return House(database=database, clock=clock, folder=tmp_path)


OFF = {"hour": HOUR, "day": DAY, "week": 7 * DAY, "five-weeks": 35 * DAY}


@pytest.mark.parametrize("off", OFF)
@pytest.mark.parametrize("late", list(Late))
def test_what_was_held_up_goes_out_little_by_little(house: House, request: pytest.FixtureRequest, off: str, late: Late):
    full = request.config.getoption("--full")
    if not full and (off, late) not in (("hour", Late.SEND), ("week", Late.SKIP), ("five-weeks", Late.SHIFT)):
        pytest.skip("only at full size")
    size = Size(leads=12_500 if full else 24, before=10 * DAY - HOUR / 2, off=OFF[off], late=late)
    begin(house, size)
    house.run(size.before, step=6 * HOUR)
    since = house.clock.now()

    house.off(size.off)
    back_at = house.clock.now()
    house.run(14 * DAY if full else 3 * DAY)

    with house.database.read() as tx:
        check_volume(tx, since, back_at)
        check_gaps(tx, back_at)
        check_order(tx)
        check_reasons(tx, size)
        check_accounts(tx)


def begin(house: House, size: Size) -> None:
    """People of four zones in four cadences each, who came in over ten days."""
    chance = random.Random(1)
    with house.database.write() as tx:
        apply(tx, *(a_cadence(number, size.late) for number in range(4)))
        people = [add_lead(tx, zone=ZONES[number % len(ZONES)]) for number in range(size.leads)]
        for number in range(4):
            for day in range(10):
                anchor_at = house.clock.now() + DAY * day + HOUR * chance.randrange(24)
                enrol_leads(tx, f"cadence-{number}", people[day::10], anchor_at=anchor_at)


def a_cadence(number: int, late: Late) -> CadencePlan:
    clock = CLOCKS[number]
    valid_for = ("3 days", "2 days", "12 hours", "5 days")[number]
    bears = {"valid_for": valid_for, "late": late}
    steps = [mail(f"{number}-{n:02}", at(f"{n * (number + 2) + 1} days", clock), **bears) for n in range(10)]
    steps[3:3] = [task(f"{number}-call", after("1 day"))]
    window = ALWAYS if number % 2 else WEEKDAYS
    return cadence(*chain(*steps), name=f"cadence-{number}", window=window, gap=Span(days=1 + number % 2), exits=())


def check_volume(tx: Tx, since: datetime, back_at: datetime) -> None:
    """No hour with a late mail in it has more than one and a half times the mails of a usual one."""
    rows = tx.run(sa.select(sends.c.attempting_at, touches.c.late_by).join(touches, touches.c.id == sends.c.touch_id)).all()
    usual = Counter(at_hour(row.attempting_at) for row in rows if row.attempting_at < since)
    days = sorted({hour.date() for hour in usual})[-7:]
    most = 1.5 * median(number for hour, number in usual.items() if hour.date() in days)
    afterwards = Counter(at_hour(row.attempting_at) for row in rows if row.attempting_at >= back_at)
    with_late = {at_hour(row.attempting_at) for row in rows if row.attempting_at >= back_at and row.late_by > 0}
    assert max((afterwards[hour] for hour in with_late), default=0) <= max(most, 1)


def check_gaps(tx: Tx, back_at: datetime) -> None:
    """Late mails to one person are at least the shorter gap apart, in calendar days of the lead's."""
    rows = tx.run(
        sa.select(sends.c.lead_id, sends.c.attempting_at, enrolments.c.cadence)
        .join(touches, touches.c.id == sends.c.touch_id)
        .join(enrolments, enrolments.c.id == touches.c.enrolment_id)
        .where(sends.c.attempting_at >= back_at, touches.c.late_by > 0)
        .order_by(sends.c.lead_id, sends.c.attempting_at)
    ).all()
    assert rows or back_at
    for one, other in pairwise(rows):
        if one.lead_id == other.lead_id:
            gap = max(1 + int(each.cadence[-1]) % 2 for each in (one, other))
            assert (other.attempting_at.date() - one.attempting_at.date()).days >= gap - 1
            assert other.attempting_at - one.attempting_at >= (gap - 1) * DAY + 12 * HOUR


def check_order(tx: Tx) -> None:
    """Whoever got a step had every step before it behind."""
    rows = tx.run(sa.select(touches).order_by(touches.c.enrolment_id, touches.c.id)).all()
    for one, other in pairwise(rows):
        if one.enrolment_id == other.enrolment_id:
            assert one.ended_at is not None
            assert one.ended_at <= (other.ended_at or datetime.max.replace(tzinfo=UTC))
            assert one.planned_on <= other.planned_on


def check_reasons(tx: Tx, size: Size) -> None:
    skipped = {row.reason for row in tx.run(sa.select(touches.c.reason).where(touches.c.state == "skipped"))}
    assert skipped <= {"late"}
    assert bool(skipped) == (size.late == Late.SKIP and size.off > 12 * HOUR)
    told = tx.run(sa.select(catch_ups)).one()
    assert told.mails + told.skipped > 0
    assert (
        told.ended_at is None or not tx.run(sa.select(touches).where(touches.c.state == "waiting", touches.c.late_by > 0)).all()
    )
    shifted = tx.run(sa.select(sa.func.max(enrolments.c.shift_days))).scalar_one()
    assert bool(shifted) == (size.late == Late.SHIFT and size.off > 12 * HOUR)


def check_accounts(tx: Tx) -> None:
    """Of each step: everybody inside was sent it, waits at it, had it skipped, or has not come to it."""
    rows = tx.run(sa.select(enrolments.c.cadence, sa.func.count().label("people")).group_by(enrolments.c.cadence))
    inside = {row.cadence: row.people for row in rows}
    states = tx.run(
        sa.select(enrolments.c.cadence, touches.c.step_id, touches.c.state, touches.c.reason, sa.func.count().label("rows"))
        .join(touches, touches.c.enrolment_id == enrolments.c.id)
        .group_by(enrolments.c.cadence, touches.c.step_id, touches.c.state, touches.c.reason)
    ).all()
    assert {row.state for row in states} <= {"done", "waiting", "skipped"}
    assert all(row.reason for row in states if row.state == "skipped")
    per_step = Counter[str]()
    for row in states:
        per_step[row.step_id] += row.rows
    assert all(number <= inside[f"cadence-{step[0]}"] for step, number in per_step.items())
    mails = tx.run(sa.select(sa.func.count()).where(touches.c.state == "done", touches.c.step_id.not_like("%call"))
                   .select_from(touches)).scalar_one()  # fmt: skip
    assert mails == tx.run(sa.select(sa.func.count()).where(sends.c.state == "accepted").select_from(sends)).scalar_one()


@pytest.mark.both_databases
def test_nothing_of_it_goes_out_before_somebody_could_look(house: House):
    a_day_off(house)

    house.look()

    with house.database.read() as tx:
        one = current(tx)
        due = tx.run(sa.select(sa.func.min(touches.c.due_at)).where(touches.c.state == "waiting")).scalar_one()
    assert one is not None and one.mails == 10
    assert one.since == datetime(2026, 1, 5, 10, tzinfo=UTC)
    assert due >= house.clock.now() + timedelta(minutes=10)


@pytest.mark.both_databases
def test_an_operator_may_let_all_go(house: House):
    a_day_off(house)
    house.look()

    with house.database.write() as tx:
        assert let_all_go(tx) == 10
    house.run(timedelta(minutes=1))

    assert len(house.wire.flights) == 10


@pytest.mark.both_databases
def test_an_operator_may_leave_all_out(house: House):
    a_day_off(house)
    house.look()

    with house.database.write() as tx:
        assert skip_all(tx) == 10
    house.run(2 * DAY)

    with house.database.read() as tx:
        ended = tx.run(sa.select(touches.c.step_id, touches.c.state, touches.c.reason).distinct()).all()
        assert current(tx) is None
    assert house.wire.flights == []
    assert {tuple(row) for row in ended} == {("one", "skipped", "late"), ("two", "waiting", None)}


@pytest.mark.both_databases
def test_mail_that_somebody_waits_for_is_not_held_back(house: House):
    a_day_off(house)
    with house.database.write() as tx:
        order = add_send(tx, stream="transactional", due_at=tx.now - DAY)

        keep_pace(tx)

        row = tx.run(sa.select(sends).where(sends.c.id == order)).one()
        assert (row.due_at, row.reason) == (tx.now - DAY, None)


def test_a_backlog_while_everything_runs_is_no_outage(house: House):
    a_day_off(house, runs=True)

    with house.database.read() as tx:
        assert tx.run(sa.select(catch_ups)).all() == []


def a_day_off(house: House, *, runs: bool = False) -> None:
    """Ten people, whose first mail is due on Tuesday at nine; nothing runs from Monday ten o'clock for a day and a half."""
    house.run(HOUR)
    with house.database.write() as tx:
        steps = chain(mail("one", at("1 day")), mail("two", at("20 days")))
        apply(tx, cadence(*steps, gap=Span(days=1)))
        enrol_leads(tx, "new-enquiry", [add_lead(tx) for _ in range(10)])
    if runs:
        house.run(DAY + 4 * HOUR)
    else:
        house.off(DAY + 4 * HOUR)
