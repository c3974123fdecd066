"""What operators are told over HTTP: whether a process lives and can work, at once and in words."""

import json
import resource
import socket
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
import sqlalchemy as sa

from engine import writes
from engine.clock import VirtualClock
from engine.database import Database
from engine.errors import SettingsError
from engine.processes import presence
from engine.processes.broker import open_broker
from engine.processes.gauges import Gauges
from engine.processes.glance import Glance
from engine.processes.health import Health, ledger_probe
from engine.processes.ops import create_ops, open_port
from engine.processes.reach import Probe, broker_probe, database_probe, takes_jobs
from engine.schema import pauses, relay_states
from engine.vocabulary import SendState
from tests.factories import add_send, add_worker
from tests.webhooks.place import Place

YES, NO = Probe(lambda: True), Probe(lambda: False)
NOTHING: Probe[Glance] = Probe(lambda: None)  # type: ignore[arg-type, return-value]
Answer = tuple[str, dict[str, Any]]


def test_a_process_that_has_all_it_needs_is_live_and_ready(database: Database) -> None:
    health = Health(database=database_probe(database), ledger=NOTHING, broker=None, has_lease=lambda: True)

    assert asked(health, "/live") == ("200 OK", {"live": True, "because": []})
    assert asked(health, "/ready") == ("200 OK", {"ready": True, "because": []})


def test_what_is_away_is_told_in_words(tmp_path: Path) -> None:
    nowhere = Database.open(f"sqlite:///{tmp_path / 'no' / 'such.db'}")
    away = broker_probe("redis://127.0.0.1:1/0")

    status, facts = asked(
        Health(database=database_probe(nowhere), ledger=NOTHING, broker=away, has_lease=lambda: False), "/ready"
    )

    assert status == "503 Service Unavailable"
    assert [line.split(",")[0] for line in facts["because"]] == [
        "the database does not answer", "the broker takes no jobs", "its lease has run out"
    ]  # fmt: skip


def test_a_full_disk_is_told_from_the_first_write_that_fails_until_one_gets_through(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "RETRY_SECONDS", 0.02)
    monkeypatch.setattr(writes, "HOLDS", 0.1)
    health = Health(
        database=YES, ledger=NOTHING, broker=None, has_lease=lambda: True,
        cannot_write=lambda: sqlite_database.writes.why_not,
    )  # fmt: skip

    with presence.present(sqlite_database, kind="up", lease=timedelta(seconds=60)):
        with pytest.raises(sa.exc.OperationalError), sqlite_database.write() as tx:
            tx.run(sa.text("PRAGMA max_page_count = 1"))
            tx.run(sa.text("CREATE TABLE large AS SELECT zeroblob(1000000) AS bytes"))
        while_full = asked(health, "/ready")
        gone_by = monotonic() + 10
        while sqlite_database.writes.why_not is not None and monotonic() < gone_by:
            sleep(0.01)

        assert while_full[0] == "503 Service Unavailable"
        assert while_full[1]["because"] == ["the database cannot be written (database or disk is full): see to its disk"]
        assert asked(health, "/ready")[0] == "200 OK"


def test_a_receiver_is_ready_as_long_as_its_journal_keeps_what_comes(
    database: Database, clock: VirtualClock, tmp_path: Path
) -> None:
    place = Place(database, clock, tmp_path)
    health = Health(database=NO, ledger=NOTHING, broker=NO, has_lease=lambda: True, receiver=place.receiver, only_receives=True)
    away = ["the database does not answer", "the broker takes no jobs"]

    assert asked(health, "/ready") == ("200 OK", {"ready": True, "because": [], "away": away})
    place.receiver.journal.is_sound = False
    assert asked(health, "/ready")[1]["because"] == [
        "its journal cannot be written, so that clicks, replies and opt-outs cannot be kept"
    ]
    place.receiver.close()


def test_a_process_that_can_open_nothing_reaches_no_broker_and_its_threads_outlive_that() -> None:
    takes_jobs("redis://127.0.0.1:1/0")
    broker = open_broker("redis://127.0.0.1:1/0")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        answers = takes_jobs("redis://127.0.0.1:1/0"), broker.do_ack("touch", "1")  # type: ignore[attr-defined]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert answers == (False, None)


def test_a_broker_that_hangs_holds_up_nobody() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        health = Health(
            database=YES,
            ledger=NOTHING,
            broker=broker_probe(f"redis://127.0.0.1:{silent.getsockname()[1]}/0"),
            has_lease=lambda: True,
        )
        asked_at = monotonic()
        answers = [asked(health, "/ready")[0] for _ in range(3)]

    assert answers == ["503 Service Unavailable"] * 3
    assert monotonic() - asked_at < 0.9


def test_what_answers_is_not_asked_again_at_once() -> None:
    questions: list[int] = []
    probe = Probe(lambda: questions.append(1) is None)

    assert [probe.found() for _ in range(5)] == [True] * 5
    assert len(questions) == 1


def test_a_thread_that_has_ended_is_missed() -> None:
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait, name="dispatcher")
    thread.start()
    health = Health(database=YES, ledger=NOTHING, broker=None, has_lease=lambda: True)
    stop.set()
    thread.join()

    assert asked(health, "/live") == (
        "503 Service Unavailable",
        {"live": False, "because": ["its thread “dispatcher” has ended"]},
    )


def test_a_neighbour_on_the_usual_port_is_stepped_aside_for_and_a_chosen_one_is_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as neighbour:
        taken = f"127.0.0.1:{neighbour.getsockname()[1]}"
        with open_port(taken, may_move=True) as moved:
            assert moved.getsockname() != neighbour.getsockname()

        with pytest.raises(SettingsError, match=f"_LISTEN: cannot listen on {taken} [(]Address already in use[)][.]"):
            open_port(taken, may_move=False)


def test_prometheus_is_told_how_the_ledger_stands(database: Database) -> None:
    with database.write() as tx:
        add_send(tx, due_at=tx.now - timedelta(minutes=1))
        add_send(tx, state=SendState.UNKNOWN, ended_at=tx.now)
    health = Health(database=YES, ledger=read_already(database), broker=None, has_lease=lambda: True)

    told = {sample.name: sample.value for metric in Gauges(health).collect() for sample in metric.samples
            if sample.labels in ({}, {"lane": "marketing"})}  # fmt: skip

    wanted = {"due": 1, "oldest_due_seconds": 60, "unknown": 1, "attempting": 0, "ready": 1, "ledger_answers": 1}
    assert {name: told[f"handraiser_{name}"] for name in wanted} == wanted


def test_prometheus_is_told_that_the_ledger_cannot_be_read(tmp_path: Path) -> None:
    nowhere = Database.open(f"sqlite:///{tmp_path / 'no' / 'such.db'}")
    health = Health(database=database_probe(nowhere), ledger=ledger_probe(nowhere), broker=None, has_lease=lambda: True)

    told = {sample.name: sample.value for metric in Gauges(health).collect() for sample in metric.samples}

    assert (told["handraiser_ledger_answers"], told["handraiser_ready"], "handraiser_due" in told) == (0, 0, False)


def test_what_mail_waits_for_is_told_beside(database: Database) -> None:
    with database.write() as tx:
        trouble = {"why": "421 busy", "since": tx.now}
        tx.run(sa.insert(relay_states).values(relay="main", failures=4, open_until=tx.now + timedelta(minutes=1), **trouble))
        tx.run(sa.insert(pauses).values(kind="marketing", name="", since=tx.now, note="wrong price"))
        add_worker(tx, lease_until=tx.now + timedelta(hours=1), relays="another")
    health = Health(database=YES, ledger=read_already(database), broker=None, has_lease=lambda: True)

    status, told = asked(health, "/ready")

    assert (status, told["ready"], told["relays"]) == ("200 OK", True, {"main": "left alone"})
    assert "all marketing mail is held back" in told["held_back"][0]
    assert told["relays_without_address"] == ["main"]


def test_what_is_not_there_is_answered_with_what_is() -> None:
    assert asked(Health(database=YES, ledger=NOTHING, broker=None, has_lease=lambda: True), "/") == (
        "404 Not Found", {"there are": ["/metrics", "/live", "/ready"]}
    )  # fmt: skip


def read_already(database: Database) -> Probe[Glance]:
    """Its answer holds for five seconds: on a busy machine reading may take longer than somebody who asks over HTTP waits."""
    probe = ledger_probe(database)
    assert probe.found(patience=30.0) is not None
    return probe


def asked(health: Health, path: str) -> Answer:
    said: list[str] = []
    start: Callable[..., Any] = lambda status, headers, exc_info=None: said.append(status)  # noqa: E731
    body = b"".join(create_ops(health)({"PATH_INFO": path, "REQUEST_METHOD": "GET"}, start))
    return said[0], json.loads(body)
