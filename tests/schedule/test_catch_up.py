"""Back after an outage: no burst, nobody twice within the gap, the order kept, and every mail that was too late has its reason.

At full size (`--full`) fifty thousand passages in four cadences stand still for an hour, a day, a week and five weeks.
"""

import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from statistics import median
from threading import Barrier, Thread
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from engine.claim import TOUCH, is_set_aside
from engine.clock import VirtualClock
from engine.compiler.plan import CadencePlan, Window
from engine.database import Database, Tx
from engine.schedule.catch_up import current, keep_pace, let_all_go, skip_all
from engine.schedule.enrol import enrol_leads
from engine.schema import catch_ups, enrolments, leads, sends, touches
from engine.simulate.totals import totals
from engine.spans import Span, parse_span
from engine.vocabulary import Late
from tests.factories import add_lead, add_send
from tests.schedule.outage import House, at_hour, mail
from tests.schedule.plans import after, apply, at, cadence, chain, task

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
ZONES = ("Europe/London", "America/New_York", "Asia/Tokyo", "Australia/Sydney")
ALWAYS = Window(weekdays=tuple(range(7)), opens=time(8), closes=time(20))
WEEKDAYS = Window(weekdays=(0, 1, 2, 3, 4), opens=time(9), closes=time(17))
VALID_FOR = ("3 days", "2 days", "12 hours", "5 days")  # of the mails of each cadence
GAP_DAYS = (1, 2, 1, 2)
CLOCKS = (time(9), time(11), time(13), time(15))


@pytest.fixture
def house(database: Database, clock: VirtualClock, tmp_path: Path) -> House:
    return House(database=database, clock=clock, folder=tmp_path)


Lived = Callable[[Late], tuple[Path, datetime]]
OFF = {"hour": HOUR, "day": DAY, "week": 7 * DAY, "five-weeks": 35 * DAY}
AT_CI_SIZE = [("hour", Late.SKIP), *(("week", late) for late in Late), ("five-weeks", Late.SHIFT)]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "off" in metafunc.fixturenames:
        every = [(off, late) for off in OFF for late in Late]
        cases = every if metafunc.config.getoption("--full") else AT_CI_SIZE
        metafunc.parametrize(("off", "late"), cases, ids=["-".join(each) for each in cases])


@pytest.fixture(scope="module")
def lived(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Lived:
    """A database with the ten days before an outage, for mails that bear lateness so; and when they end."""

    @cache
    def of(late: Late) -> tuple[Path, datetime]:
        folder = tmp_path_factory.mktemp("lived")
        path, clock = Path(shutil.copyfile(sqlite_template, folder / "lived.db")), VirtualClock()
        database = Database.open(f"sqlite:///{path}", clock=clock, durable=False)
        house = House(database=database, clock=clock, folder=folder)
        begin(house, late, leads=12_500 if pytestconfig.getoption("--full") else 24)
        house.run(10 * DAY - HOUR / 2, step=6 * HOUR)
        database.close()
        return path, clock.now()

    return of


@pytest.fixture
def house_then(lived: Lived, late: Late, tmp_path: Path) -> Iterator[House]:
    """At the moment at which it goes off."""
    path, now = lived(late)
    clock = VirtualClock(now)
    database = Database.open(f"sqlite:///{shutil.copyfile(path, tmp_path / 'then.db')}", clock=clock, durable=False)
    yield House(database=database, clock=clock, folder=tmp_path)
    database.close()


def test_what_was_held_up_goes_out_little_by_little(
    house_then: House, request: pytest.FixtureRequest, off: str, late: Late
) -> None:
    house = house_then
    since = house.clock.now()

    house.off(OFF[off])
    back_at = house.clock.now()
    house.run(3 * DAY, breath=timedelta(minutes=3 if request.config.getoption("--full") else 1))

    with house.database.read() as tx:
        mails = mails_of(tx, house.late)
        check_volume(mails, since, back_at)
        check_gaps(mails)
        check_order(tx, mails)
        check_reasons(tx, mails, late, OFF[off])
        check_accounts(tx, mails)
        print(in_figures(tx, mails, since, back_at))


def begin(house: House, late: Late, *, leads: int) -> None:
    """People of four zones in four cadences each, who came in over ten days."""
    chance = random.Random(1)
    with house.database.write() as tx:
        apply(tx, *(a_cadence(number, late) for number in range(4)))
        people = [add_lead(tx, zone=ZONES[number % len(ZONES)]) for number in range(leads)]
        for number in range(4):
            for day in range(10):
                anchor_at = house.clock.now() + DAY * day + HOUR * chance.randrange(24)
                enrol_leads(tx, f"cadence-{number}", people[day::10], anchor_at=anchor_at)


def a_cadence(number: int, late: Late) -> CadencePlan:
    clock = CLOCKS[number]
    bears = {"valid_for": VALID_FOR[number], "late": late}
    steps = [mail(f"{number}-{n:02}", at(f"{n * (number + 2) + 1} days", clock), **bears) for n in range(10)]
    steps[3:3] = [task(f"{number}-call", after("1 day"))]
    window = ALWAYS if number % 2 else WEEKDAYS
    return cadence(*chain(*steps), name=f"cadence-{number}", window=window, gap=Span(days=GAP_DAYS[number]), exits=())


STEPS = {f"cadence-{number}": [step.id for step in a_cadence(number, Late.SEND).steps] for number in range(4)}


@dataclass(frozen=True)
class Mail:
    """One that went out, and how late by our fault."""

    at: datetime
    late_by: timedelta
    lead_id: int
    zone: ZoneInfo
    enrolment_id: int
    cadence: str
    step_id: str

    @property
    def number(self) -> int:
        """Of its cadence."""
        return int(self.cadence[-1])

    @property
    def local_day(self) -> date:
        return self.at.astimezone(self.zone).date()


def mails_of(tx: Tx, late: Mapping[int, timedelta]) -> list[Mail]:
    """All of them, in the order in which they went out."""
    chosen = (
        sa.select(sends, touches.c.step_id, touches.c.enrolment_id, enrolments.c.cadence, leads.c.zone)
        .join(touches, touches.c.id == sends.c.touch_id)
        .join(enrolments, enrolments.c.id == touches.c.enrolment_id)
        .join(leads, leads.c.id == sends.c.lead_id)
        .where(sends.c.state == "accepted")
        .order_by(sends.c.attempting_at, sends.c.id)
    )
    return [
        Mail(
            at=row.attempting_at,
            late_by=late.get(row.touch_id, timedelta(0)),
            lead_id=row.lead_id,
            zone=ZoneInfo(row.zone),
            enrolment_id=row.enrolment_id,
            cadence=row.cadence,
            step_id=row.step_id,
        )
        for row in tx.run(chosen)
    ]


def check_volume(mails: Sequence[Mail], since: datetime, back_at: datetime) -> None:
    """No hour with a late mail in it has more than one and a half times what an hour with mail had in the seven days before."""
    afterwards = Counter(at_hour(mail.at) for mail in mails if mail.at >= back_at)
    with_late = {at_hour(mail.at) for mail in mails if mail.late_by}
    assert max((afterwards[hour] for hour in with_late), default=0) <= max(1, 1.5 * usual(mails, since))


def usual(mails: Sequence[Mail], since: datetime) -> float:
    """The median of the hours in which mail went out on the last seven days on which any did."""
    before = Counter(at_hour(mail.at) for mail in mails if mail.at < since)
    days = sorted({hour.date() for hour in before})[-7:]
    return median(number for hour, number in before.items() if hour.date() in days)


def check_gaps(mails: Sequence[Mail]) -> None:
    """Nobody got two late mails within the longer gap of their cadences, in days of the lead's own, nor two of one passage."""
    late: dict[int, list[Mail]] = {}
    last_of: dict[int, Mail] = {}
    for other in mails:
        before = [last_of[other.enrolment_id]] if other.enrolment_id in last_of else []
        if other.late_by:
            before += late.setdefault(other.lead_id, [])
            late[other.lead_id].append(other)
        for one in before:
            assert other.local_day - one.local_day >= DAY * max(GAP_DAYS[each.number] for each in (one, other)), (one, other)
        last_of[other.enrolment_id] = other
    assert late


def check_order(tx: Tx, mails: Sequence[Mail]) -> None:
    """Every passage took the steps of its cadence in their order and left none out, and was mailed in that order."""
    passages: dict[int, list[sa.Row[Any]]] = {}
    chosen = sa.select(touches, enrolments.c.cadence).join(enrolments, enrolments.c.id == touches.c.enrolment_id)
    for row in tx.run(chosen.order_by(touches.c.enrolment_id, touches.c.id)):
        passages.setdefault(row.enrolment_id, []).append(row)
    for rows in passages.values():
        assert [row.step_id for row in rows] == STEPS[rows[0].cadence][: len(rows)]
        assert [row.ended_at for row in rows[:-1]] == sorted(row.ended_at for row in rows[:-1])
        assert [row.planned_on for row in rows] == sorted(row.planned_on for row in rows)
    mailed: dict[int, int] = {}
    for each in mails:
        place = STEPS[each.cadence].index(each.step_id)
        assert mailed.get(each.enrolment_id, -1) < place
        mailed[each.enrolment_id] = place


def check_reasons(tx: Tx, mails: Sequence[Mail], late: Late, off: timedelta) -> None:
    """What ran out was skipped as late and never sent, what did not was not skipped, and each is written down."""
    chosen = sa.select(touches.c.reason, touches.c.late_by, touches.c.due_at, touches.c.ended_at)
    skipped = tx.run(chosen.where(touches.c.state == "skipped")).all()
    assert {row.reason for row in skipped} <= {"late"}
    # What would be too late at its turn is skipped ahead of time, when it is not late yet.
    assert all(row.late_by > 0 or row.ended_at <= row.due_at for row in skipped)
    assert bool(skipped) == (late == Late.SKIP and off > 12 * HOUR)
    if late == Late.SKIP:
        for each in mails:
            assert each.at <= parse_span(VALID_FOR[each.number]).after(each.at - each.late_by, each.zone)
    told = tx.run(sa.select(catch_ups)).one()
    assert told.skipped <= len(skipped) and told.mails + told.skipped > 0
    assert (
        told.ended_at is None or not tx.run(sa.select(touches).where(touches.c.state == "waiting", touches.c.late_by > 0)).all()
    )
    shifted = tx.run(sa.select(sa.func.max(enrolments.c.shift_days))).scalar_one()
    assert bool(shifted) == (late == Late.SHIFT and off > 12 * HOUR)


def check_accounts(tx: Tx, mails: Sequence[Mail]) -> None:
    """Of each step: enrolled = sent + done + waiting + skipped (late) + not reached, no other fate; `totals` says the same."""
    came, reached = Counter[str](), Counter[str]()
    taken = sa.select(enrolments.c.cadence, sa.func.count(touches.c.id).label("steps")).join(
        touches, touches.c.enrolment_id == enrolments.c.id, isouter=True
    )
    for row in tx.run(taken.group_by(enrolments.c.id, enrolments.c.cadence)):
        came[row.cadence] += 1
        reached.update(STEPS[row.cadence][: row.steps])
    sent = Counter(mail.step_id for mail in mails)
    for each in totals(tx):
        assert not each.failed and not each.unknown and not each.left and set(each.skipped) <= {"late"}
        assert (each.enrolled, each.sent) == (came[each.cadence], sent[each.step])
        assert each.not_reached == each.enrolled - reached[each.step]
        assert each.sent + each.done + each.waiting + sum(each.skipped.values()) + each.not_reached == each.enrolled


def in_figures(tx: Tx, mails: Sequence[Mail], since: datetime, back_at: datetime) -> str:
    """For who runs it with `-s`."""
    afterwards = Counter(at_hour(mail.at) for mail in mails if mail.at >= back_at)
    late = Counter(at_hour(mail.at) for mail in mails if mail.late_by)
    told = tx.run(sa.select(catch_ups)).one()
    skipped = tx.run(sa.select(sa.func.count()).where(touches.c.state == "skipped")).scalar_one()
    return (
        f"\n{sum(mail.at < since for mail in mails)} mails before, {usual(mails, since):g} in a usual hour; "
        f"{late.total()} late ones sent, at most {max((afterwards[hour] for hour in late), default=0)} in an hour with one; "
        f"{skipped} skipped as late; {'over' if told.ended_at else 'not over'}"
    )


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
def test_a_passage_that_cannot_go_on_keeps_no_other_from_being_caught_up(house: House):
    house.run(HOUR)
    with house.database.write() as tx:
        first = mail("one", at("1 day"), valid_for="1 hour", late=Late.SKIP)
        apply(tx, cadence(*chain(first, mail("two", after("20 days")))))
        enrol_leads(tx, "new-enquiry", [add_lead(tx) for _ in range(3)])
        stuck = tx.run(sa.select(sa.func.min(touches.c.id))).scalar_one()
        tx.run(sa.update(touches).where(touches.c.id == stuck).values(planned_on=date(9999, 12, 28)))
    house.off(3 * DAY)

    house.look()

    with house.database.read() as tx:
        found = tx.run(sa.select(touches.c.step_id, touches.c.state).where(touches.c.id != stuck)).all()
        assert Counter(map(tuple, found)) == {("one", "skipped"): 2, ("two", "waiting"): 2}
        assert tx.run(sa.select(touches.c.id).where(is_set_aside(TOUCH))).scalars().all() == [stuck]


@pytest.mark.both_databases
def test_mail_that_somebody_waits_for_is_not_held_back(house: House):
    a_day_off(house)
    with house.database.write() as tx:
        order = add_send(tx, stream="transactional", due_at=tx.now - DAY)

        keep_pace(tx)

        row = tx.run(sa.select(sends).where(sends.c.id == order)).one()
        assert (row.due_at, row.reason) == (tx.now - DAY, None)


@pytest.mark.both_databases
def test_a_mail_that_was_written_keeps_others_away_while_it_waits_for_its_turn(house: House):
    house.run(HOUR)
    with house.database.write() as tx:
        apply(tx, *(cadence(mail(name, at("")), name=name, gap=Span(days=1)) for name in ("written", "late")))
        lead_id, turn = add_lead(tx), tx.now + 2 * HOUR
        for name in ("written", "late"):
            enrol_leads(tx, name, [lead_id])
        touch = {row.step_id: row.id for row in tx.run(sa.select(touches))}
        tx.run(sa.update(touches).where(touches.c.id == touch["written"]).values(state="sending"))
        add_send(tx, lead_id=lead_id, touch_id=touch["written"], due_at=turn, reason="catch_up")
        unplaced = {"due_at": None, "reason": "catch_up", "late_by": 3_600}
        tx.run(sa.update(touches).where(touches.c.id == touch["late"]).values(unplaced))
        known = {"since": tx.now - DAY, "found_at": tx.now, "mails": 1, "per_hour": 10, "looked_at": tx.now - HOUR}
        tx.run(sa.insert(catch_ups).values(known))

        keep_pace(tx)

        due_at = tx.run(sa.select(touches.c.due_at).where(touches.c.id == touch["late"])).scalar_one()
    assert due_at.date() == turn.date() + DAY


def test_two_dispatchers_that_come_back_at_once_begin_one_catch_up(
    postgres_database: Database, clock: VirtualClock, tmp_path: Path
):
    house = House(database=postgres_database, clock=clock, folder=tmp_path)
    a_day_off(house)
    together = Barrier(2)

    def come_back() -> None:
        with postgres_database.write() as tx:
            together.wait()
            keep_pace(tx)

    threads = [Thread(target=come_back) for _ in range(2)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]

    with postgres_database.read() as tx:
        assert [row.mails for row in tx.run(sa.select(catch_ups))] == [10]


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
