"""`handraiser enrol`: takes leads into a cadence."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import click
import sqlalchemy as sa

from engine.claim import in_state
from engine.cli.opening import open_workspace
from engine.cli.options import json_option, print_json, workspace_option
from engine.database import Database, Tx
from engine.errors import UsageError
from engine.leads import find_lead
from engine.schedule.enrol import Enrolled, enrol_leads
from engine.schedule.segments import every_lead, leads_in_segment
from engine.schema import enrolments, touches
from engine.vocabulary import NotEnrolled, TouchState

FURTHEST = timedelta(days=3_660)  # ten years: whoever writes a day further away than that meant another

IN_WORDS = {
    NotEnrolled.NO_LEAD: "are not there any more",
    NotEnrolled.INSIDE: "are in this cadence already",
    NotEnrolled.NO_ADDRESS: "have no email address",
    NotEnrolled.SUPPRESSED: "must not be written to (opted out, bounced or complained)",
    NotEnrolled.CONSENT_REFUSED: "refused mail on this topic",
    NotEnrolled.CONSENT_UNKNOWN: "never agreed to mail on this topic, and workspace.yaml says `consent: {unknown: hold}`",
    NotEnrolled.HAD_BEFORE: "had it before (--again takes them in all the same)",
}


@click.command("enrol")
@click.argument("cadence")
@click.option("--lead", "keys", multiple=True, metavar="KEY", help="A lead's key or email; may be given more than once.")
@click.option("--segment", metavar="NAME", help="Everybody who is in this segment now.")
@click.option("--all", "everybody", is_flag=True, help="Every lead.")
@click.option("--at", "day", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="Day 0, in each lead's zone. Default: now.")
@click.option("--again", is_flag=True, help="Also those who have been through it before, whatever its `reentry` says.")
@workspace_option
@json_option
def enrol_command(
    cadence: str,
    keys: tuple[str, ...],
    segment: str | None,
    everybody: bool,
    day: datetime | None,
    again: bool,
    workspace: Path,
    as_json: bool,
) -> None:
    """Take leads into CADENCE. Who may not be written to, or is inside already, is left out and counted. Safe to repeat.

    Who has been through it before comes in again only where its `reentry` allows it by now, or with --again.

    \b
    Examples:
      handraiser enrol new-enquiry --lead rosa.khan@weber.example
      handraiser enrol quiet-customer --segment quiet --at 2026-09-01
    """
    if sum((bool(keys), segment is not None, everybody)) != 1:
        raise UsageError("Say whom to enrol with one of --lead KEY (as often as needed), --segment NAME or --all.")
    _settings, database = open_workspace(workspace)
    with database.read() as tx:
        require_near(day, tx.now)
        began_at, people = tx.now, list(chosen(tx, keys, segment))
    done = enrol_all(database, cadence, people, day.date() if day else None, again=again, show=not as_json)
    if as_json:
        print_json({"enrolled": done.enrolled, "left_out": done.left_out})
        return
    with database.read() as tx:
        click.echo("\n".join((*lines(done), *lines_of_waiting(tx, cadence, began_at))))


def require_near(day: datetime | None, now: datetime) -> None:
    if day is not None and abs(day.date() - now.date()) > FURTHEST:
        raise UsageError(f"--at {day.date()} is more than ten years away. Nobody was enrolled; look at the year.")


def chosen(tx: Tx, keys: Iterable[str], segment: str | None) -> Iterator[list[int]]:
    """The ids of the leads meant, some at a time; every lead when neither is given."""
    if keys:
        yield [lead_of(tx, key) for key in keys]
    elif segment is not None:
        yield from leads_in_segment(tx, segment)
    else:
        yield from every_lead(tx)


def lead_of(tx: Tx, key: str) -> int:
    found = find_lead(tx, key)
    if found is None:
        raise UsageError(f"There is no lead {key!r}. Nobody was enrolled; look at the spelling or import the lead first.")
    return found.id


def enrol_all(
    database: Database, cadence: str, people: list[list[int]], day: date | None, *, again: bool, show: bool
) -> Enrolled:
    """A transaction for each thousand, so that sending goes on meanwhile; stopped half-way, it can simply be run again."""
    enrolled, left_out = 0, Counter[str]()
    with click.progressbar(people or [[]], label=f"Enrolling in {cadence}", hidden=not show) as parts:
        for some in parts:
            with database.write() as tx:
                done = enrol_leads(tx, cadence, some, anchor_on=day, again=again)
            enrolled += done.enrolled
            left_out.update(done.left_out)
    return Enrolled(enrolled=enrolled, left_out=dict(left_out))


def lines(done: Enrolled) -> Iterator[str]:
    yield f"{done.enrolled:,} enrolled."
    for reason, count in sorted(done.left_out.items()):
        yield f"  {count:,} left out: they {IN_WORDS[NotEnrolled(reason)]}"


def lines_of_waiting(tx: Tx, cadence: str, began_at: datetime) -> Iterator[str]:
    """Says so when nothing of those who have just come in is due yet: an empty outbox until Monday looks like a mistake."""
    waiting = (
        sa.select(sa.func.min(touches.c.due_at))
        .join_from(touches, enrolments, enrolments.c.id == touches.c.enrolment_id)
        .where(enrolments.c.cadence == cadence, enrolments.c.created_at >= began_at, in_state(touches, TouchState.WAITING))
    )
    due_at = tx.run(waiting).scalar()
    if due_at is not None and due_at > tx.now:
        yield f"Their first step is due on {due_at:%a %d %b %Y at %H:%M} UTC, when its sending window is open."
