"""Two processes that meet at one passage on PostgreSQL while its mail is with a worker."""

from concurrent.futures import Future, ThreadPoolExecutor, wait

import sqlalchemy as sa

from engine.database import Database
from engine.deliver.load import load_sends
from engine.deliver.record import record_unsendable
from engine.schedule.leave import leave
from engine.schema import enrolments, touches
from engine.versions import live_rules
from engine.vocabulary import Reason
from tests.deliver.given import STEPS, add_mail, add_workspace, send_of, touch_of


def test_a_last_mail_that_cannot_be_written_and_an_exit_do_not_wait_for_each_other(postgres_database: Database) -> None:
    with postgres_database.write() as tx:
        claim = add_mail(tx, add_workspace(tx))
        tx.run(sa.update(touches).values(step_id=STEPS[-1]))
        enrolment_id = tx.run(sa.select(enrolments.c.id)).scalar_one()
        [mail] = load_sends(tx, [claim], live_rules(tx))
    dropped: list[Future[None]] = []

    def drop() -> None:
        with postgres_database.write() as tx:
            record_unsendable(tx, [(mail, Reason.TEMPLATE_ERROR)])

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
