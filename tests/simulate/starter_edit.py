"""An edit of the starter's two-year cadence with people everywhere in it: planned, applied, and lived out by the simulated world.

`tests/simulate/test_starter_edit.py` takes a few people; by itself as many as asked, with its figures:

    python -m tests.simulate.starter_edit --people 5000
"""

import argparse
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import sqlalchemy as sa

from engine.compiler.workspace import Compiled, compile_workspace
from engine.database import Tx
from engine.installed import starter_folder
from engine.render import library
from engine.schedule.apply import apply_plan
from engine.schedule.changes import Changes
from engine.schedule.edited import work_out
from engine.schedule.enrol import enrol_leads
from engine.schedule.wording import lines
from engine.schema import enrolments, sends, touches
from engine.simulate.make import make_world
from engine.simulate.recipients import Intended, Received, Recipients
from engine.simulate.world import World
from engine.vocabulary import SendState
from tests.factories import add_lead

CADENCE = "quiet-customer"
START = datetime(2026, 1, 5, 8, tzinfo=UTC)
MONTH = timedelta(days=30)
MONTHS = 24
ZONES = ("Europe/London", "Europe/Berlin", "America/New_York", None)
EDITS = (
    ("topic: product-news\n", "topic: product-news\non_change: migrate\n"),
    ("  - email: quiet-05-clock-change\n    at: month 7\n\n", ""),  # a mail goes
    ("  - email: quiet-08-year-on-a-page\n", "  - email: quiet-08-year-on-a-page\n    id: a-year-on-a-page\n"),  # another name
    ("    at: month 9\n", "    at: month 10\n"),  # another time
    ("    at: month 17\n", "    at: month 17\n\n  - email: enquiry-13-plants\n    at: month 18\n"),  # one more
    # one moves behind another, and into a branch
    ("  - email: quiet-12-phone-booths\n    at: month 21\n\n", ""),
    ("    at: month 23\n", "    at: month 23\n\n  - branch: large-house\n    if: \"monitors >= 5\"\n    then:\n"
     "      - email: quiet-12-phone-booths\n        after: 2 weeks\n"),
)  # fmt: skip

Sent = tuple[str, str, datetime]


class SilentRecipients(Recipients):
    """They read, perhaps, and do nothing, and every mailbox is there."""

    def intend(self, mail: Received) -> list[Intended]:
        return []


@dataclass(frozen=True, slots=True, kw_only=True)
class Lived:
    """What was told and what came. `otherwise`: passages that were sent anything but what they were told."""

    people: int
    changes: Changes
    told: int
    sent: int
    otherwise: Sequence[tuple[int, list[Sent], list[Sent]]]
    twice: int
    inside: int
    endings: Counter[str]


def live_through_edit(folder: Path, before: Compiled, people: int) -> Lived:
    """People come in over two years; then the cadence is edited; then two years more."""
    (folder / "world").mkdir()
    world = make_world(before, folder / "world", start=START, seed=1)
    world.recipients = SilentRecipients(seed=1)
    for month in range(MONTHS):
        with world.runtime.database.write() as tx:
            new = [add_person(tx, number) for number in range(people) if number % MONTHS == month]
            enrol_leads(tx, CADENCE, new)
        world.run(START + MONTH * (month + 1))
    after = edited_starter(folder / "edited")
    assert after.plan is not None, after.diagnostics
    with world.runtime.database.write() as tx:
        had = sent_by(tx)
        work = work_out(tx, after.plan, after.artifacts, whole=True)
        changes = apply_plan(tx, after.plan, after.artifacts)
        assert changes == work.changes
    told = {
        person[0]: [(mail.step_id, mail.email, mail.at) for mail in crowd.fate.after]
        for edited in work.edited
        for crowd in edited.crowds
        for person in crowd.people
    }
    world.run(START + MONTH * MONTHS * 2 + timedelta(days=120))
    return compared(world, people, changes, had, told)


def compared(world: World, people: int, changes: Changes, had: dict[int, list[Sent]], told: dict[int, list[Sent]]) -> Lived:
    with world.runtime.database.read() as tx:
        sent = sent_by(tx)
        since = {each: [mail for mail in mails if mail not in had.get(each, ())] for each, mails in sent.items()}
        since = {each: mails for each, mails in since.items() if mails}
        states = tx.run(sa.select(enrolments.c.state, enrolments.c.reason, enrolments.c.ended_at))
        endings = Counter(f"{row.state} ({row.reason})" if row.ended_at else "inside" for row in states)
    wanted = {each: mails for each, mails in told.items() if mails}
    return Lived(
        people=people,
        changes=changes,
        told=sum(map(len, wanted.values())),
        sent=sum(map(len, since.values())),
        otherwise=[
            (each, wanted.get(each, []), since.get(each, []))
            for each in sorted(wanted.keys() | since.keys())
            if wanted.get(each) != since.get(each)
        ],
        twice=sum(len(mails) - len({email for _step, email, _at in mails}) for mails in sent.values()),
        inside=endings["inside"],
        endings=endings,
    )


def add_person(tx: Tx, number: int) -> int:
    fields: dict[str, object] = {"first_name": f"Ada {number}", "monitors": number % 11}
    return add_lead(tx, email=f"person{number}@mail.example", fields=fields, zone=ZONES[number % len(ZONES)])


def edited_starter(folder: Path) -> Compiled:
    """The starter with the edits in its two-year cadence."""
    source = starter_folder()
    folder.mkdir(parents=True)
    for name in ("cadences", "templates"):
        shutil.copytree(source / name, folder / name)
    for file in source.glob("*.yaml"):
        shutil.copy(file, folder / file.name)
    path = folder / "cadences" / f"{CADENCE}.yaml"
    text = path.read_text(encoding="utf-8").split("\ntests:\n")[0]  # its own tests expect the old dates
    for old, new in EDITS:
        assert text.count(old) == 1, f"{text.count(old)} × {old!r}"
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
    return compile_workspace(folder, render=library)


def sent_by(tx: Tx) -> dict[int, list[Sent]]:
    chosen = (
        sa.select(touches.c.enrolment_id, touches.c.step_id, sends.c.email, sends.c.ended_at)
        .join(sends, sends.c.touch_id == touches.c.id)
        .where(sends.c.state == SendState.ACCEPTED)
        .order_by(sends.c.id)
    )
    found: dict[int, list[Sent]] = {}
    for row in tx.run(chosen):
        found.setdefault(row.enrolment_id, []).append((row.step_id, row.email, row.ended_at))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.simulate.starter_edit", description=__doc__)
    parser.add_argument("--people", type=int, default=5_000)
    given = parser.parse_args()
    began = time.perf_counter()
    with TemporaryDirectory(prefix="edit-") as folder:
        lived = live_through_edit(Path(folder), compile_workspace(starter_folder(), render=library), given.people)
    print("\n".join(lines(lived.changes)))
    print(f"{lived.people:,} people: {lived.told:,} mails were told, {lived.sent:,} were sent since")
    print(f"{len(lived.otherwise):,} people got anything else than told; {lived.twice:,} mails came twice")
    print(f"{dict(lived.endings)}; {time.perf_counter() - began:.0f} s")
    for each, wanted, got in lived.otherwise[:3]:
        print(f"  {each}: told {wanted}\n      got {got}")


if __name__ == "__main__":
    main()
