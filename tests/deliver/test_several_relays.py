"""Mails through two or three real mail servers: each kind by its own way, and by another one where that is shut."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from time import sleep

import pytest
import sqlalchemy as sa

from engine.claim import SEND, Claim, take_due
from engine.clock import VirtualClock
from engine.compiler.plan import to_json
from engine.compiler.relay import DomainLimit, Relay
from engine.database import Database
from engine.deliver.channel import Timeouts
from engine.deliver.places import Places
from engine.deliver.send import deliver
from engine.deliver.smtp import open_wires
from engine.deliver.ways import look_anew
from engine.runtime import Runtime
from engine.schedule.pause import pause
from engine.schema import relay_states, rules, sends
from engine.simulate.sink import Sink, running
from engine.simulate.sink_rules import Fault, Phase, Rule
from engine.vocabulary import PauseKind, Reason, SendState, Stream
from tests.deliver.given import (
    NO_CAPS,
    WORKER,
    a_policy,
    add_claimed,
    add_internal,
    add_mail,
    add_workspace,
    an_artifact,
    deliver_begun,
    keep_artifact,
    send_of,
    settings_for,
)
from tests.deliver.wires import SPARED
from tests.factories import TOKENS, add_lead

Keep = Callable[[str, str, bytes], None]
MARKETING, TRANSACTIONAL = Stream.MARKETING, Stream.TRANSACTIONAL
MAIN_AND_SPARE = (Relay(name="main"), Relay(name="spare", weight=0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Several:
    """A worker with a wire to each of these servers. `got`: to whom each took mails."""

    database: Database
    runtime: Runtime
    got: dict[str, list[str]]
    servers: "dict[str, Server]"
    version_id: int

    def deliver(self, claims: Sequence[Claim]) -> None:
        deliver_begun(self.runtime, claims)

    def relay_of(self, claim: Claim) -> str | None:
        relay = send_of(self.database, claim[0]).relay
        return None if relay is None else str(relay)

    def declare(self, *relays: Relay, brands: Sequence[str] = (), **limits: DomainLimit) -> None:
        usual = a_policy(NO_CAPS)
        looks = usual.brands | {brand: usual.brands["clearroom"] for brand in brands}
        policy = replace(usual, relays=relays, limits=limits, brands=looks)
        with self.database.write() as tx:
            tx.run(sa.insert(rules).values(kind="policy", hash="1" * 64, body=to_json(policy), applied_at=tx.now))


@contextmanager
def several(database: Database, folder: Path, *relays: Relay, reached: Sequence[str] | None = None) -> Iterator[Several]:
    with database.write() as tx:
        version_id = add_workspace(tx)
    names = [relay.name for relay in relays] if reached is None else reached
    got: dict[str, list[str]] = {name: [] for name in names}
    with ExitStack() as stack:
        servers = {name: Server(on_message=keeper(to)) for name, to in got.items()}
        for server in servers.values():
            server.start()
            stack.callback(server.stop)
        wire = open_wires(
            {name: server.url for name, server in servers.items()},
            timeouts=Timeouts(connect=2, command=2, data=2, block=2, dot=2),
        )
        stack.callback(wire.close)
        runtime = Runtime(
            settings=settings_for(folder), database=database, tokens=TOKENS, wire=wire, worker_id=WORKER, has_lease=lambda: True,
            publish=lambda _noun, _claims: None, places=Places(dict.fromkeys(names, 4)),
        )  # fmt: skip
        place = Several(database=database, runtime=runtime, got=got, servers=servers, version_id=version_id)
        place.declare(*relays)
        yield place


class Server:
    """A mail server that can be stopped, and started again at the same address."""

    def __init__(self, on_message: Keep) -> None:
        self._on_message = on_message
        self._port = 0
        self.heard: list[bytes] = []
        self.rules: list[Rule] = []
        self._running = ExitStack()

    def start(self) -> None:
        sink = self._running.enter_context(
            running(Sink(on_message=self._on_message, heard=self.heard, rules=self.rules), port=self._port)
        )
        self.url = sink.url
        self._port = int(sink.url.rpartition(":")[2])

    def stop(self) -> None:
        self._running.close()


def keeper(to: list[str]) -> Keep:
    return lambda _sender, recipient, _message: to.append(recipient)


def to_readers(place: Several, number: int, *, domain: str = "mail.example", **values: object) -> list[Claim]:
    """Marketing mails to so many leads."""
    with place.database.write() as tx:
        leads = [add_lead(tx, email=f"reader{each}@{domain}", key=f"{each}@{domain}") for each in range(number)]
        return [add_mail(tx, place.version_id, lead_id=lead, **values) for lead in leads]


def asked_for(place: Several, number: int, *, domain: str = "mail.example") -> list[Claim]:
    """Transactional mails, whose bytes are there already."""
    with place.database.write() as tx:
        leads = [add_lead(tx, email=f"buyer{each}@{domain}", key=f"b{each}@{domain}") for each in range(number)]
        return [add_claimed(tx, lead_id=lead, stream=TRANSACTIONAL, touch_id=None, event_id=None) for lead in leads]


def test_mails_are_shared_by_weight_and_the_ledger_says_which_way_each_went(sqlite_database: Database, tmp_path: Path) -> None:
    with several(sqlite_database, tmp_path, Relay(name="main", weight=3), Relay(name="bulk")) as place:
        claims = to_readers(place, 120)
        place.deliver(claims)

        taken = {name: len(to) for name, to in place.got.items()}
        assert sum(taken.values()) == 120
        assert 70 <= taken["main"] <= 110
        assert Counter(place.relay_of(claim) for claim in claims) == Counter(taken)


def test_transactional_mail_and_notices_never_meet_the_relay_for_marketing(sqlite_database: Database, tmp_path: Path) -> None:
    bulk, own = Relay(name="bulk", weight=9, streams=(MARKETING,)), Relay(name="own", streams=(TRANSACTIONAL,))

    with several(sqlite_database, tmp_path, bulk, own) as place:
        marketing, orders = to_readers(place, 20), asked_for(place, 20)
        with sqlite_database.write() as tx:
            notice = add_internal(tx, lead_id=add_lead(tx), content=b"Subject: a raised hand\r\n\r\nCall Ada.\r\n")
        place.deliver([*marketing, *orders, notice])

        assert all(to.startswith("reader") for to in place.got["bulk"]) and len(place.got["bulk"]) == 20
        assert Counter(to[:5] for to in place.got["own"]) == {"buyer": 20, "dana@": 1}


def test_each_brand_may_have_a_relay_of_its_own(sqlite_database: Database, tmp_path: Path) -> None:
    relays, other = (Relay(name="a", brands=("clearroom",)), Relay(name="b", brands=("fernhill",))), an_artifact(brand="fernhill")

    with several(sqlite_database, tmp_path, *relays) as place:
        place.declare(*relays, brands=["fernhill"])
        with sqlite_database.write() as tx:
            keep_artifact(tx, other)
        place.deliver([*to_readers(place, 3), *to_readers(place, 2, domain="web.example", artifact_hash=other.hash)])

        assert {name: {to.rpartition("@")[2] for to in got} for name, got in place.got.items()} == {
            "a": {"mail.example"}, "b": {"web.example"}
        }  # fmt: skip


def test_a_domain_may_have_a_relay_of_its_own(sqlite_database: Database, tmp_path: Path) -> None:
    with several(sqlite_database, tmp_path, Relay(name="main", weight=9), Relay(name="g", domains=("gmail.example",))) as place:
        place.deliver([*to_readers(place, 9, domain="GMail.example"), *to_readers(place, 9)])

        assert len(place.got["g"]) == len(place.got["main"]) == 9
        assert {to.rpartition("@")[2].lower() for to in place.got["g"]} == {"gmail.example"}


def test_a_spare_is_used_only_when_the_others_are_shut(sqlite_database: Database, tmp_path: Path) -> None:
    with several(sqlite_database, tmp_path, Relay(name="main"), Relay(name="spare", weight=0)) as place:
        place.deliver(to_readers(place, 20))
        usual = {name: len(to) for name, to in place.got.items()}
        with sqlite_database.write() as tx:
            pause(tx, PauseKind.RELAY, "main")
        place.deliver(to_readers(place, 5, domain="web.example"))

        assert usual == {"main": 20, "spare": 0}
        assert len(place.got["spare"]) == 5


@pytest.mark.both_databases
def test_what_somebody_waits_for_takes_another_relay_at_once(database: Database, tmp_path: Path) -> None:
    with several(database, tmp_path, Relay(name="main"), Relay(name="spare", weight=0)) as place:
        place.servers["main"].stop()
        claims = asked_for(place, 3)
        place.deliver(claims)

        assert len(place.got["spare"]) == 3
        assert {place.relay_of(claim) for claim in claims} == {"spare"}
        assert {send_of(database, claim[0]).attempts for claim in claims} == {1}


def test_where_no_relay_can_be_reached_it_waits_and_is_not_tried_again_and_again(
    sqlite_database: Database, tmp_path: Path
) -> None:
    with several(sqlite_database, tmp_path, Relay(name="main"), Relay(name="spare", weight=0)) as place:
        for server in place.servers.values():
            server.stop()
        [claim] = asked_for(place, 1)
        place.deliver([claim])

    send = send_of(sqlite_database, claim[0])
    assert (send.state, send.reason, send.attempts) == (SendState.READY, Reason.RELAY_AWAY, 0)
    with sqlite_database.read() as tx:
        assert send.due_at > tx.now


def test_marketing_takes_another_relay_at_its_next_turn_and_the_first_when_it_is_back(
    sqlite_database: Database, tmp_path: Path
) -> None:
    with several(sqlite_database, tmp_path, Relay(name="main"), Relay(name="spare", weight=0)) as place:
        place.servers["main"].stop()
        [claim] = to_readers(place, 1)
        place.deliver([claim])
        waiting = send_of(sqlite_database, claim[0])
        place.deliver([claimed_again(sqlite_database, claim)])
        place.servers["main"].start()
        sleep(SPARED)
        later = to_readers(place, 5, domain="web.example")
        place.deliver(later)

        assert (waiting.state, waiting.reason, waiting.attempts) == (SendState.READY, Reason.RELAY_AWAY, 0)
        assert [place.relay_of(claim), *map(place.relay_of, later)] == ["spare", *["main"] * 5]
        assert (len(place.got["main"]), len(place.got["spare"])) == (5, 1)


def test_a_relay_for_transactional_mail_alone_is_found_to_be_back_although_a_spare_takes_its_mails(
    sqlite_database: Database, tmp_path: Path
) -> None:
    own, spare = Relay(name="own", streams=(TRANSACTIONAL,)), Relay(name="spare", weight=0)

    with several(sqlite_database, tmp_path, own, spare) as place:
        place.servers["own"].stop()
        place.deliver(asked_for(place, 3))
        place.servers["own"].start()
        sleep(SPARED)
        may_be_tried_since(sqlite_database, "own", timedelta(seconds=30))
        place.deliver(asked_for(place, 1, domain="soon.example"))
        may_be_tried_since(sqlite_database, "own", timedelta(minutes=2))
        place.deliver(asked_for(place, 2, domain="later.example"))

        assert len(place.got["spare"]) == 4
        assert {to.rpartition("@")[2] for to in place.got["own"]} == {"later.example"} and len(place.got["own"]) == 2


@pytest.mark.both_databases
def test_a_provider_that_turns_one_relay_away_gets_what_another_brings(database: Database, tmp_path: Path) -> None:
    """Else a confirmation would wait since the newsletter's relay has a bad name."""
    bulk, own = Relay(name="bulk", streams=(MARKETING,)), Relay(name="own", streams=(TRANSACTIONAL,))

    with several(database, tmp_path, bulk, own) as place:
        place.servers["bulk"].rules.append(wanting_less())
        first, second = to_readers(place, 2, domain="slow.example")
        place.deliver([first])
        place.deliver([second])
        place.deliver(asked_for(place, 2, domain="slow.example"))

        assert (reason_of(place, first), reason_of(place, second)) == (Reason.TEMPORARY, Reason.DOMAIN_PAUSED)
        assert (len(place.got["own"]), place.got["bulk"]) == (2, [])


@pytest.mark.both_databases
def test_round_a_provider_that_turns_a_relay_away_goes_what_somebody_waits_for_and_no_marketing(
    database: Database, tmp_path: Path
) -> None:
    with several(database, tmp_path, Relay(name="main"), Relay(name="spare", weight=0)) as place:
        place.servers["main"].rules.append(wanting_less())
        [order] = asked_for(place, 1, domain="slow.example")
        place.deliver([order])
        [nurture] = to_readers(place, 1, domain="slow.example")
        place.deliver([nurture, claimed_again(database, order)])

        assert (place.relay_of(order), len(place.got["spare"])) == ("spare", 1)
        assert reason_of(place, nurture) == Reason.DOMAIN_PAUSED


@pytest.mark.both_databases
@pytest.mark.parametrize("hindrance", ["away", "paused", "out of reach"])
def test_what_got_no_answer_goes_once_more_by_the_relay_that_gave_none(
    database: Database, tmp_path: Path, clock: VirtualClock, hindrance: str
) -> None:
    """It may have taken the mail: its copy can be dropped at the other end, one that another relay brings hardly ever is."""
    with several(database, tmp_path, *MAIN_AND_SPARE) as place:
        [order] = without_an_answer(place)
        runtime = hindered(place, hindrance)
        for _ in range(3):
            clock.move_to(clock.now() + timedelta(minutes=10))
            deliver_what_is_due(runtime)
        waiting = send_of(database, order[0])

        reasons = {"away": Reason.RELAY_AWAY, "paused": Reason.PAUSED, "out of reach": Reason.NO_RELAY}
        assert (waiting.state, waiting.reason, waiting.relay) == (SendState.READY, reasons[hindrance], "main")
        assert place.got["spare"] == []


def test_what_got_no_answer_takes_any_relay_where_its_own_is_taken_out_of_the_file(
    sqlite_database: Database, tmp_path: Path, clock: VirtualClock
) -> None:
    with several(sqlite_database, tmp_path, *MAIN_AND_SPARE) as place:
        [order] = without_an_answer(place)
        place.declare(MAIN_AND_SPARE[1])
        clock.move_to(clock.now() + timedelta(minutes=10))
        deliver_what_is_due(place.runtime)

        assert (send_of(sqlite_database, order[0]).state, place.relay_of(order)) == (SendState.ACCEPTED, "spare")


def without_an_answer(place: Several) -> list[Claim]:
    """A mail that the first relay took, and said nothing."""
    place.servers["main"].rules.append(Rule(phase=Phase.ACCEPTED, fault=Fault.DROP))
    claims = asked_for(place, 1)
    place.deliver(claims)
    sent = send_of(place.database, claims[0][0])
    assert (sent.state, sent.reason, sent.relay) == (SendState.READY, Reason.UNKNOWN_ONCE, "main")
    return claims


def hindered(place: Several, hindrance: str) -> Runtime:
    """The worker, whose first relay cannot be had."""
    if hindrance == "away":
        place.servers["main"].stop()
    if hindrance == "paused":
        with place.database.write() as tx:
            pause(tx, PauseKind.RELAY, "main")
    return replace(place.runtime, places=Places({"spare": 4})) if hindrance == "out of reach" else place.runtime


def deliver_what_is_due(runtime: Runtime) -> None:
    with runtime.database.write() as tx:
        due = take_due(tx, SEND, limit=50, lease=timedelta(minutes=5))
    deliver(runtime, due)


def wanting_less() -> Rule:
    return Rule(phase=Phase.RCPT, fault=Fault.REPLY, code=421, text="4.7.28 unusual rate of mail")


def reason_of(place: Several, claim: Claim) -> str:
    return str(send_of(place.database, claim[0]).reason)


def may_be_tried_since(database: Database, relay: str, span: timedelta) -> None:
    with database.write() as tx:
        chosen = sa.update(relay_states).where(relay_states.c.relay == relay, relay_states.c.open_until.is_not(None))
        assert tx.run(chosen.values(open_until=tx.now - span, counts_from=tx.now - span)).rowcount == 1


def claimed_again(database: Database, claim: Claim) -> Claim:
    with database.write() as tx:
        chosen = sa.update(sends).where(sends.c.id == claim[0])
        tx.run(chosen.values(state=SendState.CLAIMED, worker_id=WORKER, epoch=claim[1] + 1))
    return claim[0], claim[1] + 1


def test_mail_whose_relay_this_process_does_not_know_waits_for_one_that_does(
    sqlite_database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    relays = (Relay(name="main", streams=(TRANSACTIONAL,)), Relay(name="new", streams=(MARKETING,)))

    monkeypatch.setattr("engine.deliver.batch.told", set())
    with several(sqlite_database, tmp_path, *relays, reached=["main"]) as place:
        claims = to_readers(place, 2)
        for claim in claims:
            place.deliver([claim])

    send = send_of(sqlite_database, claims[0][0])
    assert (send.state, send.reason) == (SendState.READY, Reason.NO_RELAY)
    assert send.attempts == 0 and send.due_at > send.created_at
    [said] = [record for record in caplog.records if "no address of a relay" in record.getMessage()]
    assert vars(said)["facts"]["what_to_do"].startswith("set HANDRAISER_SMTP_URL_NEW and start")

    with sqlite_database.write() as tx:
        look_anew(tx, Reason.NO_RELAY)
        assert tx.run(sa.select(sends.c.due_at).where(sends.c.id == claims[0][0])).scalar_one() == tx.now


def test_mail_for_a_limited_domain_uses_so_many_connections_only(sqlite_database: Database, tmp_path: Path) -> None:
    with several(sqlite_database, tmp_path, Relay(name="main")) as place:
        place.declare(Relay(name="main"), **{"gmail.example": DomainLimit(connections=1)})
        place.deliver(to_readers(place, 16, domain="gmail.example"))

        assert len(place.got["main"]) == 16
        assert sum(line.startswith(b"EHLO") for line in place.servers["main"].heard) == 1


def test_a_workspace_without_relays_sends_all_through_one_as_before(sqlite_database: Database, tmp_path: Path) -> None:
    with several(sqlite_database, tmp_path, Relay(name="main")) as place:
        claims = [*to_readers(place, 40), *asked_for(place, 3)]
        place.deliver(claims)

        assert len(place.got["main"]) == 43
        assert {place.relay_of(claim) for claim in claims} == {"main"}
        assert {send_of(sqlite_database, claim[0]).state for claim in claims} == {SendState.ACCEPTED}
