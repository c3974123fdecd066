"""A whole nurture in virtual time with every kind of ending in it, worked off within this process.

Before: `tests.crash.lessons` is the workspace. After: the tests of invariants look at the rows that it leaves.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from engine.claim import NOUNS, SEND, Claim, put_back
from engine.clock import VirtualClock
from engine.database import Database, Tx
from engine.deliver.smtp import open_wire
from engine.deliver.transactional import request_email
from engine.events import NewEvent, record_events
from engine.processes.dispatcher import tick
from engine.processes.lanes import Lane
from engine.processes.verbs import VERBS
from engine.runtime import Runtime
from engine.schedule.enrol import enrol_leads
from engine.settings import read_settings
from engine.simulate.sink import Sink, running
from engine.simulate.sink_rules import Fault, Phase, Rule
from engine.vocabulary import Consent, EventType, Origin
from tests.crash.given import apply_lessons
from tests.crash.lessons import CADENCE
from tests.factories import SECRET, TOKENS, add_consent, add_lead, add_suppression, add_worker

NAME, STREET, WORDS = "Quillfeather", "7 Nowhere Lane", "please ring my mobile"
LEASE = timedelta(seconds=30)
RULES = (
    Rule(phase=Phase.RCPT, fault=Fault.REPLY, code=550, text="5.1.1 <refused@mail.example> unknown", recipient="refused@*"),
    Rule(phase=Phase.DOT, fault=Fault.DROP, recipient="unknown@*"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MixedRun:
    """One lead for each way a passage can go, by name."""

    database: Database
    leads: dict[str, int]


def run_mixed(database: Database, clock: VirtualClock, folder: Path) -> MixedRun:
    apply_lessons(database, folder)
    with database.write() as tx:
        people = add_people(tx)
        enrol_leads(tx, CADENCE, people.values())
        befall(tx, people)
    with workplace(database, folder) as runtime:
        work_off(runtime, clock)
    return MixedRun(database=database, leads=people)


def add_people(tx: Tx) -> dict[str, int]:
    names = ("plain", "refused", "unknown", "suppressed", "unwilling", "replied", "raised")
    people = {name: add_person(tx, name) for name in names}
    return people


def add_person(tx: Tx, name: str) -> int:
    return add_lead(tx, email=f"{name}@mail.example", fields={"first_name": f"{NAME} {name}", "employees": 80})


def befall(tx: Tx, people: dict[str, int]) -> None:
    """What happens to each once it is enrolled, so that only later steps can see it."""
    add_suppression(tx, address_key=TOKENS.address_key("suppressed@mail.example"))
    add_consent(tx, lead_id=people["unwilling"], state=Consent.REFUSED)
    record_events(
        tx,
        [
            happened(tx, EventType.REPLIED, people["replied"], body=WORDS.encode()),
            happened(tx, EventType.FORM_SUBMITTED, people["raised"]),
        ],
    )
    order = happened(tx, "order_placed", people["plain"], body=json.dumps({"number": "CR-1", "ship_to": STREET}).encode())
    event_id = record_events(tx, [order])[order.source_key]
    claim = request_email(tx, event_id, order.type, people["plain"], lease=timedelta(0))
    assert claim is not None
    put_back(tx, SEND, [claim])


def happened(tx: Tx, type: str, lead_id: int, *, body: bytes | None = None) -> NewEvent:
    return NewEvent(
        source_key=f"{type}:{lead_id}", type=type, origin=Origin.HUMAN, lead_id=lead_id, occurred_at=tx.now, body=body
    )


@contextmanager
def workplace(database: Database, folder: Path) -> Iterator[Runtime]:
    with database.write() as tx:
        add_worker(tx, id="w", lease_until=tx.now + timedelta(days=3650))
    with running(Sink(rules=RULES)) as sink:
        wire = open_wire(sink.url)
        yield Runtime(
            settings=read_settings(folder, {"HANDRAISER_SECRET_KEY": SECRET}), database=database, tokens=TOKENS, wire=wire,
            worker_id="w", has_lease=lambda: True, publish=lambda _noun, _claims: None,
        )  # fmt: skip
        wire.close()


def work_off(runtime: Runtime, clock: VirtualClock) -> None:
    """Do what is due, move the clock to what is due next, until nothing ever is."""

    def do_at_once(lane: Lane, claims: list[Claim]) -> None:
        VERBS[lane.noun.name](runtime, claims)

    while True:
        while tick(runtime.database, do_at_once, lease=LEASE):
            pass
        due_at = next_due(runtime.database)
        if due_at is None:
            return
        clock.move_to(max(due_at, clock.now()))


def next_due(database: Database) -> object:
    with database.read() as tx:
        firsts = [
            tx.run(sa.select(sa.func.min(noun.table.c.due_at)).where(noun.table.c.state == noun.open_state)).scalar()
            for noun in NOUNS.values()
        ]
    return min((first for first in firsts if first is not None), default=None)
