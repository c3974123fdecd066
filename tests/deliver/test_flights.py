"""What is said of a mail that cannot be written."""

from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from engine.compiler.plan import to_json
from engine.database import Database
from engine.expressions.fields import Field, FieldType, LeadSchema
from engine.schema import rules
from engine.simulate.sink import Sink
from tests.deliver.given import (
    NO_CAPS,
    ORDER,
    a_policy,
    add_claimed,
    add_mail,
    add_workspace,
    deliver_begun,
    runtime_over,
    send_of,
)
from tests.factories import add_event, add_lead


def test_the_log_of_a_mail_that_cannot_be_written_holds_no_value(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The fields of leads.yaml and events.yaml had other types when these were stored."""
    date_field = replace(a_policy(NO_CAPS), lead_schema=LeadSchema((Field(name="first_name", type=FieldType.DATE),)))
    with database.write() as tx:
        version_id = add_workspace(tx)
        tx.run(sa.update(rules).where(rules.c.kind == "policy").values(body=to_json(date_field)))
        lead_id = add_lead(tx, fields={"first_name": "Zacharias"})
        event_id = add_event(tx, type="order_placed", lead_id=lead_id, data={"number": ["Mill Lane"]})
        mails = [
            add_mail(tx, version_id, lead_id=lead_id),
            add_claimed(tx, lead_id=add_lead(tx), stream="transactional", event_id=event_id, artifact_hash=ORDER.hash),
        ]

    with runtime_over(database, Sink(), tmp_path) as runtime:
        deliver_begun(runtime, mails)

    told = [record.facts["why"] for record in caplog.records if record.name == "engine.deliver.flights"]
    assert told == [
        "the lead's `first_name` is not a date",
        "the data of this `order_placed` are not as events.yaml has them now",
    ]
    assert {send_of(database, send_id).reason for send_id, _ in mails} == {"template_error"}
