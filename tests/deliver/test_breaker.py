"""A relay or a provider in trouble is left alone by all workers, asked again by one, and its mail goes out when it is well."""

import errno
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import sleep
from typing import NoReturn

import aiosmtplib
import pytest
import sqlalchemy as sa

from engine.claim import SEND, Claim, take_due
from engine.clock import VirtualClock
from engine.compiler.plan import Caps
from engine.compiler.relay import DomainLimit, Relay, WarmUp
from engine.database import Database, Tx
from engine.deliver.breaker import PROBE_TAKES, RELAYS, Strike, ask_again, may_probe, strike
from engine.deliver.fates import policy_for
from engine.deliver.gate import mark
from engine.deliver.load import load_sends
from engine.deliver.pace import pace_of
from engine.deliver.record import record_held
from engine.deliver.replies import AT_ONCE, FAILING
from engine.deliver.send import deliver
from engine.deliver.trouble import strikes
from engine.deliver.wire import Deferred
from engine.processes.totals import totals
from engine.runtime import Runtime
from engine.schedule.pause import pause, resume
from engine.schema import domain_states, relay_days, relay_states, route_states, sends, touches
from engine.simulate.sink import Sink
from engine.simulate.sink_rules import Fault, Phase, Rule
from engine.suppression import Suppression, suppress
from engine.versions import live_rules
from engine.vocabulary import PauseKind, Reason, SendState, SmtpPhase
from tests.deliver.given import WORKER, a_policy, add_mail, add_workspace, runtime_over, send_of
from tests.deliver.wires import SPARED
from tests.factories import add_lead

DUE = {"state": SendState.READY, "worker": None, "lease_until": None, "epoch": 0}


def add_due(tx: Tx, version_id: int, address: str) -> Claim:
    return add_mail(tx, version_id, lead_id=add_lead(tx, email=address), due_at=tx.now, **DUE)


def deliver_due(runtime: Runtime, at_once: int = 8) -> int:
    """What is due, in batches as the dispatcher makes them; how many it claimed."""
    with runtime.database.write() as tx:
        claims = take_due(tx, SEND, limit=1_000, lease=timedelta(minutes=5))
    for start in range(0, len(claims), at_once):
        deliver(runtime, claims[start : start + at_once])
    return len(claims)


def counted(database: Database) -> dict[tuple[str, str | None], int]:
    with database.read() as tx:
        rows = tx.run(sa.select(sends.c.state, sends.c.reason, sa.func.count()).group_by(sends.c.state, sends.c.reason))
        return {(state, reason): number for state, reason, number in rows}


def test_a_relay_that_is_away_is_asked_by_few_and_its_backlog_goes_out_smoothly(
    sqlite_database: Database, clock: VirtualClock, tmp_path: Path
) -> None:
    with sqlite_database.write() as tx:
        version_id = add_workspace(tx)
        for _ in range(80):
            add_mail(tx, version_id, due_at=tx.now, **DUE)
    closing = Rule(phase=Phase.CONNECT, fault=Fault.REPLY, code=421, text="4.3.2 not now", times=1_000)
    sink = Sink(rules=[closing])

    with runtime_over(sqlite_database, sink, tmp_path) as runtime:
        for _ in range(30):
            deliver_due(runtime)
            clock.move_to(clock.now() + timedelta(seconds=10))
        with sqlite_database.read() as tx:
            assert 1_000 - (closing.times or 0) <= 12, "of the five minutes most are rest"
            [state] = tx.run(sa.select(relay_states)).all()
            attempts = tx.run(sa.select(sa.func.max(sends.c.attempts))).scalar_one()
        assert (state.relay, state.failures >= 3, attempts) == ("main", True, 0)
        assert counted(sqlite_database) == {(SendState.READY, Reason.RELAY_AWAY): 80}

    sink.rules.clear()
    went = []
    with runtime_over(sqlite_database, sink, tmp_path) as runtime:  # of a new process: the old one calls again after real seconds
        while counted(sqlite_database).get((SendState.ACCEPTED, None), 0) < 80:
            clock.move_to(clock.now() + timedelta(seconds=10))
            deliver_due(runtime)
            went.append(counted(sqlite_database).get((SendState.ACCEPTED, None), 0))

    assert len(went) * timedelta(seconds=10) <= timedelta(minutes=25)
    with sqlite_database.read() as tx:
        assert tx.run(sa.select(relay_states)).all() == []


@pytest.mark.both_databases
def test_three_failures_open_it_for_all_and_old_ones_say_nothing_new(database: Database, clock: VirtualClock) -> None:
    for number in range(5):
        with database.write() as tx:
            failed = Strike(key=("main",), marked_at=tx.now - timedelta(seconds=1), rest=FAILING, why="no route", advice="")
            strike(tx, RELAYS, [failed])
        with database.read() as tx:
            [row] = tx.run(sa.select(relay_states)).all()
        assert (row.open_until is not None) == (number >= 2)

    assert row.failures == 3
    assert timedelta(seconds=12) <= row.open_until - row.tried_at <= timedelta(seconds=18)


@pytest.mark.both_databases
def test_what_was_marked_before_it_could_be_read_that_a_relay_is_left_alone_does_not_double_the_rest(
    database: Database, clock: VirtualClock
) -> None:
    with database.write() as tx:
        for _ in range(3):
            strike(tx, RELAYS, [Strike(key=("main",), marked_at=tx.now, rest=FAILING, why="no route", advice="")])
        left_alone = tx.run(sa.select(relay_states)).one()

    clock.move_to(clock.now() + timedelta(milliseconds=50))  # the mark read the table before that was committed
    with database.write() as tx:
        strike(tx, RELAYS, [Strike(key=("main",), marked_at=tx.now, rest=FAILING, why="connection reset", advice="")])

    with database.read() as tx:
        assert tx.run(sa.select(relay_states)).one() == left_alone


def test_each_failed_probe_doubles_the_rest_up_to_half_an_hour(sqlite_database: Database, clock: VirtualClock) -> None:
    waits = []
    for _ in range(10):
        with sqlite_database.write() as tx:
            strike(tx, RELAYS, [Strike(key=("main",), marked_at=tx.now, rest=AT_ONCE, why="535 no", advice="")])
            row = tx.run(sa.select(relay_states)).one()
        waits.append((row.open_until - clock.now()).total_seconds())
        clock.move_to(row.open_until)
        with sqlite_database.write() as tx:
            assert may_probe(tx, RELAYS, ("main",))

    for nominal, wait in zip((30, 60, 120, 240, 480, 960, 1_800, 1_800, 1_800, 1_800), waits, strict=True):
        assert 0.8 * nominal <= wait <= 1.2 * nominal


@pytest.mark.both_databases
def test_of_all_who_ask_at_once_one_finds_out(database: Database, clock: VirtualClock) -> None:
    with database.write() as tx:
        tx.run(sa.insert(relay_states).values(relay="main", failures=3, open_until=tx.now, tried_at=tx.now, why="", since=tx.now))

    def ask(_number: int) -> bool:
        with database.write() as tx:
            return may_probe(tx, RELAYS, ("main",))

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(ask, range(8))) == [False] * 7 + [True]
    clock.move_to(clock.now() + PROBE_TAKES)
    assert ask(0), "whoever began may have died"


@pytest.mark.both_databases
def test_one_mail_finds_out_how_a_relay_is_the_first_that_no_cap_stops(database: Database, tmp_path: Path) -> None:
    """A relay that takes texts and answers nothing swallows whatever it is asked with."""
    one_a_day = Caps(per_day=1, per_week=None, per_month=None)
    with database.write() as tx:
        version_id = add_workspace(tx, caps=one_a_day)
        full = add_lead(tx, email="full@school.example")
        earlier = add_mail(tx, version_id, lead_id=full, due_at=tx.now, **DUE)
    with runtime_over(database, Sink(), tmp_path) as runtime:
        deliver_due(runtime)
        with database.write() as tx:
            capped = add_mail(tx, version_id, lead_id=full, due_at=tx.now, **DUE)
            others = [add_due(tx, version_id, f"r{n}@school.example") for n in range(12)]
            away = {"failures": 3, "open_until": tx.now, "tried_at": tx.now, "why": "", "since": tx.now}
            tx.run(sa.insert(relay_states).values(relay="main", **away))
            marked = mark(
                tx, load_sends(tx, claimed(tx, [capped, *others]), live_rules(tx)), a_policy(caps=one_a_day), runtime.worker_id
            )

    assert send_of(database, earlier[0]).state == SendState.ACCEPTED
    assert [send.send_id for send in marked.through] == [others[0][0]]
    why = {send.send_id: held.reason for send, held in marked.held}
    assert why == {capped[0]: Reason.CAP} | dict.fromkeys([send_id for send_id, _epoch in others[1:]], Reason.RELAY_AWAY)


def claimed(tx: Tx, due: list[Claim]) -> list[Claim]:
    """The same, in the order given."""
    epochs = dict(take_due(tx, SEND, limit=100, lease=timedelta(minutes=5)))
    return [(send_id, epochs[send_id]) for send_id, _epoch in due]


@pytest.mark.both_databases
@pytest.mark.parametrize("what", ["relay", "domain"])
def test_a_probe_takes_one_turn_of_a_limited_domain_and_no_suppressed_mail_is_one(database: Database, what: str) -> None:
    limits = {"school.example": DomainLimit(per_hour=10)}
    away = {"relay": "main", "open_until": None, "tried_at": None, "why": "", "since": None}
    with database.write() as tx:
        version_id = add_workspace(tx, limits=limits)
        due = [add_due(tx, version_id, f"r{n}@school.example") for n in range(6)]
        suppress(tx, [Suppression(address_key=key_of(tx, due[0]), scope="everything", reason="asked", source="t")])
        away |= {"open_until": tx.now, "tried_at": tx.now, "since": tx.now}
        if what == "relay":
            tx.run(sa.insert(relay_states).values(**away, failures=3))
        else:
            tx.run(sa.insert(route_states).values(**away, domain="school.example", strikes=1))
        marked = mark(tx, load_sends(tx, claimed(tx, due), live_rules(tx)), a_policy(limits=limits), WORKER)
        used = tx.run(sa.select(domain_states.c.paced_until)).scalar_one() - tx.now

    assert [send.send_id for send in marked.through] == [due[1][0]]
    assert [(send.send_id, why) for send, why in marked.over] == [(due[0][0], Reason.SUPPRESSED)]
    assert {why.due_at for _send, why in marked.held} == {marked.at + PROBE_TAKES}
    assert used <= 2 * pace_of(10).every, "its own turn, and that of the one that is suppressed"


def key_of(tx: Tx, claim: Claim) -> str:
    return str(tx.run(sa.select(sends.c.address_key).where(sends.c.id == claim[0])).scalar_one())


def test_a_refused_login_is_enough_at_once(sqlite_database: Database, tmp_path: Path) -> None:
    with sqlite_database.write() as tx:
        add_mail(tx, add_workspace(tx), due_at=tx.now, **DUE)
    refused = Rule(phase=Phase.MAIL, fault=Fault.REPLY, code=530, text="5.7.0 authentication required", times=100)

    with runtime_over(sqlite_database, Sink(rules=[refused]), tmp_path) as runtime:
        deliver_due(runtime)

    with sqlite_database.read() as tx:
        row = tx.run(sa.select(relay_states)).one()
    assert row.open_until is not None
    assert row.why == "530 5.7.0 authentication required"


def test_an_outage_of_a_relay_is_told_once_and_when_it_is_over(
    sqlite_database: Database, clock: VirtualClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "engine.deliver")
    with sqlite_database.write() as tx:
        version_id = add_workspace(tx)
        for _ in range(40):
            add_mail(tx, version_id, due_at=tx.now, **DUE)
    sink = Sink(rules=[Rule(phase=Phase.CONNECT, fault=Fault.REPLY, code=554, text="5.7.1 go away", times=1_000)])

    with runtime_over(sqlite_database, sink, tmp_path) as runtime:
        for _ in range(20):
            deliver_due(runtime)
            clock.move_to(clock.now() + timedelta(seconds=10))
        sink.rules.clear()
        sleep(SPARED)
        while counted(sqlite_database).get((SendState.ACCEPTED, None), 0) == 0:
            clock.move_to(clock.now() + timedelta(seconds=30))
            deliver_due(runtime)

    said = [record.getMessage() for record in caplog.records]
    assert (said[0], set(said[1:-1]), said[-1]) == (
        "a relay is left alone for a while", {"a relay is still left alone"}, "a relay is well again"
    )  # fmt: skip
    [told] = [record for record in caplog.records if record.levelname == "ERROR"]
    assert "would not have us, or is no mail server of that kind" in told.facts["why"]  # type: ignore[attr-defined]


def test_no_relay_is_left_alone_for_a_machine_that_can_open_nothing(
    sqlite_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sqlite_database.write() as tx:
        version_id = add_workspace(tx)
        claims = [add_mail(tx, version_id, due_at=tx.now, **DUE) for _ in range(24)]

    async def no_more(*_where: object, **_how: object) -> NoReturn:
        raise aiosmtplib.SMTPConnectError("no") from OSError(errno.EMFILE, "Too many open files")

    with runtime_over(sqlite_database, Sink(), tmp_path) as runtime:
        monkeypatch.setattr(aiosmtplib.SMTP, "connect", no_more)
        deliver_due(runtime, at_once=4)

    assert counted(sqlite_database) == {(SendState.READY, Reason.RELAY_AWAY): len(claims)}
    with sqlite_database.read() as tx:
        assert tx.run(sa.select(relay_states)).all() == []


def test_a_relay_that_somebody_has_mended_takes_its_mails_at_once(sqlite_database: Database, tmp_path: Path) -> None:
    with sqlite_database.write() as tx:
        version_id = add_workspace(tx)
        for _ in range(20):
            add_mail(tx, version_id, due_at=tx.now, **DUE)
    refused = Rule(phase=Phase.MAIL, fault=Fault.REPLY, code=535, text="5.7.8 wrong", times=8)

    with runtime_over(sqlite_database, sink := Sink(rules=[refused]), tmp_path) as runtime:
        deliver_due(runtime)
        assert (deliver_due(runtime), sink.kept) == (0, 0)
        with sqlite_database.write() as tx:
            assert ask_again(tx, RELAYS, "main") and not ask_again(tx, RELAYS, "main")
        deliver_due(runtime)

    assert sink.kept > 0
    with sqlite_database.read() as tx:
        assert tx.run(sa.select(relay_states)).all() == []


@pytest.mark.parametrize(("relay", "setting"), [("main", "HANDRAISER_SMTP_URL;"), ("bulk", "HANDRAISER_SMTP_URL_BULK;")])
def test_an_operator_is_told_which_setting_to_look_at(relay: str, setting: str) -> None:
    refused = Deferred(code=535, reply="5.7.8 no", phase=SmtpPhase.AUTH)

    [struck] = strikes({(relay,): (refused, policy_for(refused))}, datetime(2026, 11, 2, tzinfo=UTC), RELAYS)

    assert struck.advice.startswith(f"put the right user and password into {setting}")


@pytest.mark.both_databases
def test_a_provider_that_wants_less_is_left_alone_and_the_others_are_not(
    database: Database, clock: VirtualClock, tmp_path: Path
) -> None:
    with database.write() as tx:
        version_id = add_workspace(tx)
        slow = [
            add_mail(tx, version_id, lead_id=add_lead(tx, email=f"r{n}@slow.example"), due_at=tx.now, **DUE) for n in range(6)
        ]
        other = add_mail(tx, version_id, due_at=tx.now, **DUE)
    wanting_less = Rule(phase=Phase.RCPT, fault=Fault.REPLY, code=421, text="4.7.28 unusual rate of mail", times=2, skip=1)
    wanting_less.recipient = "*@slow.example"

    with runtime_over(database, Sink(rules=[wanting_less]), tmp_path) as runtime:
        deliver_due(runtime, 2)
        with database.read() as tx:
            assert tx.run(sa.select(relay_states)).all() == [], "it is not the relay's fault"
            paused = tx.run(sa.select(route_states)).one()
        assert (paused.relay, paused.domain) == ("main", "slow.example")
        assert timedelta(minutes=4) <= paused.open_until - clock.now() <= timedelta(minutes=6)
        assert send_of(database, other[0]).state == SendState.ACCEPTED
        for _ in range(150):
            clock.move_to(clock.now() + timedelta(seconds=10))
            deliver_due(runtime, 2)

    assert {send_of(database, one[0]).state for one in slow} == {SendState.ACCEPTED}
    assert max(send_of(database, one[0]).attempts for one in slow) == 2


def test_who_has_something_against_us_is_left_alone_and_nobody_is_suppressed(
    sqlite_database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with sqlite_database.write() as tx:
        version_id = add_workspace(tx)
        first, second = (add_due(tx, version_id, f"r{n}@strict.example") for n in (1, 2))
    blocked = Rule(phase=Phase.DOT, fault=Fault.REPLY, code=550, text="5.7.26 not authenticated", times=100)

    with runtime_over(sqlite_database, Sink(rules=[blocked]), tmp_path) as runtime:
        deliver_due(runtime, 1)

    assert (send_of(sqlite_database, first[0]).state, send_of(sqlite_database, second[0]).reason) == ("refused", "domain_paused")
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == [
        "a domain is left alone for a while"
    ]


def test_mail_to_a_provider_that_refuses_for_ever_ends_after_five_days(
    sqlite_database: Database, clock: VirtualClock, tmp_path: Path
) -> None:
    with sqlite_database.write() as tx:
        version_id = add_workspace(tx)
        claims = [add_due(tx, version_id, f"r{n}@strict.example") for n in range(40)]
    blocked = Rule(phase=Phase.RCPT, fault=Fault.REPLY, code=550, text="5.7.26 not authenticated")
    began = clock.now()

    with runtime_over(sqlite_database, Sink(rules=[blocked]), tmp_path) as runtime:
        while (due_at := next_due(sqlite_database)) is not None and clock.now() - began < timedelta(days=10):
            clock.move_to(max(due_at, clock.now()))
            deliver_due(runtime)

    assert timedelta(days=5) <= clock.now() - began < timedelta(days=7)
    fates = counted(sqlite_database)
    assert set(fates) == {(SendState.REFUSED, Reason.PERMANENT), (SendState.CANCELLED, Reason.TOO_OLD)}
    assert fates[SendState.CANCELLED, Reason.TOO_OLD] > 10
    with sqlite_database.read() as tx:
        assert totals(tx).given_up == fates[SendState.CANCELLED, Reason.TOO_OLD]
        assert set(tx.run(sa.select(touches.c.state).where(touches.c.id.in_(touches_of(tx, claims)))).scalars()) == {"skipped"}


def next_due(database: Database) -> datetime | None:
    with database.read() as tx:
        return tx.run(sa.select(sa.func.min(sends.c.due_at)).where(sends.c.state == SendState.READY)).scalar()


def touches_of(tx: Tx, claims: list[Claim]) -> list[int]:
    chosen = sa.select(sends.c.touch_id).where(sends.c.id.in_([send_id for send_id, _epoch in claims]))
    return list(tx.run(chosen).scalars())


@pytest.mark.both_databases
@pytest.mark.parametrize(
    ("days", "was", "fate"),
    [
        (4, Reason.RELAY_AWAY, "ready relay_away"),
        (6, Reason.RELAY_AWAY, "cancelled too_old"),
        (6, Reason.WINDOW, "cancelled too_old"),  # a night between
        (6, Reason.WARM_UP, "ready relay_away"),  # our own limit held it until now
    ],
)
def test_mail_waits_five_days_for_a_relay(database: Database, tmp_path: Path, days: int, was: Reason, fate: str) -> None:
    with database.write() as tx:
        held = {"reason": was, "held_since": tx.now - timedelta(days=days)}
        claim = add_mail(tx, add_workspace(tx), due_at=tx.now, **held, **DUE)
        strike(tx, RELAYS, [Strike(key=("main",), marked_at=tx.now, rest=AT_ONCE, why="535 no", advice="")])

    with runtime_over(database, Sink(), tmp_path) as runtime:
        deliver_due(runtime)

    send = send_of(database, claim[0])
    assert f"{send.state} {send.reason}" == fate


def test_what_went_perhaps_is_not_called_cancelled_when_it_is_given_up(sqlite_database: Database, tmp_path: Path) -> None:
    with sqlite_database.write() as tx:
        held = {"reason": Reason.RELAY_AWAY, "held_since": tx.now - timedelta(days=6), "unknowns": 1}
        claim = add_mail(tx, add_workspace(tx), stream="transactional", due_at=tx.now, **held, **DUE)
        strike(tx, RELAYS, [Strike(key=("main",), marked_at=tx.now, rest=AT_ONCE, why="535 no", advice="")])

    with runtime_over(sqlite_database, Sink(), tmp_path) as runtime:
        deliver_due(runtime)

    assert send_of(sqlite_database, claim[0]).state == SendState.UNKNOWN


@pytest.mark.both_databases
def test_days_that_a_person_held_it_make_no_mail_too_old(database: Database, clock: VirtualClock, tmp_path: Path) -> None:
    with database.write() as tx:
        claim = add_mail(tx, add_workspace(tx), due_at=tx.now, reason=Reason.RELAY_AWAY, held_since=tx.now, **DUE)
        pause(tx, PauseKind.ALL)
    clock.move_to(clock.now() + timedelta(days=6))
    with database.write() as tx:
        resume(tx, PauseKind.ALL)
        strike(tx, RELAYS, [Strike(key=("main",), marked_at=tx.now, rest=AT_ONCE, why="535 no", advice="")])

    with runtime_over(database, Sink(), tmp_path) as runtime:
        deliver_due(runtime)

    assert send_of(database, claim[0]).reason == Reason.RELAY_AWAY


def test_a_mail_goes_by_another_relay_when_its_own_is_away(sqlite_database: Database, clock: VirtualClock) -> None:
    two = (Relay(name="main"), Relay(name="spare", weight=0))
    with sqlite_database.write() as tx:
        claim = add_mail(tx, add_workspace(tx, relays=two))
        strike(tx, RELAYS, [Strike(key=("main",), marked_at=tx.now, rest=AT_ONCE, why="535 no", advice="")])

        marked = mark(tx, load_sends(tx, [claim], live_rules(tx)), a_policy(relays=two), WORKER)

    assert marked.relays == {claim[0]: "spare"}
    assert send_of(sqlite_database, claim[0]).relay == "spare"


@pytest.mark.both_databases
def test_a_new_relay_carries_so_many_a_day_and_no_more(database: Database, clock: VirtualClock) -> None:
    warm_up = WarmUp(starts_on=clock.now().date(), mails=20, grows=0.5, until=1_000)
    new = (Relay(name="new", warm_up=warm_up),)
    with database.write() as tx:
        version_id = add_workspace(tx, relays=new)
        shares = [[add_mail(tx, version_id) for _ in range(8)] for _ in range(8)]

    def mark_share(claims: list[Claim]) -> int:
        with database.write() as tx:
            marked = mark(tx, load_sends(tx, claims, live_rules(tx)), a_policy(relays=new), WORKER)
            record_held(tx, marked.held)
            return len(marked.through)

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(mark_share, shares)) == 20

    with database.read() as tx:
        assert tx.run(sa.select(relay_days.c.relay, relay_days.c.mails)).all() == [("new", 20)]
        held = tx.run(sa.select(sends.c.due_at).where(sends.c.reason == Reason.WARM_UP)).scalars().all()
    assert len(held) == 44
    assert {due_at.date() for due_at in held} == {clock.now().date() + timedelta(days=1)}


def test_a_mail_that_waits_for_the_relays_next_day_is_due_when_that_has_begun(
    sqlite_database: Database, clock: VirtualClock
) -> None:
    """And not when it has where its reader lives: it would come again and again until then."""
    full = (Relay(name="new", warm_up=WarmUp(starts_on=clock.now().date() + timedelta(days=1), mails=1, grows=1, until=2)),)
    clock.move_to(clock.now().replace(hour=22))  # tomorrow at eleven in Auckland, within the window
    with sqlite_database.write() as tx:
        version_id = add_workspace(tx, relays=full)
        claim = add_mail(tx, version_id, lead_id=add_lead(tx, zone="Pacific/Auckland"))

        [(_send, held)] = mark(tx, load_sends(tx, [claim], live_rules(tx)), a_policy(relays=full), WORKER).held

    assert (held.reason, held.due_at) == (Reason.WARM_UP, clock.now().replace(hour=0) + timedelta(days=1))


def test_a_mail_that_is_greylisted_for_five_minutes_is_there_within_fifteen(
    sqlite_database: Database, clock: VirtualClock, tmp_path: Path
) -> None:
    began = clock.now()
    with sqlite_database.write() as tx:
        version_id = add_workspace(tx)
        claims = [add_mail(tx, version_id, due_at=tx.now, **DUE) for _ in range(24)]
    greylisting = Rule(phase=Phase.RCPT, fault=Fault.REPLY, code=451, text="4.7.1 Greylisted, please come back later")
    sink = Sink(rules=[greylisting])

    with runtime_over(sqlite_database, sink, tmp_path) as runtime:
        while clock.now() - began < timedelta(minutes=15):
            deliver_due(runtime)
            clock.move_to(clock.now() + timedelta(seconds=5))
            if clock.now() - began >= timedelta(seconds=300):
                sink.rules.clear()

    assert {send_of(sqlite_database, one[0]).state for one in claims} == {SendState.ACCEPTED}
