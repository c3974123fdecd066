"""`handraiser status`: what is due, what went out, what needs a person."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

import click
import sqlalchemy as sa

from engine.claim import NOUNS, QUARANTINE_AFTER, Noun, in_state
from engine.cli.catch_up import in_words, in_words_of_hold
from engine.cli.opening import open_workspace
from engine.cli.options import counted, json_option, print_json, workspace_option
from engine.database import Tx
from engine.processes.reach import broker_answers
from engine.schedule.catch_up import CatchUp, current
from engine.schedule.hold import Hold, marketing_hold
from engine.schema import enrolments, handoffs, leads, posts, sends, suppressions, tasks, touches, workers
from engine.story.held_back import held_back
from engine.vocabulary import HandoffState, Reason, SendState, Stream, TaskState

LATELY = timedelta(days=7)
WENT_OUT = (SendState.ACCEPTED, SendState.UNKNOWN)
DUE = {"touch": "step", "send": "mail", "reaction": "reaction", "post": "post"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Counts, as of now. `set_aside`: rows by noun that were tried three times and wait for somebody to look.

    `came_late`, `not_sent`: transactional mail of the last week that was too late, and went out all the same or not.
    `broker_answers`: None where there is none between processes.
    """

    leads: int
    suppressions: int
    passages: Mapping[str, int]
    mail: Mapping[str, int]
    posts: Mapping[str, int]
    due: Mapping[str, int]
    next_touch_at: datetime | None
    handoffs: Mapping[str, int]
    handoffs_late: int
    tasks_late: int
    came_late: int
    not_sent: int
    set_aside: Mapping[str, int]
    processes: tuple[str, ...]
    broker_answers: bool | None
    held_back: tuple[str, ...]
    catch_up: CatchUp | None
    hold: Hold | None


@click.command("status")
@workspace_option
@json_option
def status_command(workspace: Path, as_json: bool) -> None:
    """Count what is in the database: people, passages, what is due, what was sent, what needs somebody to look.

    \b
    Example:
      handraiser status
    """
    settings, database = open_workspace(workspace)
    reached = broker_answers(settings.broker_url)
    with database.read() as tx:
        found = status_of(tx, reached)
    print_json(asdict(found)) if as_json else click.echo("\n".join(lines_of(found)))


def status_of(tx: Tx, broker_answers: bool | None) -> Status:
    alive = sa.select(workers).where(workers.c.lease_until >= tx.now).order_by(workers.c.started_at)
    return Status(
        leads=count(tx, leads),
        suppressions=count(tx, suppressions),
        passages=by_state(tx, enrolments),
        mail=by_state(tx, sends),
        posts=by_state(tx, posts),
        due={noun.name: count(tx, noun.table, is_open(noun), noun.table.c.due_at <= tx.now) for noun in NOUNS.values()},
        next_touch_at=tx.run(sa.select(sa.func.min(touches.c.due_at)).where(in_state(touches, "waiting"))).scalar(),
        handoffs=by_state(tx, handoffs),
        handoffs_late=count(tx, handoffs, handoffs.c.state == HandoffState.RAISED, handoffs.c.answer_by < tx.now),
        tasks_late=count(tx, tasks, tasks.c.state == TaskState.OPEN, tasks.c.due_at < tx.now),
        came_late=count(tx, sends, *awaited_lately(tx), sends.c.waited_for == Reason.LATE, sends.c.state.in_(WENT_OUT)),
        not_sent=count(tx, sends, *awaited_lately(tx), sends.c.reason == Reason.LATE),
        set_aside={noun.name: number for noun in NOUNS.values() if (number := count_set_aside(tx, noun))},
        processes=tuple(f"{row.kind} ({row.host.partition(' ')[0]}, {row.pid})" for row in tx.run(alive)),
        broker_answers=broker_answers,
        held_back=held_back(tx),
        catch_up=current(tx),
        hold=marketing_hold(tx),
    )


def count(tx: Tx, table: sa.Table, *where: sa.ColumnElement[bool]) -> int:
    found: int = tx.run(sa.select(sa.func.count()).select_from(table).where(*where)).scalar_one()
    return found


def awaited_lately(tx: Tx) -> tuple[sa.ColumnElement[bool], ...]:
    return sends.c.stream == Stream.TRANSACTIONAL, sends.c.ended_at > tx.now - LATELY


def by_state(tx: Tx, table: sa.Table) -> dict[str, int]:
    grouped = sa.select(table.c.state, sa.func.count().label("rows")).group_by(table.c.state).order_by(table.c.state)
    return {row.state: row.rows for row in tx.run(grouped)}


def is_open(noun: Noun) -> sa.ColumnElement[bool]:
    return in_state(noun.table, noun.open_state)


def count_set_aside(tx: Tx, noun: Noun) -> int:
    return count(tx, noun.table, is_open(noun), noun.table.c.due_at.is_(None), noun.table.c.claims >= QUARANTINE_AFTER)


def lines_of(found: Status) -> Iterator[str]:
    yield f"leads       {found.leads:,}, {found.suppressions:,} suppressions"
    yield f"passages    {listed(found.passages)}"
    yield f"mail        {listed(found.mail)}"
    if found.posts:
        yield f"posts       {listed(found.posts)}"
    yield f"due now     {', '.join(counted(number, DUE[noun]) for noun, number in found.due.items())}"
    yield f"next touch  {found.next_touch_at:%Y-%m-%d %H:%M} UTC" if found.next_touch_at else "next touch  none is planned"
    yield f"hand-offs   {listed(found.handoffs)}"
    yield f"processes   {', '.join(found.processes) or 'none is running: `handraiser up` starts one'}"
    if found.broker_answers is False:
        yield "LOOK: the broker that HANDRAISER_BROKER_URL names does not answer: nothing is begun until it does"
    for held in found.held_back:
        yield f"LOOK: {held}"
    if found.hold:
        yield f"LOOK: {in_words_of_hold(found.hold)}"
    if found.catch_up:
        yield f"LOOK: {in_words(found.catch_up)} See `handraiser catch-up`."
    if found.handoffs_late:
        yield f"LOOK: {found.handoffs_late:,} raised hands were not answered in time: `handraiser handoffs`"
    if found.tasks_late:
        yield f"LOOK: {found.tasks_late:,} tasks of reps are overdue: `handraiser tasks`"
    if found.came_late or found.not_sent:
        fate = f"{found.came_late:,} went out all the same, {found.not_sent:,} did not"
        yield f"LOOK: mail that somebody waited for was later than its `valid_for:` allows, in the last week: {fate}"
    if found.set_aside:
        yield f"LOOK: tried three times and set aside: {listed(found.set_aside)}"


def listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in counts.items()) or "none"
