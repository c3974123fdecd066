"""Caps: never one mail more than a person may get, however many threads send at once."""

from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from engine.claim import SEND, take_due
from engine.clock import VirtualClock
from engine.compiler.plan import Caps, Window
from engine.database import Database
from engine.deliver.caps import has_room, next_day_with_room
from engine.deliver.send import deliver
from engine.schema import leads, sends
from engine.simulate.sink import Sink
from engine.simulate.sink_rules import Fault, Phase, Rule
from engine.vocabulary import SendState, Stream
from tests.deliver.given import add_claimed, add_mail, add_workspace, at_once, deliver_begun, runtime_over, send_of, touch_of
from tests.factories import add_lead, add_send

ONE_A_DAY = Caps(per_day=1, per_week=3, per_month=10)
ONE_A_MONTH = Caps(per_day=None, per_week=None, per_month=1)
MONDAY = date(2026, 1, 5)


def days(*ahead: int) -> list[date]:
    return [MONDAY + timedelta(days=number) for number in ahead]


@pytest.mark.parametrize(
    ("counted", "has"),
    [
        (days(), True),
        (days(0), False),
        (days(-1), True),
        (days(-1, -3, -6), False),
        (days(-1, -3, -7), True),
        (days(*range(-2, -30, -3)), False),
        (days(*range(-5, -35, -3)), True),
        (days(1), False),  # where the same mailbox, or the same lead before its zone was corrected, has tomorrow already
        (days(2), False),
        (days(2, -5, -6), False),
    ],
)
def test_a_cap_looks_back_over_its_own_days(counted: list[date], has: bool) -> None:
    assert has_room(counted, ONE_A_DAY, MONDAY) is has


def test_the_next_day_with_room_keeps_every_cap() -> None:
    assert next_day_with_room(days(0), ONE_A_DAY, MONDAY) == MONDAY + timedelta(days=1)
    assert next_day_with_room(days(0, -1, -2), ONE_A_DAY, MONDAY) == MONDAY + timedelta(days=5)
    assert next_day_with_room(days(1), ONE_A_DAY, MONDAY) == MONDAY + timedelta(days=2)
    assert next_day_with_room(days(2), ONE_A_MONTH, MONDAY) == MONDAY + timedelta(days=32)


TUESDAY, ON_MONDAY, SUNDAY = "Pacific/Kiritimati", "America/Los_Angeles", "Pacific/Pago_Pago"


@pytest.mark.both_databases
@pytest.mark.parametrize("is_one_lead", [True, False])
@pytest.mark.parametrize("caps", [Caps(per_day=1, per_week=None, per_month=None), Caps(per_day=None, per_week=1, per_month=None)])
@pytest.mark.parametrize(("first", "then"), [(TUESDAY, ON_MONDAY), (ON_MONDAY, TUESDAY), (TUESDAY, SUNDAY), (SUNDAY, TUESDAY)])
def test_a_mailbox_gets_no_mail_too_many_where_its_leads_have_different_days(
    database: Database, tmp_path: Path, clock: VirtualClock, first: str, then: str, caps: Caps, is_one_lead: bool
) -> None:
    """At half past ten in London three days are under way. A zone that is corrected does the same as a second lead."""
    clock.move_to(datetime(2026, 1, 5, 10, 30, tzinfo=UTC))
    with database.write() as tx:
        version_id = add_workspace(tx, caps=caps)
        lead_id = add_lead(tx, key="1", email="maya@school.example", zone=first)
        before = add_mail(tx, version_id, lead_id=lead_id)
    sink = Sink()

    with runtime_over(database, sink, tmp_path) as runtime:
        deliver_begun(runtime, [before])
        with database.write() as tx:
            if is_one_lead:
                tx.run(sa.update(leads).values(zone=then))
            other = lead_id if is_one_lead else add_lead(tx, key="2", email="maya@school.example", zone=then)
            after = add_mail(tx, version_id, lead_id=other)
        deliver_begun(runtime, [after])
        waiting, had_at_once = send_of(database, after[0]), sink.kept
        clock.move_to(waiting.due_at)
        with database.write() as tx:
            due = take_due(tx, SEND, limit=1, lease=timedelta(minutes=1))
        deliver(runtime, due)

    assert (waiting.state, waiting.reason, had_at_once) == (SendState.READY, "cap", 1)
    assert timedelta(0) < waiting.due_at - waiting.created_at < timedelta(days=3 if caps.per_day else 10)
    assert send_of(database, after[0]).state == SendState.ACCEPTED


@pytest.mark.both_databases
def test_caps_are_exact_when_eight_threads_send_to_the_same_people(database: Database, tmp_path: Path) -> None:
    with database.write() as tx:
        version_id = add_workspace(tx, caps=Caps(per_day=2, per_week=None, per_month=None))
        shared = add_lead(tx, email="both@mail.example"), add_lead(tx, key="second", email="Both@mail.example")
        people = [*shared, *(add_lead(tx) for _ in range(4))]
        shares = [[add_mail(tx, version_id, lead_id=lead_id) for lead_id in people] for _ in range(8)]
    sink = Sink()

    with runtime_over(database, sink, tmp_path) as runtime:
        at_once(runtime, shares)

    with database.read() as tx:
        rows = tx.run(sa.select(sends.c.address_key, sends.c.state, sends.c.reason)).all()
    accepted = Counter(row.address_key for row in rows if row.state == SendState.ACCEPTED)
    assert sorted(accepted.values()) == [2] * 5
    assert Counter((row.state, row.reason) for row in rows if row.state != SendState.ACCEPTED) == {("ready", "cap"): 48 - 10}
    assert sink.kept == 10


def test_a_capped_mail_waits_for_the_next_opening_in_the_leads_own_zone(database: Database, tmp_path: Path) -> None:
    window = Window(weekdays=(0, 1, 3), opens=time(9), closes=time(17))
    with database.write() as tx:
        version_id = add_workspace(tx, caps=ONE_A_DAY, window=window)
        lead_id = add_lead(tx, zone="America/New_York")
        for ahead in (0, 1):
            add_send(tx, lead_id=lead_id, state=SendState.ACCEPTED, cap_on=MONDAY + timedelta(days=ahead))
        claim = add_mail(tx, version_id, lead_id=lead_id)

    with runtime_over(database, Sink(), tmp_path) as runtime:
        deliver_begun(runtime, [claim])

    send = send_of(database, claim[0])
    assert (send.state, send.reason, send.attempts) == (SendState.READY, "cap", 0)
    assert send.due_at == datetime(2026, 1, 8, 9, tzinfo=ZoneInfo("America/New_York"))
    assert touch_of(database, claim[0]).state == "sending"


@pytest.mark.both_databases
@pytest.mark.parametrize("shadow", [True, False])
def test_a_mail_keeps_why_it_waited_when_it_has_gone(
    database: Database, tmp_path: Path, clock: VirtualClock, shadow: bool
) -> None:
    with database.write() as tx:
        lead_id = add_lead(tx)
        add_send(tx, lead_id=lead_id, state=SendState.ACCEPTED, cap_on=MONDAY)
        send_id, epoch = add_mail(tx, add_workspace(tx, caps=ONE_A_DAY), lead_id=lead_id, is_shadow=shadow)

    with runtime_over(database, Sink(), tmp_path) as runtime:
        deliver_begun(runtime, [(send_id, epoch)])
        clock.move_to(clock.now() + timedelta(days=1))
        with database.write() as tx:
            due = take_due(tx, SEND, limit=1, lease=timedelta(minutes=1))
        deliver(runtime, due)

    send = send_of(database, send_id)
    assert (send.state, send.waited_for) == (SendState.CANCELLED if shadow else SendState.ACCEPTED, "cap")


@pytest.mark.parametrize(
    ("state", "counts"),
    [
        (SendState.ATTEMPTING, True),
        (SendState.ACCEPTED, True),
        (SendState.UNKNOWN, True),
        (SendState.REFUSED, False),
        (SendState.CANCELLED, False),
        (SendState.READY, False),
    ],
)
def test_what_was_not_sent_gives_its_place_back(database: Database, tmp_path: Path, state: SendState, counts: bool) -> None:
    with database.write() as tx:
        version_id = add_workspace(tx, caps=ONE_A_DAY)
        lead_id = add_lead(tx)
        add_send(tx, lead_id=lead_id, state=state, cap_on=MONDAY)
        claim = add_mail(tx, version_id, lead_id=lead_id)

    with runtime_over(database, Sink(), tmp_path) as runtime:
        deliver_begun(runtime, [claim])

    assert send_of(database, claim[0]).state == (SendState.READY if counts else SendState.ACCEPTED)


def test_transactional_mail_neither_counts_nor_is_capped(database: Database, tmp_path: Path) -> None:
    with database.write() as tx:
        version_id = add_workspace(tx, caps=ONE_A_DAY)
        lead_id = add_lead(tx)
        orders = [add_claimed(tx, lead_id=lead_id, stream=Stream.TRANSACTIONAL, topic=None) for _ in range(3)]
        mail = add_mail(tx, version_id, lead_id=lead_id)

    with runtime_over(database, Sink(), tmp_path) as runtime:
        deliver_begun(runtime, [*orders, mail])

    assert {send_of(database, send_id).state for send_id, _ in [*orders, mail]} == {SendState.ACCEPTED}


def test_a_refused_mail_gives_its_place_to_the_next_one(database: Database, tmp_path: Path) -> None:
    with database.write() as tx:
        version_id = add_workspace(tx, caps=ONE_A_DAY)
        lead_id = add_lead(tx)
        claims = [add_mail(tx, version_id, lead_id=lead_id) for _ in range(2)]
    sink = Sink(rules=[Rule(phase=Phase.DOT, fault=Fault.REPLY, code=554, text="5.6.0 no", times=1)])

    with runtime_over(database, sink, tmp_path) as runtime:
        deliver_begun(runtime, claims)

    assert [send_of(database, send_id).state for send_id, _ in claims] == [SendState.REFUSED, SendState.ACCEPTED]
