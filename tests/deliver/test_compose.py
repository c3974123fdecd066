"""Mails of touches in the ledger: one each, held by the worker that made them."""

import pytest

from engine.database import Database
from engine.deliver.compose import TouchMail, send_rows_for_touches
from engine.deliver.load import SendRow
from engine.leads import load_leads
from engine.schedule.progress import load
from engine.vocabulary import SendState, Stream
from tests.deliver.given import WORKER, send_of
from tests.factories import add_enrolment, add_lead, add_touch, plain_copy


@pytest.mark.both_databases
def test_a_touch_gets_one_send_held_by_its_worker(database: Database) -> None:
    with database.write() as tx:
        lead_id = add_lead(tx)
        touch_id = add_touch(tx, enrolment_id=add_enrolment(tx, lead_id=lead_id))
        lead = load_leads(tx, [lead_id])[lead_id]
        mail = TouchMail(
            touch=load(tx, [touch_id])[0],
            lead=lead,
            topic="air-lessons",
            email="lesson",
            version=plain_copy("0" * 64).versions[0],
            arm=None,
            is_shadow=False,
        )

        first = send_rows_for_touches(tx, [mail], worker_id=WORKER)
        second = send_rows_for_touches(tx, [mail], worker_id=WORKER)

    send = send_of(database, first[0][0])
    assert (first[0].epoch, second) == (1, [])
    assert first[0].row == SendRow(*(getattr(send, name) for name in SendRow._fields)), "as it would have been read"
    assert (send.state, send.epoch, send.worker_id, send.stream) == (SendState.CLAIMED, 1, WORKER, Stream.MARKETING)
    assert (send.source, send.touch_id, send.address_key) == (f"touch:{touch_id}", touch_id, lead.address_key)
