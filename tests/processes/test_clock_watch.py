"""Clocks that are set forward, set back, stand still or differ: nothing goes out early or twice, and a jump is told."""

import random
from contextlib import suppress
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from engine.cli.catch_up import in_words_of_hold
from engine.clock import VirtualClock
from engine.database import Database
from engine.processes.clock_watch import ClockWatch
from engine.processes.dispatcher import dispatch, mend
from engine.schedule.enrol import enrol_leads
from engine.schedule.hold import let_go, marketing_hold
from engine.schema import domain_states, relay_states, route_states, sends, touches, workers
from engine.vocabulary import Reason
from tests.factories import add_lead, add_send, add_worker
from tests.schedule.outage import LEASE, House, mail
from tests.schedule.plans import apply, at, cadence, chain

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
LONDON = ZoneInfo("Europe/London")
START = datetime(2026, 1, 5, 9, tzinfo=UTC)


class WallClock(VirtualClock):
    """A clock that somebody sets while true time goes on beside it."""

    def __init__(self) -> None:
        super().__init__(START)
        self.ticks = 0.0
        self.is_frozen = False

    def pass_by(self, span: timedelta) -> None:
        self.ticks += span.total_seconds()
        if not self.is_frozen:
            self.instant += span

    def set_by(self, span: timedelta) -> None:
        self.instant += span

    def move_to(self, instant: datetime) -> None:
        """Time passes until it shows that."""
        self.pass_by(instant - self.instant)

    @property
    def true_now(self) -> datetime:
        return START + timedelta(seconds=self.ticks)


@pytest.fixture
def clock() -> WallClock:
    return WallClock()


class Watched(House):
    """A house whose dispatcher watches its clock, and which notes when, in true time, each mail went out."""

    def look(self) -> None:
        self.sent: list[datetime] = getattr(self, "sent", [])
        self.watch: ClockWatch = getattr(self, "watch", None) or ClockWatch(lambda: self.clock.ticks)
        with self.database.write() as tx:
            self.renew(tx)
        mend(self.database, watch=self.watch)
        before = len(self.wire.flights)
        while dispatch(self.database, self.publish, lease=LEASE, watch=self.watch).published:
            pass
        self.sent += [self.clock.true_now] * (len(self.wire.flights) - before)

    def live(self, span: timedelta, *, step: timedelta = timedelta(minutes=20)) -> None:
        """Look all the time, as around a moment at which somebody sets the clock; `run` looks when something is due."""
        for _ in range(span // step):
            self.look()
            self.clock.pass_by(step)


@pytest.fixture
def house(database: Database, clock: WallClock, tmp_path: Path) -> Watched:
    house = Watched(database=database, clock=clock, folder=tmp_path)
    with database.write() as tx:
        apply(tx, cadence(*chain(*(mail(f"day-{n}", at(f"{n} days")) for n in range(1, 5))), exits=()))
        enrol_leads(tx, "new-enquiry", [add_lead(tx) for _ in range(3)])
    return house


@pytest.mark.both_databases
@pytest.mark.parametrize("jump", [2 * HOUR, DAY, 3_652 * DAY], ids=["hours", "day", "ten-years"])
def test_a_jump_ahead_holds_marketing_and_says_so(house: Watched, clock: WallClock, jump: timedelta):
    house.live(HOUR)

    clock.set_by(jump)
    house.live(3 * HOUR)

    with house.database.read() as tx:
        held = marketing_hold(tx)
    assert held is not None and abs(held.ahead - jump) < timedelta(minutes=1)
    assert "marketing is held" in in_words_of_hold(held)
    assert house.wire.flights == []


@pytest.mark.both_databases
def test_nothing_waits_for_what_a_clock_that_was_ahead_wrote(database: Database, clock: WallClock):
    watch = ClockWatch(lambda: clock.ticks)
    mend(database, watch=watch)
    clock.set_by(30 * DAY)
    mend(database, watch=watch)
    with database.write() as tx:
        late = {Reason.TEMPORARY: 15 * MINUTE, Reason.RELAY_AWAY: MINUTE, Reason.PACED: HOUR, Reason.CAP: DAY}
        of = {why: add_send(tx, reason=why, due_at=tx.now + wait) for why, wait in late.items()}
        add_worker(tx, id="alive", lease_until=tx.now + MINUTE)
        claimed = add_send(tx, state="claimed", lease_until=tx.now + MINUTE)
        tx.run(
            sa.insert(relay_states).values(
                relay="main", failures=4, open_until=tx.now + HOUR, tried_at=tx.now, why="no", since=tx.now
            )
        )
        tx.run(sa.insert(domain_states).values(domain="mail.example", paced_until=tx.now, queued_until=tx.now + HOUR))
        struck = {"strikes": 1, "why": "421", "open_until": tx.now + HOUR, "tried_at": tx.now}
        tx.run(sa.insert(route_states).values(relay="main", domain="mail.example", **struck))
    clock.pass_by(10 * MINUTE)

    clock.set_by(-30 * DAY)
    mend(database, watch=watch)

    soon = clock.now() + 3 * MINUTE
    with database.read() as tx:
        due_at = {row.id: row.due_at for row in tx.run(sa.select(sends.c.id, sends.c.due_at))}
        assert all(due_at[of[why]] <= soon for why in (Reason.TEMPORARY, Reason.RELAY_AWAY, Reason.PACED))
        assert due_at[of[Reason.CAP]] > clock.now() + 30 * DAY
        assert tx.run(sa.select(sends.c.lease_until).where(sends.c.id == claimed)).scalar_one() <= soon
        assert tx.run(sa.select(workers.c.lease_until)).scalar_one() <= soon
        for column in (
            relay_states.c.open_until,
            relay_states.c.tried_at,
            domain_states.c.paced_until,
            domain_states.c.queued_until,
            route_states.c.open_until,
            route_states.c.tried_at,
        ):
            assert tx.run(sa.select(column)).scalar_one() <= soon


def test_a_jump_whose_note_was_lost_is_noted_again(house: Watched, clock: WallClock):
    watch = ClockWatch(lambda: clock.ticks)
    with house.database.write() as tx:
        assert watch.look(tx)
    clock.set_by(DAY)
    with suppress(ConnectionError), house.database.write() as tx:
        assert not watch.look(tx)
        raise ConnectionError("the database went away before the commit")

    with house.database.write() as tx:
        assert not watch.look(tx)

    with house.database.read() as tx:
        assert marketing_hold(tx) is not None


@pytest.mark.both_databases
def test_marketing_goes_on_when_the_clock_comes_back(house: Watched, clock: WallClock):
    house.live(HOUR)
    clock.set_by(DAY)
    house.live(HOUR)

    clock.set_by(-DAY)
    house.run(5 * DAY, step=6 * HOUR)

    with house.database.read() as tx:
        assert marketing_hold(tx) is None
    check(house, mails=12)


def test_marketing_goes_on_when_somebody_says_the_clock_is_right(house: Watched, clock: WallClock):
    house.live(HOUR)
    clock.set_by(DAY)
    house.live(HOUR)

    with house.database.write() as tx:
        assert let_go(tx)
    house.run(6 * DAY, step=6 * HOUR)

    with house.database.read() as tx:
        assert marketing_hold(tx) is None
        assert {row.state for row in tx.run(sa.select(touches.c.state))} == {"done"}


def test_mail_that_somebody_waits_for_goes_while_marketing_is_held(house: Watched, clock: WallClock):
    house.live(HOUR)
    clock.set_by(DAY)
    house.live(HOUR)
    with house.database.write() as tx:
        add_send(tx, stream="transactional")
    published = []

    dispatch(house.database, lambda lane, claims: published.append(lane.queue), lease=LEASE, watch=house.watch)

    assert published == ["transactional"]


@pytest.mark.both_databases
@pytest.mark.parametrize("step", [-HOUR, -DAY], ids=["hour", "day"])
def test_a_clock_that_goes_back_sends_nothing_early_or_twice(house: Watched, clock: WallClock, step: timedelta):
    house.live(DAY + HOUR)

    clock.set_by(step)
    house.live(HOUR)
    clock.set_by(-step)
    house.run(5 * DAY, step=6 * HOUR)

    check(house, mails=12)


def test_a_clock_that_stands_still_sends_nothing_early_or_twice(house: Watched, clock: WallClock):
    house.live(DAY + HOUR)
    clock.is_frozen = True
    house.live(7 * HOUR)
    clock.is_frozen = False
    clock.set_by(7 * HOUR)

    house.run(5 * DAY, step=6 * HOUR)

    check(house, mails=12)


def test_five_minutes_between_hosts_are_no_jump(house: Watched, clock: WallClock):
    house.live(HOUR)
    for skew in (timedelta(minutes=5), timedelta(minutes=-5)) * 20:
        clock.set_by(skew)
        house.live(HOUR)

    with house.database.read() as tx:
        assert marketing_hold(tx) is None


def test_clocks_set_at_random_never_send_early_or_twice(house: Watched, clock: WallClock, request: pytest.FixtureRequest):
    """`--full`: five hundred times. Each time somebody new comes in, so that there is always mail to come."""
    runs = 500 if request.config.getoption("--full") else 3
    chance = random.Random(request.config.getoption("--seed") or 5)
    for _ in range(runs):
        with house.database.write() as tx:
            enrol_leads(tx, "new-enquiry", [add_lead(tx)])
        away = chance.choice([-HOUR, -DAY, DAY, 3_652 * DAY, timedelta(minutes=5), timedelta(minutes=-5)])
        house.live(chance.randrange(1, 8) * HOUR)
        clock.set_by(away)
        house.live(chance.randrange(1, 4) * HOUR)
        clock.set_by(-away)
    house.run(14 * DAY, step=6 * HOUR)

    check(house, mails=4 * (3 + runs))


def check(house: Watched, *, mails: int) -> None:
    """Every mail once, none a minute before its time, which is nine in the morning of its day."""
    with house.database.read() as tx:
        rows = tx.run(sa.select(sends.c.id, touches.c.planned_on).join(touches, touches.c.id == sends.c.touch_id)).all()
    sent = {flight.send_id: at for flight, at in zip(house.wire.flights, house.sent, strict=True)}
    assert len(rows) == len(sent) == len(house.sent) == mails
    for row in rows:
        assert sent[row.id] >= datetime.combine(row.planned_on, time(9), LONDON) - timedelta(minutes=1)
