"""A task that a cadence has just asked of Dana, about Maya."""

from dataclasses import replace
from datetime import timedelta

import sqlalchemy as sa

from engine.advance import advance
from engine.claim import TOUCH, take_due
from engine.database import Tx
from engine.runtime import Runtime
from engine.schedule.enrol import enrol_leads
from engine.schema import tasks
from engine.scoring.rescore import rescore
from tests.factories import add_event, add_lead
from tests.schedule.plans import after, cadence, chain, email, task
from tests.scoring.models import apply_rules

TITLE = "Call {{ lead.first_name or lead.email }} about a visit"
CALL = replace(task("call", title=TITLE), note="Ask which room {{ lead.company }} complains about.")
MAYA = {"first_name": "Maya", "last_name": "<b>Lindqvist", "company": "Fernhill Primary", "phone": "+44 (0)113 496-0000"}


def ask(tx: Tx, runtime: Runtime, **lead: object) -> int:
    """The id of the task; the passage goes on with a mail a week later."""
    apply_rules(tx, cadence(*chain(CALL, email("guide", after("7 days")))))
    lead_id = add_lead(tx, **{"email": "maya@fernhill.example", "fields": MAYA, **lead})  # type: ignore[arg-type]
    add_event(
        tx, type="clicked", lead_id=lead_id, data={"email": "co2", "link": "pricing"}, occurred_at=tx.now - timedelta(hours=1)
    )
    rescore(tx, runtime, [lead_id])
    enrol_leads(tx, "new-enquiry", [lead_id])
    advance(tx, runtime, take_due(tx, TOUCH, limit=50, lease=timedelta(seconds=30)))
    task_id: int = tx.run(sa.select(tasks.c.id)).scalar_one()
    return task_id
