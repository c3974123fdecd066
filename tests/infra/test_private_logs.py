"""What stands in the logs of a day on which everything goes wrong, at DEBUG: ids, and nothing of a person."""

import asyncio
import io
import json
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

import pytest
import sqlalchemy as sa

from engine.claim import Claim
from engine.database import Database
from engine.deliver.breaker import ROUTES, Rest, Strike, strike
from engine.errors import RenderError
from engine.log import ADDRESS as FOUND
from engine.log import start_logging
from engine.processes.broker import open_broker
from engine.processes.lanes import TOUCHES
from engine.processes.worker import carry_out
from engine.runtime import Runtime
from engine.schema import leads
from engine.simulate.sink import Sink
from engine.simulate.sink_rules import Fault, Phase, Rule
from tests.deliver.given import add_mail, add_workspace, an_artifact, deliver_begun, keep_artifact, runtime_over
from tests.factories import add_lead

NAME, ADDRESS, NOTE = "Zebediah", "zeb.quill@canary.example", "quillfeather"
PERSONAL = {"email": ADDRESS, "fields": {"first_name": NAME, "rooms": 3, "note": NOTE}}
CANARIES = (NAME, "zeb.quill", "canary.example", NOTE)


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What a process at DEBUG writes to its standard error."""
    written = io.StringIO()
    quieted = ("dramatiq", "mail.log", "sqlalchemy")
    before = {name: logging.getLogger(name).level for name in quieted}
    for owner, name in ((sys, "excepthook"), (threading, "excepthook"), (logging.root, "level")):
        monkeypatch.setattr(owner, name, getattr(owner, name))
    monkeypatch.setattr(logging.root, "handlers", [])
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", written)
        start_logging(level="DEBUG")
        yield written
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


@pytest.mark.both_databases
def test_mails_that_come_to_every_end_tell_of_nobody(database: Database, tmp_path: Path, logged: io.StringIO) -> None:
    with database.write() as tx:
        version = add_workspace(tx)
        broken = keep_artifact(tx, an_artifact(text="{{ {}[lead.first_name] }}", subject="{{ lead.first_name.note }}"))
        lead_id = add_lead(tx, **PERSONAL)
        claims = [add_mail(tx, version, lead_id=lead_id) for _ in range(3)]
        dropped = add_lead(tx, **(PERSONAL | {"email": ADDRESS.replace("@", "+dot-drop@")}))
        claims.append(add_mail(tx, version, lead_id=dropped))
        claims.append(add_mail(tx, version, lead_id=lead_id, artifact_hash=broken))
    said = f"5.1.1 <{ADDRESS}> {NAME} of {NOTE} is unknown here"
    rules = [
        Rule(phase=Phase.RCPT, fault=Fault.REPLY, code=550, text=said, recipient=ADDRESS, skip=1, times=1),
        Rule(phase=Phase.DATA, fault=Fault.REPLY, code=451, text=said, recipient=ADDRESS, skip=1, times=1),
    ]

    with runtime_over(database, Sink(rules=rules, obeys_addresses=True), tmp_path) as runtime:
        deliver_begun(runtime, claims)

    assert_nobody_is_told_of(logged, "a mail could not be written", "nobody knows whether mails arrived")


def test_a_provider_in_trouble_is_told_of_without_its_words(sqlite_database: Database, logged: io.StringIO) -> None:
    rest = Rest(after=1, first=timedelta(minutes=1), longest=timedelta(hours=1))
    said = f"421 4.7.28 {NAME} <{ADDRESS}> gets too much mail"

    with sqlite_database.write() as tx:
        strike(tx, ROUTES, [Strike(key=("main", "big.example"), marked_at=tx.now, rest=rest, why=said, advice="send less")])

    assert_nobody_is_told_of(logged, "a domain is left alone for a while", "421 4.7.28", "send less")


@pytest.mark.both_databases
def test_jobs_that_fail_tell_where_and_of_nobody(database: Database, tmp_path: Path, logged: io.StringIO) -> None:
    with database.write() as tx:
        add_workspace(tx)
        add_lead(tx, **PERSONAL)

    with runtime_over(database, Sink(), tmp_path) as runtime:
        for verb in (*map(failing, ERRORS), misuse, insert_twice, insert_nonsense):
            carry_out(runtime, open_broker("memory:"), {"touch": verb}, TOUCHES, [(1, 1)])

    failed = [line["exception"] for line in lines_of(logged) if line["said"].startswith("a job failed")]
    assert ["test_private_logs.py" in each for each in failed] == [True] * 5
    assert_nobody_is_told_of(logged, "KeyError", "IntegrityError", "it cannot be written for <address>")


def test_what_ends_a_thread_or_a_task_is_told_in_the_log(logged: io.StringIO) -> None:
    def fall() -> NoReturn:
        raise ValueError(f"{NAME} <{ADDRESS}>")

    thread = threading.Thread(target=fall, name="upkeep")
    thread.start()
    thread.join()
    loop = asyncio.new_event_loop()
    loop.call_exception_handler({"message": "Task failed", "exception": ValueError(NAME), "told": NOTE})
    loop.close()
    sys.excepthook(ValueError, ValueError(NAME), None)

    assert [line["thread"] for line in lines_of(logged) if "thread" in line] == ["upkeep"]
    assert_nobody_is_told_of(logged, "a thread ended by an error", "Task failed", "the process ends by an error")


@pytest.mark.parametrize(
    "address",
    [
        ADDRESS,
        f"<{ADDRESS}>",
        '"zeb quillfeather"@canary.example',
        "zeb.quill%40canary.example",
        "Zebediah+x@canary.example",
        "%zeb.quill@canary.example",
        "50%zeb.quill@canary.example",
        f"{ADDRESS}@relay.example",
        f"mailto:{ADDRESS}",
    ],
)
def test_an_address_is_found_however_it_is_written(logged: io.StringIO, address: str) -> None:
    logging.getLogger("engine.test").info("said by %s, and so on", address, extra={"facts": {"why": f"{address}: no"}})

    assert_nobody_is_told_of(logged, "said by")


def insert_twice(runtime: Runtime, claims: list[Claim]) -> None:
    with runtime.database.write() as tx:
        [row] = tx.run(sa.select(leads)).mappings()
        tx.run(sa.insert(leads).values({name: value for name, value in row.items() if name != "id"}))


def misuse(runtime: Runtime, claims: list[Claim]) -> None:
    try:
        int(NAME)
    except ValueError as error:
        raise KeyError(NOTE) from error


def insert_nonsense(runtime: Runtime, claims: list[Claim]) -> None:
    with runtime.database.write() as tx:
        tx.run(sa.update(leads).values(created_at=NAME))


def failing(error: Exception) -> Callable[[Runtime, list[Claim]], None]:
    def verb(runtime: Runtime, claims: list[Claim]) -> None:
        raise error

    return verb


def test_a_strangers_long_word_holds_nobody_up() -> None:
    """As long as a word of a log may be: looked at from each of its letters it would take a quarter of an hour."""
    word = "a" * 300_000

    assert FOUND.sub("<address>", word) == word
    assert FOUND.sub("<address>", f"{word}@canary.example") == "<address>"


ERRORS = (ValueError(f"cannot read {NAME} <{ADDRESS}>"), RenderError(f"it cannot be written for {ADDRESS}"))


def assert_nobody_is_told_of(logged: io.StringIO, *said: str) -> None:
    text = logged.getvalue()
    assert [words for words in said if words not in text] == []
    assert [canary for canary in CANARIES if canary.lower() in text.lower()] == [], text


def lines_of(logged: io.StringIO) -> list[dict[str, str]]:
    return [json.loads(line) for line in logged.getvalue().splitlines()]
