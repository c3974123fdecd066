"""What the benchmarks of sending send: a nurture's first lesson, a mail of 14 KB, to any number of leads, at any hour.

Before: a database is open and migrated. After: its rows lie there without a due time, and a benchmark says when they are due.
"""

import re
import shutil
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from engine.compiler.workspace import Compiled, compile_workspace
from engine.database import Database, Tx
from engine.installed import STARTER, starter_folder
from engine.render import library
from engine.schedule.apply import apply_plan
from engine.schema import cadence_versions, enrolments, leads, sends, touches
from engine.tokens import Tokens

CADENCE, LESSON, TOPIC = "new-enquiry", "enquiry-01-welcome", "air-lessons"
AT_ONCE = 5_000  # leads in one transaction
ZONES = ("Europe/London", "Europe/Berlin", None, "America/New_York")


def write_workspace(folder: Path) -> None:
    """The starter's cadences and mails, but that mail goes at any hour and a lesson is one section long."""
    for name in STARTER:
        source = starter_folder() / name
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, folder / name)
    settings = folder / "workspace.yaml"
    at_any_hour = re.sub(
        r"(?m)^window:.*$",
        'window: {days: [mon, tue, wed, thu, fri, sat, sun], from: "00:00", to: "23:59"}',
        settings.read_text(),
    )
    settings.write_text(re.sub(r"(?m)^(quiet:.*|holidays:\n(  .*\n)*)", "", at_any_hour))
    body = folder / "templates/emails" / LESSON / "body.mjml"
    first, signature = body.read_text().partition("{{ block(")[0], '\n{{ block("signature") }}\n'
    body.write_text(first + signature)


def compiled(folder: Path) -> Compiled:
    done = compile_workspace(folder, render=library)
    if done.plan is None:
        raise SystemExit("the starter workspace does not compile; run `handraiser check`")
    return done


class Lessons:
    """The leads of a database, and what lies there for them. Ids are numbers from 1 on, the same in every table, so all are
    added before a process of ours adds the first of its own.
    """

    def __init__(self, database: Database, tokens: Tokens, workspace: Compiled) -> None:
        assert workspace.plan is not None
        self.database, self.tokens = database, tokens
        self.artifact_hash = next(key for key, each in workspace.artifacts.items() if each.email == LESSON)
        self.made = 0
        with database.write() as tx:
            apply_plan(tx, workspace.plan, workspace.artifacts)
            chosen = sa.select(cadence_versions.c.id).where(cadence_versions.c.cadence == CADENCE)
            self.version_id: int = tx.run(chosen).scalar_one()

    def add_touches(self, how_many: int) -> range:
        """Passages whose first lesson waits to be due; the ids of their touches."""
        return self.add(how_many, with_mail=False)

    def add_sends(self, how_many: int) -> range:
        """Passages whose first lesson lies in the ledger already and waits to be due; the ids of the mails."""
        return self.add(how_many, with_mail=True)

    def add(self, how_many: int, *, with_mail: bool) -> range:
        numbers = range(self.made + 1, self.made + how_many + 1)
        rest = iter(numbers)
        while some := list(islice(rest, AT_ONCE)):
            with self.database.write() as tx:
                self.write(tx, some, with_mail=with_mail)
        self.made += how_many
        with self.database.write() as tx:
            number_from(tx, self.made)
        return numbers

    def write(self, tx: Tx, numbers: list[int], *, with_mail: bool) -> None:
        tx.run(sa.insert(leads), [self.lead(tx, number) for number in numbers])
        passage = {"cadence": CADENCE, "version_id": self.version_id, "passage": 1, "came_by": "hand", "state": "active",
                   "anchor_at": tx.now, "created_at": tx.now}  # fmt: skip
        tx.run(sa.insert(enrolments), [passage | {"id": number, "lead_id": number} for number in numbers])
        touch = {"step_id": LESSON, "state": "sending" if with_mail else "waiting", "planned_on": today(tx), "created_at": tx.now}
        tx.run(sa.insert(touches), [touch | {"id": number, "enrolment_id": number} for number in numbers])
        if with_mail:
            tx.run(sa.insert(sends), list(self.mails(tx, numbers)))

    def lead(self, tx: Tx, number: int) -> dict[str, Any]:
        address = address_of(number)
        return {
            "id": number,
            "key": address,
            "email": address,
            "address_key": self.tokens.address_key(address),
            "zone": ZONES[number % len(ZONES)],
            "fields": {"first_name": f"Ada {number}", "company": "Mill Lane School", "employees": number % 400},
            "created_at": tx.now,
            "updated_at": tx.now,
        }

    def mails(self, tx: Tx, numbers: list[int]) -> Iterator[dict[str, Any]]:
        mail = {"stream": "marketing", "topic": TOPIC, "email": LESSON, "artifact_hash": self.artifact_hash, "language": "en",
                "state": "ready", "created_at": tx.now}  # fmt: skip
        for number in numbers:
            key = self.tokens.address_key(address_of(number))
            yield mail | {"source": f"touch:{number}", "lead_id": number, "touch_id": number, "address_key": key}


def number_from(tx: Tx, last: int) -> None:
    """Have the database number further rows behind ours."""
    for table in () if tx.is_sqlite else (leads, enrolments, touches, sends):
        tx.run(sa.text(f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), {last})"))


def today(tx: Tx) -> date:
    return tx.now.date()


def address_of(number: int) -> str:
    return f"reader{number}@mail.example"


def make_due(database: Database, table: sa.Table, ids: range, *, lead_time: timedelta) -> datetime:
    """All of them at one instant that lies so far ahead; that instant."""
    with database.write() as tx:
        due_at = tx.now + lead_time
        tx.run(sa.update(table).where(table.c.id >= ids.start, table.c.id < ids.stop).values(due_at=due_at))
    return due_at
