"""A small workspace in the marketer's own files: a cadence with every kind of step, and a confirmation of an order.

Its windows are always open and its steps follow at once, so that a crash test need not wait for a Tuesday.
Before: nothing. After: `tests.crash.given` compiles and applies it.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

from engine.installed import starter_folder

CADENCE = "lessons"
NOWHERE = "https://crm.example/hook"
NOTHING: Mapping[str, str] = {}
MAILS_OF_A_PASSAGE = ("lesson-1", "lesson-2", "lesson-3")

FILES = {
    "workspace.yaml": """
name: Clearroom
zone: Europe/London
brand: clearroom
topics: {air-lessons: {title: "Lessons on indoor air"}}
consent: {unknown: nurture}
caps: {per_day: 3, per_week: 3, per_month: 3}
window: {days: [mon, tue, wed, thu, fri, sat, sun], from: "00:00", to: "23:59"}
webhooks: {crm: {url: "WEBHOOK"}}
""",
    "leads.yaml": """
fields:
  first_name: {type: text}
  employees: {type: number}
""",
    "events.yaml": """
events:
  order_placed:
    title: An order was placed
    counts_as: purchased
    email: order-confirmation
    data:
      number: {type: text}
      ship_to: {type: text, personal: true}
    sample: {number: "CR-1", ship_to: "3 Orchard Rise, Leeds"}
""",
    "scoring.yaml": """
threshold: 60
respond_within: 4 hours
points:
  - {on: form_submitted, points: 100, because: "asked to be called"}
""",
    "assignment.yaml": """
reps:
  dana: {name: Dana Whitfield, email: dana@clearroom.example, phone: "+44 20 7946 0311", zone: Europe/London}
rules:
  - {to: [dana]}
""",
    "cadences/lessons.yaml": """
title: Three lessons
owner: dana
topic: air-lessons
gap: 1 minute
exits: [replied]
steps:
  - email: lesson-1
    at: day 0
  - branch: big-or-small
    if: "employees >= 50"
    then:
      - task: call-them
        title: "Call {{ lead.first_name }}"
        due: 2 days
  - webhook: tell-crm
    to: crm
    fields: [first_name]
  - wait: a-moment
    for: "clicked('lesson-1')"
    timeout: 1 second
    else:
      - email: lesson-2
        after: 1 minute
  - email: lesson-3
    after: 2 minutes
""",
    "templates/emails/order-confirmation/email.yaml": """
subject: "Your order {{ event.number }}"
stream: transactional
owner: dana
""",
    "templates/emails/order-confirmation/body.mjml": """
<mj-section><mj-column><mj-text><p>{{ event.number }} goes to {{ event.ship_to }}.</p></mj-text></mj-column></mj-section>
""",
}
LESSON = {
    "email.yaml": """
subject: "{{ lead.first_name or 'Hello' }}, lesson NUMBER"
preheader: "Air, NUMBER"
stream: marketing
owner: dana
""",
    "body.mjml": """
<mj-section><mj-column>
  <mj-text><p>Dear {{ lead.first_name or "reader" }}, open a window.</p></mj-text>
  <mj-button href="https://www.clearroom.example/lessons" name="read">Read lesson NUMBER</mj-button>
</mj-column></mj-section>
""",
}


def write_workspace(folder: Path, *, webhook: str = NOWHERE, more: Mapping[str, str] = NOTHING) -> None:
    """The files, with the starter's look, blocks and phrases; `webhook`: the other system's URL, `more`: further files."""
    for name in ("brands", "layouts", "blocks"):
        shutil.copytree(starter_folder() / "templates" / name, folder / "templates" / name)
    shutil.copyfile(starter_folder() / "templates/phrases.yaml", folder / "templates/phrases.yaml")
    for path, text in (FILES | lessons() | dict(more)).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text.lstrip().replace("WEBHOOK", webhook), encoding="utf-8")


def lessons() -> dict[str, str]:
    return {
        f"templates/emails/{name}/{file}": text.replace("NUMBER", name[-1])
        for name in MAILS_OF_A_PASSAGE
        for file, text in LESSON.items()
    }
