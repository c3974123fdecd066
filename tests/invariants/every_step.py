"""A cadence with every kind of step, worked off for many leads in virtual time.

Before: `tests.invariants.mixed_run` works off. After: the tests look at the rows that it leaves.
"""

from pathlib import Path

from engine.clock import VirtualClock
from engine.database import Database
from engine.events import record_events
from engine.schedule.enrol import enrol_leads
from engine.vocabulary import Consent, EventType
from tests.crash.given import apply_lessons
from tests.factories import TOKENS, add_consent, add_lead, add_suppression
from tests.invariants.mixed_run import NAME, happened, work_off, workplace

CADENCE = "every-step"
LEADS = 24
STEPS = {
    "cadences/every-step.yaml": """
title: Every step there is
owner: dana
topic: air-lessons
gap: 1 minute
exits: [replied]
steps:
  - split: short-or-long
    arms:
      short: {share: 1, steps: [{email: lesson-1}]}
      long: {share: 1, steps: [{email: lesson-2}]}
      none: {share: 1, holdout: yes}
  - set: mark
    fields: {employees: 12}
  - webhook: tell-crm
    to: crm
    fields: [first_name]
  - email: lesson-3
    id: pretended
    shadow: yes
  - enter: lessons
  - enter: lessons
    id: enter-again
  - wait: a-while
    for: "clicked('lesson-1')"
    timeout: 1 hour
  - task: write-to-them
    title: "Write to {{ lead.first_name }}"
    action: other
    due: 2 days
  - branch: some
    if: "first_name == 'Quillfeather 0' or first_name == 'Quillfeather 1'"
    then:
      - raise: visit
        because: "{{ lead.first_name }} asked for a visit"
    else:
      - branch: few
        if: "first_name == 'Quillfeather 2'"
        then:
          - leave: enough
            because: "had enough"
  - goal: done-with-it
    if: "employees == 12"
""",
}


def run_every_step(database: Database, clock: VirtualClock, folder: Path) -> None:
    """Among the leads are one whom nobody may write to, one who refuses, one without consent and one who has replied."""
    apply_lessons(database, folder, more=STEPS)
    with database.write() as tx:
        people = [
            add_lead(tx, email=f"reader{number}@mail.example", fields={"first_name": f"{NAME} {number}", "employees": 80})
            for number in range(LEADS)
        ]
        enrol_leads(tx, CADENCE, people)
        add_suppression(tx, address_key=TOKENS.address_key("reader3@mail.example"))
        add_consent(tx, lead_id=people[4], state=Consent.REFUSED)
        record_events(tx, [happened(tx, EventType.REPLIED, people[5])])
    with workplace(database, folder) as runtime:
        work_off(runtime, clock)
