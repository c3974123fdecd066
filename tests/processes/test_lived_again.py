"""The lost days are lived again whole: also when that was broken off, and also what only time brought about in them."""

from collections.abc import Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from engine.claim import Claim
from engine.clock import VirtualClock
from engine.database import Database
from engine.errors import StaleError
from engine.processes import live_again as module
from engine.processes.dispatcher import mend
from engine.processes.live_again import KIND, live_again, quarters_of_hours
from engine.processes.verbs import VERBS
from engine.processes.witnesses import Witnesses
from engine.runtime import Runtime
from engine.schedule.catch_up import note_at_work
from engine.schedule.restored import accept, hold_if_restored, restored
from engine.schedule.sweep import sweep_if_due
from engine.schema import relay_states, route_states, sends, workers
from engine.witness import FILE
from tests.crash.given import add_person, add_work, apply_lessons
from tests.crash.lessons import LESSON
from tests.deliver.given import settings_for
from tests.factories import add_event, add_lead, add_send
from tests.processes.test_restored import Life, put_back, rows_of

BOTH = pytest.mark.both_databases
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
QUIET = """
segments:
  sleepers:
    title: Quiet for a month
    if: "happened('visited') and not visited(within='30 days')"
"""
WAKE_UP = """
title: Wake up
owner: dana
topic: air-lessons
gap: 1 minute
enter: [{segment: sleepers}]
steps:
  - email: wake-up
    at: day 0
"""


def test_lost_time_is_looked_at_as_often_as_segments_are_and_once_at_its_end() -> None:
    since = datetime(2026, 1, 5, 9, tzinfo=UTC)
    ends = [end - since for _begin, end in quarters_of_hours(since, since + 40 * MINUTE)]

    assert ends == [15 * MINUTE, 30 * MINUTE, 40 * MINUTE, 40 * MINUTE]
    assert list(quarters_of_hours(since, since - HOUR)) == [(since - HOUR, since - HOUR)]


class BrokenOffError(BaseException):
    """As Ctrl-C is."""


@BOTH
@pytest.mark.parametrize("is_killed", [False, True])
@pytest.mark.parametrize("at_job", [1, 3])
def test_lost_days_that_were_broken_off_are_lived_whole_by_the_next(
    tmp_path: Path, database: Database, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch, is_killed: bool, at_job: int
) -> None:
    apply_lessons(database, tmp_path)
    world = Life(database=database, settings=settings_for(tmp_path), clock=clock)
    for _ in range(4):
        add_work(world.runtime("receiver"), lessons=6, orders=1, hands=1)
        world.live(clock.now() + MINUTE)
    lost, lost_at, since = lose(world, lambda: world.live(clock.now() + 2 * MINUTE + timedelta(seconds=30)))

    with monkeypatch.context() as patched, pytest.raises(BrokenOffError):
        break_off(patched, at_job, is_killed=is_killed)
        live_again(world.settings, database, since=since, until=lost_at, progress=lambda _now: None)
    go_on(world, since, lost_at)
    mend(database, chores=())
    world.live(clock.now() + timedelta(days=1))

    assert lost and not set(world.arrived) & lost
    with database.read() as tx:
        assert tx.run(sa.select(workers.c.id).where(workers.c.kind == KIND)).all() == []


@BOTH
def test_of_two_at_once_the_later_one_lives_the_lost_days_and_the_first_ends_with_a_word(
    tmp_path: Path, database: Database, clock: VirtualClock
) -> None:
    apply_lessons(database, tmp_path)
    world = Life(database=database, settings=settings_for(tmp_path), clock=clock)
    for _ in range(4):
        add_work(world.runtime("receiver"), lessons=6, orders=1, hands=1)
        world.live(clock.now() + MINUTE)
    lost, lost_at, since = lose(world, lambda: world.live(clock.now() + 3 * MINUTE))
    looks = iter(range(1_000))

    def progress(_now: datetime) -> None:
        if next(looks) == 3:
            go_on(world, since, lost_at)

    with pytest.raises(StaleError, match="called once more"):
        live_again(world.settings, database, since=since, until=lost_at, progress=progress)
    mend(database, chores=())
    world.live(clock.now() + timedelta(days=1))

    assert lost and not set(world.arrived) & lost


def break_off(patched: pytest.MonkeyPatch, at_job: int, *, is_killed: bool) -> None:
    """Within the so many-th job; whoever is killed leaves its row among the workers."""
    jobs = iter(range(1, 1_000))

    def broken(verb: object) -> object:
        def carry_out(runtime: Runtime, claims: Sequence[Claim]) -> None:
            if next(jobs) == at_job:
                raise BrokenOffError
            verb(runtime, claims)  # type: ignore[operator]

        return carry_out

    for name, verb in list(VERBS.items()):
        patched.setitem(VERBS, name, broken(verb))  # type: ignore[arg-type]
    if is_killed:
        patched.setattr(module, "at_work", never_left(module.at_work))


def never_left(at_work: object) -> object:
    entered = []

    @contextmanager
    def entering(database: Database):  # type: ignore[no-untyped-def]
        block = at_work(database)  # type: ignore[operator]
        entered.append(block)
        yield block.__enter__()

    return entering


@BOTH
@pytest.mark.parametrize("others", [0, 3])
def test_whom_time_brought_into_a_cadence_in_the_lost_days_is_not_mailed_again(
    tmp_path: Path, database: Database, clock: VirtualClock, others: int
) -> None:
    wake_up = {f"templates/emails/wake-up/{name}": text.replace("NUMBER", "9") for name, text in LESSON.items()}
    apply_lessons(database, tmp_path, more={"segments.yaml": QUIET, "cadences/wake-up.yaml": WAKE_UP, **wake_up})
    world = Life(database=database, settings=settings_for(tmp_path), clock=clock)
    with database.write() as tx:
        for lead_id in [add_person(tx) for _ in range(3)]:
            long_ago = tx.now - timedelta(days=30) + 2 * HOUR
            add_event(tx, type="visited", lead_id=lead_id, data={"page": "/"}, occurred_at=long_ago)
    live(world, clock.now() + HOUR)
    if others:
        add_work(world.runtime("receiver"), lessons=others, orders=0, hands=0)
    lost, lost_at, since = lose(world, lambda: live(world, clock.now() + 4 * HOUR))

    go_on(world, since, lost_at)
    live(world, clock.now() + timedelta(days=2))

    assert len([email for _lead, email in lost if email == "wake-up"]) == 3
    assert not set(world.arrived) & lost


def live(world: Life, until: datetime) -> None:
    """As processes do, who look at segments each quarter of an hour."""
    while world.clock.now() < until:
        sweep_if_due(world.database)
        world.live(min(until, world.clock.now() + 15 * MINUTE))


def lose(world: Life, living: object) -> tuple[set[tuple[int, str]], datetime, datetime]:
    """Put back the database as it was before `living`: what arrived meanwhile, until when, and since when it is lost."""
    with world.database.write() as tx:
        note_at_work(tx)
        hold_if_restored(tx, [])
    backup = rows_of(world.database)
    world.arrived.clear()
    living()  # type: ignore[operator]
    lost, lost_at = set(world.arrived), world.clock.now()
    since, _held_at = put_back_and_held(world, backup)
    return lost, lost_at, since


def put_back_and_held(world: Life, backup: dict[str, list[dict[str, Any]]]) -> tuple[datetime, datetime]:
    """An hour later: since when its time is lost, and when that was noticed."""
    last = world.last_marked()
    put_back(world.database, backup)
    world.clock.instant += HOUR
    world.arrived.clear()
    with world.database.write() as tx:
        held = hold_if_restored(tx, [last])
    assert held is not None
    return held.snapshot_at, held.held_at


def go_on(world: Life, since: datetime, lost_at: datetime) -> None:
    live_again(world.settings, world.database, since=since, until=lost_at, progress=lambda _now: None)
    with world.database.write() as tx:
        accept(tx, lived_until=lost_at)


@BOTH
def test_a_database_that_is_put_back_under_a_process_that_has_sent_nothing_is_held(tmp_path: Path, database: Database) -> None:
    sent_by(started(tmp_path, database), database)
    second = started(tmp_path, database)
    with database.write() as tx:
        tx.run(sa.delete(sends))

    second.look()

    assert is_held(database)


@BOTH
def test_a_note_that_can_be_read_only_later_is_heeded_and_not_written_over(tmp_path: Path, database: Database) -> None:
    """As one in a Redis that comes up after the workers."""
    sent_by(started(tmp_path, database), database)
    with database.write() as tx:
        tx.run(sa.delete(sends))
    folder = tmp_path / ".handraiser"
    noted = (folder / FILE).read_text()
    folder.rename(tmp_path / "aside")
    folder.write_text("no folder, so nothing in it can be read")
    second = started(tmp_path, database)
    sent_by(second, database)
    was_held = is_held(database)
    folder.unlink()
    (tmp_path / "aside").rename(folder)

    second.tell()
    kept = (folder / FILE).read_text()
    second.look()

    assert (was_held, kept, is_held(database)) == (False, noted, True)


def started(folder: Path, database: Database) -> Witnesses:
    witnesses = Witnesses(settings_for(folder), database)
    witnesses.look_back()
    return witnesses


def sent_by(witnesses: Witnesses, database: Database) -> None:
    with database.write() as tx:
        send_id, at = add_send(tx, lead_id=add_lead(tx), state="accepted", attempting_at=tx.now), tx.now
    witnesses.note(send_id, at)
    witnesses.look()
    witnesses.tell()


def is_held(database: Database) -> bool:
    with database.read() as tx:
        return restored(tx) is not None


@BOTH
@pytest.mark.parametrize("table", [relay_states, route_states])
def test_what_waited_for_a_relay_or_a_provider_was_perhaps_sent_as_soon_as_that_was_well(
    tmp_path: Path, database: Database, clock: VirtualClock, table: sa.Table
) -> None:
    apply_lessons(database, tmp_path)
    world = Life(database=database, settings=settings_for(tmp_path), clock=clock)
    with database.write() as tx:
        left_alone = {"relay": "main", "open_until": tx.now + 5 * MINUTE, "tried_at": tx.now, "why": "421", "since": tx.now}
        left_alone |= {"failures": 3} if table is relay_states else {"domain": "mail.example", "strikes": 1}
        tx.run(sa.insert(table).values(**left_alone))
    add_work(world.runtime("receiver"), lessons=120, orders=0, hands=0)
    world.live(clock.now() + 2 * MINUTE)
    assert not lessons_of(world)

    lost, lost_at, since = lose(world, lambda: world.live(clock.now() + 6 * MINUTE))
    go_on(world, since, lost_at)
    world.live(clock.now() + timedelta(days=1))

    assert len(lost) >= 120
    assert not set(world.arrived) & lost


@BOTH
def test_what_followed_late_mails_in_the_lost_days_is_not_sent_again(
    tmp_path: Path, database: Database, clock: VirtualClock
) -> None:
    apply_lessons(database, tmp_path)
    world = Life(database=database, settings=settings_for(tmp_path), clock=clock)
    add_work(world.runtime("receiver"), lessons=6, orders=0, hands=0)
    catch_up_until(world, clock.now() + timedelta(seconds=30))
    clock.instant = clock.now() + 3 * HOUR
    catch_up_until(world, clock.now() + 12 * MINUTE)

    lost, lost_at, since = lose(world, lambda: catch_up_until(world, clock.now() + 10 * HOUR))
    go_on(world, since, lost_at)
    catch_up_until(world, clock.now() + timedelta(days=1))

    assert lost and not set(world.arrived) & lost


def catch_up_until(world: Life, until: datetime) -> None:
    """As dispatchers do, who let out little by little what an outage held up."""
    while world.clock.now() < until:
        with module.at_work(world.database):
            with world.database.write() as tx:
                tx.run(sa.update(workers).values(kind="up"))
            mend(world.database)
        with world.database.write() as tx:
            tx.run(sa.delete(workers))
        world.live(min(until, world.clock.now() + 5 * MINUTE))


@BOTH
def test_a_backup_from_before_the_first_mail_begins_when_people_came_in(
    tmp_path: Path, database: Database, clock: VirtualClock
) -> None:
    apply_lessons(database, tmp_path)
    world = Life(database=database, settings=settings_for(tmp_path), clock=clock)
    with database.write() as tx:
        hold_if_restored(tx, [])
    add_work(world.runtime("receiver"), lessons=10, orders=0, hands=0)
    came_at, backup = clock.now(), rows_of(database)
    world.live(clock.now() + 3 * MINUTE)
    lost = set(world.arrived)

    since, held_at = put_back_and_held(world, backup)
    go_on(world, since, held_at)
    world.live(clock.now() + timedelta(days=1))

    assert since == came_at
    assert lost and not set(world.arrived) & lost


def lessons_of(world: Life) -> list[str]:
    return [email for _lead, email in world.arrived if email.startswith("lesson")]
