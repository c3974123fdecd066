"""Mails that wait for a relay, a provider, a warm-up or a person: for that reason alone, no longer, and at no other's cost."""

import threading
import time
from dataclasses import replace
from datetime import UTC, date, timedelta
from datetime import time as clock_time
from pathlib import Path

import pytest
import sqlalchemy as sa

from engine.claim import SEND, Claim, take_due
from engine.clock import VirtualClock
from engine.compiler.plan import Between, Caps, Window, to_json
from engine.compiler.relay import DomainLimit, Relay, WarmUp
from engine.database import Database
from engine.deliver.batch import load
from engine.deliver.breaker import RELAYS, ROUTES, Key, Kind, Strike, may_probe, recover, strike
from engine.deliver.gate import mark
from engine.deliver.places import MOST_IN_DOUBT, Places
from engine.deliver.record import record_outcomes
from engine.deliver.replies import AT_ONCE
from engine.deliver.send import deliver
from engine.deliver.smtp import open_wires
from engine.deliver.trouble import Flown
from engine.deliver.ways import lay_out_anew
from engine.deliver.wire import NotBegun
from engine.schedule.pause import pause, resume
from engine.schema import domain_states, relay_days, relay_states, rules, sends
from engine.simulate.sink import Sink
from engine.simulate.sink_rules import Fault, Phase, Rule
from engine.suppression import Suppression, suppress
from engine.versions import live_rules
from engine.vocabulary import PauseKind, Reason, SendState
from tests.deliver.given import (
    a_policy,
    add_cadence,
    add_mail,
    add_workspace,
    an_artifact,
    deliver_begun,
    keep_artifact,
    runtime_over,
    send_of,
)
from tests.deliver.test_breaker import DUE, deliver_due
from tests.deliver.test_rivals import URGENT, urgent
from tests.deliver.test_several_relays import Several, reason_of, several, to_readers, wanting_less
from tests.deliver.wires import SPARED
from tests.factories import add_lead

MAIN, SPARE = Relay(name="main"), Relay(name="spare", weight=0)
OFFICE = Window(weekdays=tuple(range(7)), opens=clock_time(9), closes=clock_time(17))
SLOW = "slow.example"


def ten_a_day(mails: int = 10) -> Relay:
    return Relay(name="main", warm_up=WarmUp(starts_on=date(2026, 1, 5), mails=mails, grows=0.3, until=1_000))


def go_on(place: Several, clock: VirtualClock, span: timedelta) -> None:
    """What is due after that time is delivered."""
    clock.move_to(clock.now() + span)
    with place.database.write() as tx:
        claims = take_due(tx, SEND, limit=1_000, lease=timedelta(minutes=5))
    deliver(place.runtime, claims)


def stands(place: Several, claims: list[Claim]) -> dict[str, int]:
    found = [f"{send.state} {send.reason}" for send in (send_of(place.database, claim[0]) for claim in claims)]
    return {each: found.count(each) for each in found}


@pytest.mark.both_databases
@pytest.mark.parametrize("through_a_night", [True, False])
def test_days_in_our_own_queue_are_no_days_of_trouble(
    database: Database, clock: VirtualClock, tmp_path: Path, through_a_night: bool
) -> None:
    """It is put off by the night, or by an attempt, in between."""
    held = {"reason": Reason.PACED, "held_since": clock.now() - timedelta(days=6)}
    with database.write() as tx:
        version_id = add_workspace(tx, window=OFFICE)
        ended = clock.now().replace(hour=16, minute=59)
        claim = add_mail(tx, version_id, due_at=ended if through_a_night else tx.now, **held, **DUE)
    sink = Sink(rules=[] if through_a_night else [replace(wanting_less(), times=1)])

    with runtime_over(database, sink, tmp_path) as runtime:
        clock.move_to(ended + timedelta(minutes=6) if through_a_night else clock.now())
        deliver_due(runtime)
        put_off = send_of(database, claim[0])
        assert (put_off.reason, put_off.held_since) == (Reason.WINDOW if through_a_night else Reason.TEMPORARY, None)
        clock.move_to(put_off.due_at)
        with database.write() as tx:
            strike(tx, RELAYS, [Strike(key=("main",), marked_at=tx.now, rest=AT_ONCE, why="535 no", advice="")])
        deliver_due(runtime)

    send = send_of(database, claim[0])
    assert send.state == SendState.READY and send.held_since == clock.now()


@pytest.mark.both_databases
def test_a_relay_that_takes_texts_and_answers_nothing_is_left_alone(
    database: Database, clock: VirtualClock, tmp_path: Path
) -> None:
    with several(database, tmp_path, MAIN, SPARE) as place:
        place.servers["main"].rules.append(Rule(phase=Phase.DOT, fault=Fault.DROP))
        claims = to_readers(place, 60)
        for first in range(0, 60, 10):
            place.deliver(claims[first : first + 10])

        with database.read() as tx:
            assert tx.run(sa.select(relay_states.c.open_until)).scalar_one() is not None
        assert stands(place, claims)["accepted None"] == len(place.got["spare"]) >= 30
        assert place.got["main"] == []


@pytest.mark.both_databases
@pytest.mark.parametrize(("kind", "key"), [(RELAYS, ("main",)), (ROUTES, ("main", SLOW))])
@pytest.mark.parametrize("is_well", [True, False])
def test_what_finds_out_may_take_longer_than_until_the_next_is_sent_to_find_out(
    database: Database, clock: VirtualClock, kind: Kind, key: Key, is_well: bool
) -> None:
    def probe_after(span: timedelta) -> None:
        clock.move_to(clock.now() + span)
        with database.write() as tx:
            assert may_probe(tx, kind, key)

    def struck(marked_at: object) -> sa.Row[tuple[object, ...]]:
        with database.write() as tx:
            strike(tx, kind, [Strike(key=key, marked_at=marked_at, rest=AT_ONCE, why="535 no", advice="")])  # type: ignore[arg-type]
            return tx.run(sa.select(kind.table)).one()

    rest = struck(clock.now()).open_until - clock.now()
    probe_after(rest)
    first = clock.now()
    probe_after(timedelta(seconds=20))
    second = clock.now()
    probe_after(timedelta(seconds=20))
    if is_well:
        with database.write() as tx:
            recover(tx, kind, [key], first)
            assert tx.run(sa.select(kind.table).where(kind.until.is_not(None))).all() == []
    else:
        left_alone = struck(first)
        assert left_alone.open_until - clock.now() > timedelta(seconds=47)
        assert struck(second) == left_alone


@pytest.mark.both_databases
@pytest.mark.parametrize("loser", ["delay", "drop"])
def test_a_mail_that_cannot_go_takes_no_room_from_one_that_can(database: Database, tmp_path: Path, loser: str) -> None:
    relays = (Relay(name="a", brands=("clearroom",)), Relay(name="b", brands=("fernhill",)))
    with several(database, tmp_path, *relays) as place:
        usual = a_policy(Caps(per_day=1, per_week=None, per_month=None), Between(loser=loser))
        policy = replace(usual, relays=relays, brands=usual.brands | {"fernhill": usual.brands["clearroom"]})
        other = an_artifact(brand="fernhill")
        with database.write() as tx:
            tx.run(sa.insert(rules).values(kind="policy", hash="3" * 64, body=to_json(policy), applied_at=tx.now))
            keep_artifact(tx, other)
            lead_id = add_lead(tx, email="maya@school.example")
            stuck = add_mail(tx, add_cadence(tx, urgent()), lead_id=lead_id, cadence=URGENT)
            free = add_mail(tx, place.version_id, lead_id=lead_id, artifact_hash=other.hash)
            pause(tx, PauseKind.RELAY, "a")

        place.deliver([stuck])
        place.deliver([free])

        assert (reason_of(place, stuck), place.got) == (Reason.PAUSED, {"a": [], "b": ["maya@school.example"]})


@pytest.mark.both_databases
@pytest.mark.parametrize("loser", ["delay", "drop"])
def test_what_was_held_back_and_may_go_now_is_a_rival_again(
    database: Database, clock: VirtualClock, tmp_path: Path, loser: str
) -> None:
    with several(database, tmp_path, MAIN) as place:
        policy = a_policy(Caps(per_day=1, per_week=None, per_month=None), Between(loser=loser))
        with database.write() as tx:
            tx.run(sa.insert(rules).values(kind="policy", hash="3" * 64, body=to_json(policy), applied_at=tx.now))
            lead_id = add_lead(tx)
            usual = add_mail(tx, place.version_id, lead_id=lead_id, due_at=tx.now)
            first = add_mail(tx, add_cadence(tx, urgent()), lead_id=lead_id, cadence=URGENT, due_at=tx.now)
            pause(tx, PauseKind.ALL)
        place.deliver([usual])
        place.deliver([first])
        with database.write() as tx:
            resume(tx, PauseKind.ALL)
            tx.run(sa.update(sends).values(due_at=tx.now))
            claims = dict(take_due(tx, SEND, limit=10, lease=timedelta(minutes=5)))
        for send_id, _epoch in (usual, first):
            deliver(place.runtime, [(send_id, claims[send_id])])

        assert send_of(database, first[0]).state == SendState.ACCEPTED
        assert reason_of(place, usual) == Reason.OUTRANKED


@pytest.mark.both_databases
def test_room_of_a_warm_up_is_given_back_once(database: Database, tmp_path: Path) -> None:
    with several(database, tmp_path, ten_a_day()) as place:
        claims = to_readers(place, 8)
        with database.write() as tx:
            loaded = load(tx, place.runtime.places, claims).sends
            marked = mark(tx, loaded, live_rules(tx).policy, place.runtime.worker_id)
        unsaid = [Flown(send=send, outcome=NotBegun(reply="put down"), marked_at=marked.at) for send in loaded]
        for _ in range(2):  # the answer to the first COMMIT was lost
            with database.write() as tx:
                record_outcomes(tx, unsaid)

        with database.read() as tx:
            assert tx.run(sa.select(relay_days.c.mails)).scalars().all() == [0]


@pytest.mark.both_databases
def test_a_lower_limit_holds_nobody_up_for_longer_than_an_hour(database: Database, clock: VirtualClock, tmp_path: Path) -> None:
    with several(database, tmp_path, MAIN) as place:
        place.declare(MAIN, **{SLOW: DomainLimit(per_hour=5_000)})
        place.deliver(to_readers(place, 100, domain=SLOW))
        with database.write() as tx:
            before = live_rules(tx).policy
        place.declare(MAIN, **{SLOW: DomainLimit(per_hour=10)})
        with database.write() as tx:
            lay_out_anew(tx, before, live_rules(tx).policy)
            assert tx.now < tx.run(sa.select(domain_states.c.paced_until)).scalar_one() <= tx.now + timedelta(hours=1)


@pytest.mark.both_databases
def test_a_day_of_a_warm_up_counts_what_the_relay_took(database: Database, clock: VirtualClock, tmp_path: Path) -> None:
    with several(database, tmp_path, ten_a_day()) as place:
        place.servers["main"].stop()
        claims = to_readers(place, 10)
        place.deliver(claims)
        with database.read() as tx:
            assert tx.run(sa.select(relay_days.c.mails)).scalars().all() == [0]
        place.servers["main"].start()
        time.sleep(SPARED)
        go_on(place, clock, timedelta(seconds=30))

        assert len(place.got["main"]) == 10
        with database.read() as tx:
            assert tx.run(sa.select(relay_days.c.mails)).scalars().all() == [10]


@pytest.mark.both_databases
def test_room_of_a_warm_up_that_was_kept_for_mails_that_do_not_go_is_there_for_others(
    database: Database, clock: VirtualClock, tmp_path: Path
) -> None:
    with several(database, tmp_path, ten_a_day()) as place:
        claims = to_readers(place, 20)
        with database.write() as tx:
            keys = tx.run(sa.select(sends.c.address_key).where(sends.c.id.in_([claim[0] for claim in claims[:10]]))).scalars()
            suppress(tx, [Suppression(address_key=key, scope="marketing", reason="unsubscribed", source="t") for key in keys])
        place.deliver(claims)
        go_on(place, clock, timedelta(minutes=1))

        assert stands(place, claims) == {"cancelled suppressed": 10, "accepted None": 10}


@pytest.mark.parametrize("main", [MAIN, ten_a_day(1)], ids=["left alone", "full"])
def test_marketing_goes_round_no_provider_whatever_else_its_relay_suffers(
    sqlite_database: Database, tmp_path: Path, main: Relay
) -> None:
    with several(sqlite_database, tmp_path, main, SPARE) as place:
        place.servers["main"].rules.append(wanting_less())
        claims = to_readers(place, 6, domain=SLOW)
        place.deliver(claims[:1])
        with sqlite_database.write() as tx:
            for _ in range(3):
                strike(tx, RELAYS, [Strike(key=("main",), marked_at=tx.now, rest=AT_ONCE, why="no route", advice="")])
        place.deliver(claims[1:])

        assert stands(place, claims) == {"ready temporary": 1, "ready domain_paused": 5}
        assert place.got["spare"] == []


def test_a_mail_that_a_provider_turned_away_keeps_to_its_relay(
    sqlite_database: Database, clock: VirtualClock, tmp_path: Path
) -> None:
    with several(sqlite_database, tmp_path, MAIN, SPARE) as place:
        place.servers["spare"].rules.append(wanting_less())
        with sqlite_database.write() as tx:
            pause(tx, PauseKind.RELAY, "main")
        [claim] = to_readers(place, 1, domain=SLOW)
        place.deliver([claim])
        go_on(place, clock, timedelta(seconds=10))
        with sqlite_database.write() as tx:
            resume(tx, PauseKind.RELAY, "main")
        for _ in range(3):
            go_on(place, clock, timedelta(minutes=10))

        assert place.got == {"main": [], "spare": []}
        assert send_of(sqlite_database, claim[0]).relay == "spare"


def test_what_goes_by_another_relay_needs_room_there(sqlite_database: Database, tmp_path: Path) -> None:
    most = []
    with several(sqlite_database, tmp_path, MAIN, SPARE) as place:
        servers = place.servers
        servers["spare"].rules.append(Rule(phase=Phase.RCPT, fault=Fault.SLOW, pause=0.001))
        wire = open_wires({"main": servers["main"].url, "spare": f"{servers['spare'].url}?connections=1"})
        runtime = replace(place.runtime, wire=wire, places=Places({"main": 16, "spare": 1}))
        with sqlite_database.write() as tx:
            pause(tx, PauseKind.RELAY, "main")
        shares = [to_readers(place, 30, domain=f"{name}.example") for name in "abc"]
        threads = [threading.Thread(target=deliver_begun, args=(runtime, share)) for share in shares]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            with sqlite_database.read() as tx:
                marked = sa.select(sa.func.count()).select_from(sends).where(sends.c.state == SendState.ATTEMPTING)
                most.append(tx.run(marked).scalar_one())
            time.sleep(0.02)
        wire.close()

        assert len(place.got["spare"]) == 90
    assert 1 < max(most) <= MOST_IN_DOUBT


@pytest.mark.parametrize(("kind", "name"), [(PauseKind.ALL, ""), (PauseKind.DOMAIN, SLOW), (PauseKind.RELAY, "main")])
def test_what_is_marked_and_waits_for_a_connection_is_held_back_as_well(
    sqlite_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: PauseKind, name: str
) -> None:
    monkeypatch.setattr("engine.deliver.watch.MARK_HOLDS", 0.0)
    with several(sqlite_database, tmp_path, MAIN) as place:
        place.declare(MAIN, **{SLOW: DomainLimit(connections=1)})
        place.servers["main"].rules.append(Rule(phase=Phase.RCPT, fault=Fault.SLOW, pause=0.01))
        claims = to_readers(place, 24, domain=SLOW)
        thread = threading.Thread(target=place.deliver, args=(claims,))
        thread.start()
        while not place.got["main"]:
            time.sleep(0.01)
        with sqlite_database.write() as tx:
            pause(tx, kind, name)
        had = len(place.got["main"])
        thread.join()

        assert len(place.got["main"]) <= had + 2
        left = stands(place, claims)
        assert left == {"accepted None": len(place.got["main"]), "ready None": 24 - len(place.got["main"])}


@pytest.mark.both_databases
def test_what_waited_for_the_old_limits_is_judged_by_the_new(database: Database, clock: VirtualClock, tmp_path: Path) -> None:
    with several(database, tmp_path, MAIN) as place:
        place.declare(MAIN, **{SLOW: DomainLimit(per_hour=2)})
        *claims, fresh = to_readers(place, 21, domain=SLOW)
        place.deliver(claims)
        with database.write() as tx:
            before = live_rules(tx).policy
        place.declare(MAIN, **{SLOW: DomainLimit(per_hour=5_000)})
        with database.write() as tx:
            lay_out_anew(tx, before, live_rules(tx).policy)
        place.deliver([fresh])
        go_on(place, clock, timedelta(minutes=10))

        assert stands(place, [*claims, fresh]) == {"accepted None": 21}


@pytest.mark.parametrize(
    ("reason", "fate"),
    [
        (Reason.RELAY_AWAY, "ready window"),
        (Reason.DOMAIN_PAUSED, "ready window"),
        (Reason.WARM_UP, "ready window"),
        (Reason.TEMPORARY, "accepted None"),  # tried again soon: it belongs to the attempt
    ],
)
def test_what_was_held_back_does_not_leave_by_night(
    sqlite_database: Database, clock: VirtualClock, tmp_path: Path, reason: Reason, fate: str
) -> None:
    with sqlite_database.write() as tx:
        version_id = add_workspace(tx, window=OFFICE)
        night = clock.now().replace(hour=3) + timedelta(days=1)
        claim = add_mail(tx, version_id, due_at=night, reason=reason, **DUE)
    clock.move_to(night)

    with runtime_over(sqlite_database, Sink(), tmp_path) as runtime:
        deliver_due(runtime)

    send = send_of(sqlite_database, claim[0])
    assert f"{send.state} {send.reason}" == fate
    assert fate.startswith("accepted") or send.due_at.astimezone(UTC).hour == 9
