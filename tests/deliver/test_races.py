"""Two processes that meet at one passage while its mail is with a worker."""

from concurrent.futures import Future, ThreadPoolExecutor, wait

import pytest
import sqlalchemy as sa

from engine.database import Database
from engine.deliver.late import judged, record_judged
from engine.deliver.load import load_sends
from engine.deliver.record import record_stopped
from engine.schedule.leave import leave, resume, suspend
from engine.schema import enrolments, sends, touches
from engine.versions import live_rules
from engine.vocabulary import Reason, SendState
from tests.deliver.given import STEPS, add_mail, add_workspace, send_of, touch_of


@pytest.mark.both_databases
def test_a_mail_of_a_passage_that_is_resumed_while_it_is_judged_goes_out(database: Database) -> None:
    with database.write() as tx:
        version_id = add_workspace(tx)
        claim = add_mail(tx, version_id, state=SendState.ATTEMPTING)
        lead_id = tx.run(sa.select(enrolments.c.lead_id)).scalar_one()
        suspend(tx, [lead_id])
        tx.run(sa.update(sends).values(state=SendState.CLAIMED))  # the server put it off, and its time has come again
        [mail] = load_sends(tx, [claim], live_rules(tx))
        verdict = judged(mail)
    assert verdict is not None

    with database.write() as tx:
        resume(tx, [lead_id])
    with database.write() as tx:
        record_judged(tx, [verdict])

    send = send_of(database, claim[0])
    assert (send.state, send.due_at, send.reason) == (SendState.READY, mail.read_at, None)


def test_a_last_mail_that_cannot_be_written_and_an_exit_do_not_wait_for_each_other(postgres_database: Database) -> None:
    with postgres_database.write() as tx:
        claim = add_mail(tx, add_workspace(tx))
        tx.run(sa.update(touches).values(step_id=STEPS[-1]))
        enrolment_id = tx.run(sa.select(enrolments.c.id)).scalar_one()
        [mail] = load_sends(tx, [claim], live_rules(tx))
    dropped: list[Future[None]] = []

    def drop() -> None:
        with postgres_database.write() as tx:
            record_stopped(tx, [(mail, Reason.TEMPLATE_ERROR)])

    def come_between(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if statement.startswith("UPDATE sends"):  # the passage has ended, its mail has not yet
            dropped.append(other.submit(drop))
            wait(dropped, timeout=0.3)  # time enough to do its work, or to run into our locks

    with ThreadPoolExecutor(1) as other:
        with postgres_database.write() as tx:
            sa.event.listen(tx.connection, "before_cursor_execute", come_between)
            leave(tx, [enrolment_id], reason="replied")
        dropped[0].result(10)

    assert (send_of(postgres_database, claim[0]).reason, touch_of(postgres_database, claim[0]).reason) == (
        Reason.ENROLMENT_ENDED,
        "replied",
    )
