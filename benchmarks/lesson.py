"""What the benchmarks of sending send: a nurture's first lesson, a mail of 14 KB, to any number of leads, at any hour.

Before: a database is open and migrated. After: its rows lie there without a due time, and a benchmark says when they are due.
"""

import re
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from engine.compiler.workspace import Compiled, compile_workspace
from engine.database import Database, Tx
from engine.installed import STARTER, starter_folder
from engine.render import library
from engine.schedule.apply import apply_plan
from engine.schema import Instant, cadence_versions, enrolments, leads, sends, touches
from engine.sql import plan_anew
from engine.tokens import NOBODY

CADENCE, LESSON, TOPIC = "new-enquiry", "enquiry-01-welcome", "air-lessons"
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

    def __init__(self, database: Database, workspace: Compiled) -> None:
        assert workspace.plan is not None
        self.database = database
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
        with self.database.write() as tx:
            plan_anew(tx)
            for table, rows in self.rows(tx, numbers, with_mail=with_mail):
                columns = [column.key for column in rows.selected_columns]
                tx.run(sa.insert(table).from_select(columns, rows))
            self.made += how_many
            number_from(tx, self.made)
        return numbers

    def rows(self, tx: Tx, numbers: range, *, with_mail: bool) -> Iterator[tuple[sa.Table, Any]]:
        """What is written into each table: made by the database itself, since there are many."""
        n = counted(numbers)
        address = sa.literal("reader") + sa.cast(n, sa.Text) + "@mail.example"
        number = sa.cast(n, sa.Text)
        key = sa.func.substr(
            sa.literal(NOBODY) + number, sa.func.length(number) + 1
        )  # as long as an address's; nobody asks whose
        now = sa.literal(tx.now, Instant())
        yield leads, sa.select(n.label("id"), address.label("key"), address.label("email"), key.label("address_key"),
                               zone_of(n).label("zone"), fields_of(tx, n).label("fields"), now.label("created_at"),
                               now.label("updated_at"))  # fmt: skip
        yield enrolments, sa.select(
            n.label("id"), n.label("lead_id"), sa.literal(CADENCE).label("cadence"),
            sa.literal(self.version_id).label("version_id"), sa.literal(1).label("passage"),
            sa.literal("active").label("state"), now.label("anchor_at"), now.label("created_at"),
        )  # fmt: skip
        yield touches, sa.select(
            n.label("id"), n.label("enrolment_id"), sa.literal(LESSON).label("step_id"),
            sa.literal("sending" if with_mail else "waiting").label("state"),
            sa.literal(tx.now.date(), sa.Date()).label("planned_on"), now.label("created_at"),
        )  # fmt: skip
        if with_mail:
            yield sends, sa.select(
                n.label("id"), (sa.literal("touch:") + sa.cast(n, sa.Text)).label("source"),
                sa.literal("marketing").label("stream"),
                sa.literal(TOPIC).label("topic"), n.label("lead_id"), key.label("address_key"), n.label("touch_id"),
                sa.literal(LESSON).label("email"), sa.literal(self.artifact_hash).label("artifact_hash"),
                sa.literal("en").label("language"), now.label("created_at"),
            )  # fmt: skip


def counted(numbers: range) -> sa.ColumnElement[int]:
    first = sa.select(sa.literal(numbers.start).label("i")).cte("n", recursive=True)
    return first.union_all(sa.select(first.c.i + 1).where(first.c.i < numbers.stop - 1)).c.i


def zone_of(n: sa.ColumnElement[int]) -> sa.ColumnElement[str]:
    return sa.case(*((n % len(ZONES) == place, zone) for place, zone in enumerate(ZONES)))


def fields_of(tx: Tx, n: sa.ColumnElement[int]) -> sa.ColumnElement[Any]:
    text = sa.literal('{"company": "Mill Lane School", "first_name": "Ada ') + sa.cast(n, sa.Text) + '"}'
    return text if tx.is_sqlite else sa.cast(text, JSONB)


def number_from(tx: Tx, last: int) -> None:
    """Have the database number further rows behind ours."""
    for table in () if tx.is_sqlite else (leads, enrolments, touches, sends):
        tx.run(sa.text(f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), {last})"))


def address_of(number: int) -> str:
    return f"reader{number}@mail.example"


def make_due(database: Database, table: sa.Table, ids: range, *, lead_time: timedelta) -> datetime:
    """All of them at one instant that lies so far ahead; that instant."""
    with database.write() as tx:
        due_at = tx.now + lead_time
        tx.run(sa.update(table).where(table.c.id >= ids.start, table.c.id < ids.stop).values(due_at=due_at))
    return due_at
