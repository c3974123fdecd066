"""One bad recipient or template among a hundred harms only itself: the other ninety-nine get their mail, once.

`pytest tests/deliver/test_one_bad.py --full -s` draws 2,000 such hundreds, one after the other over the same rows.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
import sqlalchemy as sa

from engine.claim import QUARANTINE_AFTER, Claim
from engine.clock import VirtualClock
from engine.database import Database, Tx
from engine.deliver import send as send_module
from engine.deliver.load import Loaded
from engine.processes.aside import AsideWatch
from engine.processes.dispatcher import tick
from engine.processes.lanes import Lane
from engine.processes.verbs import VERBS
from engine.render.child import Limits
from engine.render.fence import FENCE
from engine.runtime import Runtime
from engine.schema import sends, workers
from engine.simulate.sink import Sink
from engine.simulate.sink_rules import Fault, Phase, Rule
from engine.vocabulary import SendState
from tests.deliver.given import WORKER, add_claimed, add_workspace, an_artifact, keep_artifact, runtime_over
from tests.factories import add_lead, add_worker

LEASE = timedelta(seconds=30)
BAD = "bad*@mail.example"  # each another, since an address that is not there is not written to again
PEOPLE = 100
HUNDREDS = 2_000
serial = count(1)
PLACE = 41  # of the bad one among them
RAISES = "{{ lead.rooms // 0 }}\n"
LOOPS = "{% for a in lead.first_name|list %}" * 4 + "{% endfor %}" * 4 + "\n"


class Killed(BaseException):
    """Ends a worker as a kill would: nothing behind it is carried out."""


@pytest.mark.both_databases
def test_a_reply_that_no_database_would_keep_is_kept_all_the_same(database: Database, tmp_path: Path) -> None:
    text = "5.1.1 no\x00body"
    sink = Sink(rules=[Rule(phase=Phase.RCPT, fault=Fault.REPLY, code=550, text=text, recipient=BAD)])
    bad = add_hundred(database, at=PLACE)

    with runtime_over(database, sink, tmp_path) as runtime:
        carry_out(runtime, due_jobs(runtime))

    assert state_of(database, bad) == (SendState.REFUSED, "permanent")


WAYS = {
    "refused": (Rule(phase=Phase.RCPT, fault=Fault.REPLY, code=550, recipient=BAD), "", (SendState.REFUSED, "permanent")),
    "drops before the body": (Rule(phase=Phase.RCPT, fault=Fault.DROP, recipient=BAD), "", (SendState.READY, "temporary")),
    "drops after the body": (Rule(phase=Phase.DOT, fault=Fault.DROP, recipient=BAD), "", (SendState.UNKNOWN, "no_answer")),
    "raises": (None, RAISES, (SendState.CANCELLED, "template_error")),
    "renders for ever": (None, LOOPS, (SendState.CANCELLED, "template_error")),
}


@pytest.mark.parametrize(("rule", "html", "outcome"), list(WAYS.values()), ids=list(WAYS))
def test_a_bad_one_among_a_hundred_harms_only_itself(
    database: Database, tmp_path: Path, rule: Rule | None, html: str, outcome: tuple[str, str], quick_fence: None
) -> None:
    arrived: list[str] = []
    sink = Sink(rules=[replace(rule)] if rule else [], on_message=lambda _from, to, _raw: arrived.append(to))
    bad = add_hundred(database, at=PLACE, html=html)

    with runtime_over(database, sink, tmp_path) as runtime:
        while jobs := due_jobs(runtime):
            carry_out(runtime, jobs)

    assert state_of(database, bad) == outcome
    assert sorted(arrived) == everybody_else(PLACE)


@pytest.mark.full
@pytest.mark.both_databases
def test_in_each_of_two_thousand_hundreds_the_bad_one_harms_only_itself(
    database: Database, tmp_path: Path, quick_fence: None, request: pytest.FixtureRequest
) -> None:
    seed = request.config.getoption("--seed") or random.randrange(10**6)
    chance, met = random.Random(seed), Counter[str]()
    print(f"--seed {seed}")
    arrived: list[str] = []
    sink = Sink(on_message=lambda _from, to, _raw: arrived.append(to))
    with database.write() as tx:
        open_workspace(tx)
        artifacts = {html: keep_artifact(tx, an_artifact(html=html)) for html in (RAISES, LOOPS)} | {"": an_artifact().hash}

    with runtime_over(database, sink, tmp_path) as runtime:
        for _ in range(HUNDREDS):
            (way, (rule, html, outcome)), at = chance.choice(list(WAYS.items())), chance.randrange(PEOPLE)
            sink.rules = [replace(rule)] if rule else []
            with database.write() as tx:
                bad = add_mails(tx, at=at, artifact=artifacts[html])
            while jobs := due_jobs(runtime):
                carry_out(runtime, jobs)

            assert state_of(database, bad) == outcome, way
            assert sorted(arrived) == everybody_else(at), way
            met[way] += 1
            arrived.clear()
            end(database, bad)
    print(f"{sum(met.values())} hundreds: {dict(met)}")


def end(database: Database, send_id: int) -> None:
    """So that what will be tried again is not, among the next hundred."""
    with database.write() as tx:
        still = sa.and_(sends.c.id == send_id, sends.c.state == SendState.READY)
        tx.run(sa.update(sends).where(still).values(state=SendState.CANCELLED, reason="temporary", due_at=None, ended_at=tx.now))


def test_a_mail_that_kills_its_worker_is_set_aside_the_third_time_and_said_so(
    database: Database, clock: VirtualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    arrived: list[str] = []
    sink = Sink(on_message=lambda _from, to, _raw: arrived.append(to))
    bad, deaths = add_hundred(database, at=PLACE), 0
    monkeypatch.setattr(send_module, "write_flights", killing(bad, send_module.write_flights))

    with runtime_over(database, sink, tmp_path) as runtime:
        for _ in range(QUARANTINE_AFTER + 2):
            for lane, claims in due_jobs(runtime):
                deaths += is_deadly(database, runtime, lane, claims)
            clock.move_to(clock.now() + LEASE)
    watch = AsideWatch()
    for _ in range(2):
        with database.read() as tx:
            watch.look(tx)

    assert deaths == QUARANTINE_AFTER
    assert sorted(arrived) == everybody_else(PLACE)
    assert state_of(database, bad) == (SendState.READY, None)
    told = [record.facts for record in caplog.records if record.name == "engine.processes.aside"]  # type: ignore[attr-defined]
    assert told == [{"noun": "send", "ids": [bad], "in_all": 1}]


def killing(bad: int, write: Callable[..., object]) -> Callable[..., object]:
    def write_or_die(runtime: Runtime, live: object, some: Sequence[Loaded], artifacts: object) -> object:
        if bad in {send.send_id for send in some}:
            raise Killed
        return write(runtime, live, some, artifacts)

    return write_or_die


def is_deadly(database: Database, runtime: Runtime, lane: Lane, claims: list[Claim]) -> bool:
    """Carry a job out in a worker of its own, which may die over it."""
    with database.write() as tx:
        name = add_worker(tx, id=f"worker-of-{claims[0]}", lease_until=tx.now + timedelta(days=1))
    try:
        VERBS[lane.noun.name](replace(runtime, worker_id=name), claims)
    except Killed:
        with database.write() as tx:
            tx.run(sa.update(workers).where(workers.c.id == name).values(lease_until=tx.now - LEASE))
        return True
    return False


def due_jobs(runtime: Runtime) -> list[tuple[Lane, list[Claim]]]:
    jobs: list[tuple[Lane, list[Claim]]] = []
    tick(runtime.database, lambda lane, claims: jobs.append((lane, claims)), lease=LEASE)
    return jobs


def carry_out(runtime: Runtime, jobs: Sequence[tuple[Lane, list[Claim]]]) -> None:
    for lane, claims in jobs:
        VERBS[lane.noun.name](runtime, claims)


def add_hundred(database: Database, *, at: int, html: str = "") -> int:
    """A hundred mails that are due, one of them bad; its id."""
    with database.write() as tx:
        open_workspace(tx)
        artifact = keep_artifact(tx, an_artifact(html=html)) if html else an_artifact().hash
        return add_mails(tx, at=at, artifact=artifact)


def open_workspace(tx: Tx) -> None:
    add_workspace(tx)
    tx.run(sa.update(workers).where(workers.c.id == WORKER).values(lease_until=tx.now + timedelta(days=1)))


def add_mails(tx: Tx, *, at: int, artifact: str) -> int:
    return [add_due(tx, number, number == at, artifact) for number in range(PEOPLE)][at]


def add_due(tx: Tx, number: int, is_bad: bool, artifact: str) -> int:
    key = next(serial)
    email = BAD.replace("*", str(key)) if is_bad else f"reader{number}@mail.example"
    lead_id = add_lead(tx, key=str(key), email=email, fields={"first_name": "x" * 2000 if is_bad else "Ada", "rooms": 3})
    of_bad = {"artifact_hash": artifact} if is_bad else {}
    return add_claimed(tx, lead_id=lead_id, worker=None, state=SendState.READY, lease_until=None, **of_bad)[0]


def everybody_else(at: int) -> list[str]:
    return sorted(f"reader{number}@mail.example" for number in range(PEOPLE) if number != at)


def state_of(database: Database, send_id: int) -> tuple[str, str | None]:
    with database.read() as tx:
        row = tx.run(sa.select(sends.c.state, sends.c.reason).where(sends.c.id == send_id)).one()
    return row.state, row.reason


@pytest.fixture
def quick_fence(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A template has less time than in life."""
    FENCE.children.close()
    monkeypatch.setattr(FENCE.children, "limits", Limits(cpu_seconds=0.3))
    yield
    FENCE.children.close()
