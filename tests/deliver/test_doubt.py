"""Mails of which nobody knows whether they arrived, settled by a person."""

from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from engine.claim import SEND, take_due
from engine.database import Database
from engine.deliver.doubt import send_again
from engine.deliver.send import deliver
from engine.schema import bodies
from engine.simulate.sink import Sink
from engine.vocabulary import SendState, Stream
from tests.deliver.given import add_claimed, add_workspace, insert_body, runtime_over, send_of
from tests.factories import add_lead

BYTES = b"Subject: Your order\r\n\r\nas it was\r\n"


@pytest.mark.both_databases
def test_an_awaited_mail_goes_again_the_same_to_the_byte(database: Database, tmp_path: Path) -> None:
    kept: list[bytes] = []
    with database.write() as tx:
        add_workspace(tx)
        number, _epoch = add_claimed(tx, lead_id=add_lead(tx), stream=Stream.TRANSACTIONAL, state=SendState.UNKNOWN, unknowns=2)
        insert_body(tx, number, BYTES)

        send_again(tx, [number])
        claims = take_due(tx, SEND, limit=9, lease=timedelta(minutes=1))
    with runtime_over(database, Sink(on_message=lambda _from, _to, content: kept.append(content)), tmp_path) as runtime:
        deliver(runtime, claims)

    assert [number for number, _epoch in claims] == [number]
    assert send_of(database, number).state == SendState.ACCEPTED
    assert kept == [BYTES]
    with database.read() as tx:
        assert tx.run(sa.select(bodies.c.delete_after)).scalar_one() is not None
