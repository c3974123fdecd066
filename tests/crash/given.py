"""What a trial begins with and adds as it goes: people who are due a lesson, who ordered something, who want a call.

Before: `tests.crash.lessons`, an empty migrated database. After: the processes work it off. Here also the two things that a
test does to a live database: it lets time pass, and it is the person who looks at rows that were set aside.
"""

import json
from collections.abc import Mapping
from itertools import count
from pathlib import Path

import sqlalchemy as sa

from engine.claim import NOUNS, SEND, Noun, in_state, is_set_aside, put_back
from engine.compiler.workspace import compile_workspace
from engine.database import Database, Tx
from engine.deliver.transactional import request_email
from engine.deliver.write_ahead import write_ahead
from engine.events import NewEvent, record_events
from engine.processes.assemble import Unwired
from engine.render import library
from engine.runtime import Runtime
from engine.schedule.apply import apply_plan
from engine.schedule.enrol import enrol_leads
from engine.schema import enrolments, leads, posts, reactions, sends, touches
from engine.settings import read_settings
from engine.tokens import Tokens
from engine.vocabulary import LIVE_ENROLMENT, OPEN_TOUCH, TERMINAL_SEND, EventType, Origin, PostState, ReactionState
from tests.crash.lessons import CADENCE, NOTHING, NOWHERE, write_workspace
from tests.crash.oracle import Entry
from tests.factories import add_lead

REP = "dana@clearroom.example"
serial = count(1)


def apply_lessons(database: Database, folder: Path, *, webhook: str = NOWHERE, more: Mapping[str, str] = NOTHING) -> None:
    write_workspace(folder, webhook=webhook, more=more)
    compiled = compile_workspace(folder, render=library)
    assert compiled.plan is not None, compiled.diagnostics
    with database.write() as tx:
        apply_plan(tx, compiled.plan, compiled.artifacts, attachments=compiled.attachments)


def receiver_over(database: Database, folder: Path, environment: Mapping[str, str]) -> Runtime:
    """The workplace of a receiver, which writes confirmations and sends nothing."""
    settings = read_settings(folder, environment)
    return Runtime(
        settings=settings,
        database=database,
        tokens=Tokens(settings.require_secret()),
        wire=Unwired(),
        worker_id="receiver",
        has_lease=lambda: True,
        publish=lambda _noun, _claims: None,
    )


def add_work(receiver: Runtime, *, lessons: int, orders: int, hands: int) -> None:
    """New people: some enrolled, some with an order, some who want a call."""
    with receiver.database.write() as tx:
        enrol_leads(tx, CADENCE, [add_person(tx) for _ in range(lessons)])
        record_events(tx, [call_wanted_by(tx, add_person(tx)) for _ in range(hands)])
        for _ in range(orders):
            place_order(tx, receiver, add_person(tx))


def add_person(tx: Tx) -> int:
    number = next(serial)
    return add_lead(
        tx, email=f"reader{number}@mail.example", fields={"first_name": f"Ada {number}", "employees": number % 2 * 100}
    )


def place_order(tx: Tx, receiver: Runtime, lead_id: int) -> None:
    """What the receiver does when a shop posts an order while no queue takes its mail: that is written, and waits."""
    source_key = f"shop:{lead_id}"
    order = NewEvent(
        source_key=source_key, type="order_placed", origin=Origin.HUMAN, lead_id=lead_id, occurred_at=tx.now,
        data={"number": f"CR-{lead_id}"}, body=json.dumps({"ship_to": "3 Orchard Rise, Leeds"}).encode(),
    )  # fmt: skip
    event_id = record_events(tx, [order])[source_key]
    claim = request_email(tx, event_id, order.type, lead_id, lease=receiver.settings.queue_lease)
    assert claim is not None and write_ahead(tx, receiver, claim) is None
    put_back(tx, SEND, [claim])


def call_wanted_by(tx: Tx, lead_id: int) -> NewEvent:
    return NewEvent(
        source_key=f"form:{lead_id}", type=EventType.FORM_SUBMITTED, origin=Origin.HUMAN, lead_id=lead_id, occurred_at=tx.now,
        data={"form": "call-me"},
    )  # fmt: skip


def let_time_pass(database: Database, *, somebody_looks: bool = True) -> int:
    """Make due at once what waits for its hour, and what was set aside if somebody looks at it; how many rows that were."""
    with database.read() as tx:
        if not any(is_any(tx, noun, somebody_looks) for noun in NOUNS.values()):
            return 0
    with database.write() as tx:
        return sum(tx.run(hastened(tx, noun, somebody_looks)).rowcount for noun in NOUNS.values())


def is_any(tx: Tx, noun: Noun, somebody_looks: bool) -> bool:
    return tx.run(sa.select(noun.table.c.id).where(waits(tx, noun, somebody_looks)).limit(1)).first() is not None


def hastened(tx: Tx, noun: Noun, somebody_looks: bool) -> sa.Update:
    again = {"claims": 0} if somebody_looks else {}
    return sa.update(noun.table).where(waits(tx, noun, somebody_looks)).values(due_at=tx.now, **again)


def waits(tx: Tx, noun: Noun, somebody_looks: bool) -> sa.ColumnElement[bool]:
    later = sa.and_(in_state(noun.table, noun.open_state), noun.table.c.due_at > tx.now)
    return sa.or_(later, is_set_aside(noun)) if somebody_looks else later


def is_anything_open(database: Database) -> bool:
    """Looks at the newest rows first, since it is asked many times a second."""
    with database.read() as tx:
        return any(
            tx.run(sa.select(table.c.id).where(is_open).order_by(table.c.id.desc()).limit(1)).first()
            for table, is_open in OPEN_ROWS.items()
        )


def unfinished(database: Database, *, most: int) -> list[str]:
    """Up to so many open rows of each kind; none when nothing is left to do."""
    with database.read() as tx:
        return [
            f"{table.name} {row._asdict()}"
            for table, is_open in OPEN_ROWS.items()
            for row in tx.run(sa.select(table).where(is_open).limit(most))
        ]


def ledger(database: Database) -> list[Entry]:
    chosen = sa.select(sends, leads.c.email.label("lead_email")).join_from(sends, leads, leads.c.id == sends.c.lead_id)
    with database.read() as tx:
        return [
            Entry(
                send_id=row.id,
                source=row.source,
                stream=row.stream,
                state=row.state,
                reason=row.reason,
                unknowns=row.unknowns,
                address=REP if row.rep else row.lead_email,
            )
            for row in tx.run(chosen.order_by(sends.c.id))
        ]


OPEN_ROWS = {
    sends: sends.c.state.not_in(TERMINAL_SEND),
    touches: touches.c.state.in_(OPEN_TOUCH),
    reactions: reactions.c.state != ReactionState.DONE,
    enrolments: enrolments.c.state.in_(LIVE_ENROLMENT),
    posts: posts.c.state.in_((PostState.READY, PostState.CLAIMED)),
}
