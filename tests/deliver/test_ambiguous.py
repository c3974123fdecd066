"""The window in which nobody can know: a server breaks off at each place of each mail, and the ledger says of each what is true.

`pytest tests/deliver/test_ambiguous.py --full -s` does it a thousand times for each place, stream and way of speaking, on both
databases.
"""

import asyncio
import socket
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
import sqlalchemy as sa

from engine.claim import SEND, Claim, take_due
from engine.clock import VirtualClock
from engine.database import Database, Tx
from engine.deliver import by_chunks, connect, trouble
from engine.deliver.channel import Channel, Timeouts
from engine.deliver.send import deliver
from engine.deliver.smtp import open_wire
from engine.runtime import Runtime
from engine.schema import sends
from engine.simulate.sink import EXTENSIONS, Sink
from engine.simulate.sink_rules import Phase
from engine.simulate.sink_session import Session
from engine.vocabulary import Reason, SendState, Stream
from tests.deliver.given import ORDER, add_claimed, add_mail, add_workspace, an_artifact, keep_artifact, runtime_over
from tests.factories import add_event, add_lead

BEFORE, AFTER, SAID = ("data", "mid-body"), ("dot", "accepted"), ("after-250",)
FAULTS = ("drop", "hang", "reset")
LONG = "<p>" + "air " * 75_000 + "</p>"
LONG_LESSON = an_artifact(html=LONG)
SHORT_ORDER = replace(ORDER, html="<p>Thanks</p>", text="Thanks\n")
LONG_ORDER = replace(ORDER, html=LONG, text="air\n")
ONE = timedelta(minutes=3)  # more than the wait for the second copy of what has no answer
THREADS = 8
PATIENT = Timeouts(connect=2, command=60, data=60, block=60, dot=60)


@dataclass(kw_only=True)
class Mails:
    """What was made, and what the server took. `places`: where each of them breaks; the others are innocent."""

    places: dict[int, tuple[str, str]] = field(default_factory=dict)
    streams: dict[int, Stream] = field(default_factory=dict)
    recipients: dict[int, str] = field(default_factory=dict)
    took: dict[str, list[str]] = field(default_factory=dict)

    def keep(self, _sender: str, recipient: str, message: bytes) -> None:
        self.took.setdefault(recipient, []).append(sha256(message).hexdigest())

    def copies(self, send_id: int) -> list[str]:
        return self.took.get(self.recipients[send_id], [])


@pytest.mark.parametrize("way", ["data", "chunks"])
@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.full)])
def test_the_ledger_never_says_more_than_anybody_can_know(
    way: str, kind: str, request: pytest.FixtureRequest, clock: VirtualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database: Database = request.getfixturevalue(f"{kind}_database")
    monkeypatch.setattr(by_chunks, "AN_HOUR", 0.0)  # and not by DATA after the first one that broke
    monkeypatch.setattr(trouble, "strike", lambda *_: None)  # else such a relay would be left alone after the third
    spoil_connections(monkeypatch)
    mails = Mails()
    sink = Sink(obeys_addresses=True, on_message=mails.keep, extensions=(*EXTENSIONS, *(["CHUNKING"] if way == "chunks" else [])))
    with database.write() as tx:
        make(tx, mails, 334 if request.config.getoption("--full") else 1)

    with runtimes_over(database, sink, tmp_path) as runtimes:
        for _ in range(3):
            deliver_what_is_due(database, runtimes, mails)
            clock.move_to(clock.now() + ONE)
        sink.obeys_addresses = False
        while ready(database):
            clock.move_to(clock.now() + timedelta(hours=5))
            deliver_what_is_due(database, runtimes, mails)

    rows = everything(database)
    judge(rows, mails, way)
    print(f"\n{kind}, by {way}: {len(rows)} mails\n{told(rows, mails)}")


@contextmanager
def runtimes_over(database: Database, sink: Sink, folder: Path) -> Iterator["Queue[Runtime]"]:
    """For each thread one with a wire of its own, so that no mail goes over a connection that another thread's mail breaks."""
    runtimes: Queue[Runtime] = Queue()
    with ExitStack() as stack:
        first = stack.enter_context(runtime_over(database, sink, folder, patience=60))
        runtimes.put(first)
        for _ in range(THREADS - 1):
            wire = stack.enter_context(closing(open_wire(sink.url, timeouts=PATIENT)))
            runtimes.put(replace(first, wire=wire))
        yield runtimes


def told(rows: list[Any], mails: Mails) -> str:
    """{place, stream, state: mails}, a line each."""
    found = Counter((mails.places.get(row.id, ("beside",))[0], row.stream, row.state, len(mails.copies(row.id))) for row in rows)
    return "\n".join(f"{number:6} {' '.join(map(str, what))} copies" for what, number in sorted(found.items()))


def spoil_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel holds little, so that the end of a text of 300 kB that the server does not read is not written. And when the
    server hangs, the client's patience ends soon: so a slow machine is not taken for a server that hangs.
    """
    take_over, connection_made, hang = connect.take_over, Session.connection_made, Session._hang
    ours: dict[int, tuple[asyncio.AbstractEventLoop, Channel]] = {}  # by port

    def taken_over(client: Any) -> Channel:
        connection = client.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)
        channel = take_over(client)
        ours[connection.getsockname()[1]] = (asyncio.get_running_loop(), channel)
        return channel

    def made(self: Any, transport: Any) -> None:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        connection_made(self, transport)

    def hung(self: Any, phase: Phase) -> None:
        hang(self, phase)
        loop, channel = ours[self._transport.get_extra_info("peername")[1]]
        loop.call_soon_threadsafe(loop.call_later, 0.02, channel.lose, "no answer within 60 s")

    monkeypatch.setattr(connect, "take_over", taken_over)
    monkeypatch.setattr(Session, "connection_made", made)
    monkeypatch.setattr(Session, "_hang", hung)


def make(tx: Tx, mails: Mails, of_each: int) -> None:
    version_id = add_workspace(tx)
    for artifact in (LONG_LESSON, LONG_ORDER, SHORT_ORDER):
        keep_artifact(tx, artifact)
    due: dict[str, Any] = {"state": SendState.READY, "worker": None, "lease_until": None, "due_at": tx.now, "epoch": 0}
    for number in range(of_each):
        for place in (*BEFORE, *AFTER, *SAID):
            for fault in FAULTS:
                long = place == "mid-body"
                to = f"r{number}+{place}-{fault}@mail.example"
                lesson = {"artifact_hash": LONG_LESSON.hash} if long else {}
                sent, _ = add_mail(tx, version_id, lead_id=add_lead(tx, email=to), **due, **lesson)
                note(mails, sent, to, Stream.MARKETING, (place, fault))
                for beside in ("a", "b"):
                    innocent = f"{beside}{number}-{place}-{fault}@mail.example"
                    sent, _ = add_mail(tx, version_id, lead_id=add_lead(tx, email=innocent), **due)
                    note(mails, sent, innocent, Stream.MARKETING)
                to = f"t{number}+{place}-{fault}@mail.example"
                lead_id = add_lead(tx, email=to)
                event_id = add_event(tx, type="order_placed", lead_id=lead_id, data={"number": "1"})
                artifact_hash = LONG_ORDER.hash if long else SHORT_ORDER.hash
                order = {"stream": "transactional", "email": ORDER.email, "artifact_hash": artifact_hash, "event_id": event_id}
                sent, _ = add_claimed(tx, lead_id=lead_id, **due, **order)
                note(mails, sent, to, Stream.TRANSACTIONAL, (place, fault))


def note(mails: Mails, send_id: int, to: str, stream: Stream, place: tuple[str, str] | None = None) -> None:
    mails.recipients[send_id], mails.streams[send_id] = to, stream
    if place is not None:
        mails.places[send_id] = place


def deliver_what_is_due(database: Database, runtimes: "Queue[Runtime]", mails: Mails) -> None:
    """Over and over: those that were not begun, because their connection broke before, are due again at once."""
    while True:
        with database.write() as tx:
            claims = dict(take_due(tx, SEND, limit=100_000, lease=timedelta(hours=1)))
        if not claims:
            return
        some = [[(one, claims[one]) for one in group] for group in groups(list(claims), mails)]
        with ThreadPoolExecutor(THREADS) as threads:
            list(threads.map(partial(deliver_by_one, runtimes), some))


def deliver_by_one(runtimes: "Queue[Runtime]", claims: list[Claim]) -> None:
    runtime = runtimes.get()
    try:
        deliver(runtime, claims)
    finally:
        runtimes.put(runtime)


def groups(claimed: list[int], mails: Mails) -> Iterator[list[int]]:
    """What breaks by itself, or among innocent ones: first where its text must not have begun, else in the middle."""
    innocent = [one for one in claimed if one not in mails.places]
    for one in claimed:
        if one not in mails.places:
            continue
        if mails.streams[one] != Stream.MARKETING:
            yield [one]
            continue
        beside = [innocent.pop() for _ in range(min(2, len(innocent)))]
        yield [one, *beside] if mails.places[one][0] in BEFORE else [*beside[:1], one, *beside[1:]]
    yield from (innocent[at : at + 8] for at in range(0, len(innocent), 8))


def ready(database: Database) -> int:
    with database.read() as tx:
        return tx.run(sa.select(sa.func.count()).where(sends.c.state == SendState.READY)).scalar_one()


def everything(database: Database) -> list[Any]:
    with database.read() as tx:
        return list(tx.run(sa.select(sends).order_by(sends.c.id)))


def judge(rows: list[Any], mails: Mails, way: str) -> None:
    in_doubt_beside = 0
    for row in rows:
        copies, place = mails.copies(row.id), mails.places.get(row.id)
        assert len(set(copies)) <= 1, "a second copy that is another"
        assert len(copies) <= (1 if row.stream == Stream.MARKETING else 2)
        assert row.state in (SendState.ACCEPTED, SendState.UNKNOWN)
        if row.state == SendState.UNKNOWN:
            assert (row.reason, row.smtp_phase) == (Reason.NO_ANSWER, "dot")
        else:
            assert copies
        if place is None:
            in_doubt_beside += row.state == SendState.UNKNOWN
        else:
            judge_broken(row, place, copies)
    broke = sum(
        stream == Stream.MARKETING and mails.places.get(one, BEFORE)[0] not in BEFORE for one, stream in mails.streams.items()
    )
    assert in_doubt_beside <= (broke if way == "chunks" else 0)  # the one whose text had been written behind it


def judge_broken(row: Any, place: tuple[str, str], copies: list[str]) -> None:
    where, fault = place
    if where in BEFORE:  # its end was never written: certainly not delivered, and so sent again
        assert (row.state, len(copies), row.unknowns) == (SendState.ACCEPTED, 1, 0)
        assert row.attempts > 1
    elif where in AFTER:
        once = 1 if row.stream == Stream.MARKETING else 2
        assert (row.state, row.unknowns) == (SendState.UNKNOWN, once)
        assert len(copies) == (once if where == "accepted" else 0)
    elif fault != "reset":
        assert (row.state, len(copies), row.unknowns) == (SendState.ACCEPTED, 1, 0)
    else:  # the yes may have got lost; it is never taken for a failure
        assert row.unknowns or (row.state == SendState.ACCEPTED and len(copies) == 1)
