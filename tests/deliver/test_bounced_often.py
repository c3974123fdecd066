"""A mailbox that is full again and again: what counts is how each mail ended, not what it met on the way."""

from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from engine.claim import SEND, take_due
from engine.clock import VirtualClock
from engine.database import Database
from engine.deliver.replies import POLICIES, About
from engine.deliver.send import deliver
from engine.runtime import Runtime
from engine.schema import suppressions
from engine.simulate.sink import Sink
from engine.simulate.sink_rules import Fault, Phase, Rule
from engine.vocabulary import SendState
from tests.deliver.given import add_mail, add_workspace, deliver_begun, runtime_over, send_of
from tests.factories import add_lead

ENOUGH = POLICIES[About.MAILBOX_FULL].suppress_after or 0
FOR_NOW, FOR_GOOD = 452, 552


@pytest.mark.both_databases
@pytest.mark.parametrize(
    ("said", "ends"),
    [
        ([FOR_NOW] * ENOUGH, {SendState.ACCEPTED}),
        ([FOR_GOOD] * (ENOUGH - 1) + [FOR_NOW], {SendState.REFUSED, SendState.ACCEPTED}),
        ([FOR_GOOD] * ENOUGH, {SendState.REFUSED}),
    ],
    ids=["each went later", "the last one went later", "each was refused"],
)
def test_a_full_mailbox_stops_mail_when_enough_mails_ended_by_it(
    database: Database, clock: VirtualClock, tmp_path: Path, said: list[int], ends: set[SendState]
) -> None:
    with database.write() as tx:
        version_id, lead_id = add_workspace(tx), add_lead(tx, email="maya@school.example")
    rules: list[Rule] = []
    mails = []

    with runtime_over(database, Sink(rules=rules), tmp_path) as runtime:
        for code in said:
            rules.append(Rule(phase=Phase.RCPT, fault=Fault.REPLY, code=code, text=f"{code // 100}.2.2 mailbox full", times=1))
            with database.write() as tx:
                mails.append(add_mail(tx, version_id, lead_id=lead_id))
            deliver_begun(runtime, mails[-1:])
            clock.move_to(clock.now() + timedelta(minutes=8))
            deliver_due(runtime)
            clock.move_to(clock.now() + timedelta(days=5))

    assert {send_of(database, send_id).state for send_id, _epoch in mails} == ends
    with database.read() as tx:
        stopped = tx.run(sa.select(suppressions.c.scope, suppressions.c.reason)).all()
    assert stopped == ([("everything", "bounced")] if ends == {SendState.REFUSED} else [])


def deliver_due(runtime: Runtime) -> None:
    """What was put off."""
    with runtime.database.write() as tx:
        due = take_due(tx, SEND, limit=10, lease=timedelta(minutes=5))
    deliver(runtime, due)
