"""`handraiser catch-up`: what was held up while nothing ran, when it will go out, and what an operator may do about it."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import click
import sqlalchemy as sa

from engine.cli.opening import open_workspace
from engine.cli.options import json_option, print_json, workspace_option
from engine.database import Tx
from engine.errors import UsageError
from engine.schedule.catch_up import CatchUp, current, let_all_go, skip_all
from engine.schedule.hold import Hold, let_go, marketing_hold
from engine.schema import enrolments, touches
from engine.vocabulary import Reason, TouchState


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Mails of one step that wait for their turn."""

    cadence: str
    step: str
    mails: int
    first_at: datetime | None
    last_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    catch_up: CatchUp | None
    waiting: tuple[Waiting, ...]
    hold: Hold | None


@click.command("catch-up")
@click.option("--now", "now", is_flag=True, help="Let all of it go as soon as windows and gaps allow, without a limit an hour.")
@click.option("--skip", "skip", is_flag=True, help="Leave all of it out; the passages go on with what comes next.")
@click.option("--clock-is-right", "clock_is_right", is_flag=True, help="Marketing goes on after the clock jumped ahead.")
@workspace_option
@json_option
def catch_up_command(now: bool, skip: bool, clock_is_right: bool, workspace: Path, as_json: bool) -> None:
    """Show what was held up while nothing ran, and when it goes out. It is spread by itself: no burst, nobody twice in a gap.

    \b
    Example:
      handraiser catch-up
    """
    if now + skip + clock_is_right > 1:
        raise UsageError("say one of --now, --skip and --clock-is-right")
    _settings, database = open_workspace(workspace)
    if now or skip or clock_is_right:
        with database.write() as tx:
            click.echo(done(tx, now=now, skip=skip))
        return
    with database.read() as tx:
        found = Seen(catch_up=current(tx), waiting=waiting_of(tx), hold=marketing_hold(tx))
    print_json(asdict(found)) if as_json else click.echo("\n".join(lines_of(found)))


def done(tx: Tx, *, now: bool, skip: bool) -> str:
    if now:
        return f"{let_all_go(tx):,} mails go as soon as their windows are open."
    if skip:
        return f"{skip_all(tx):,} mails are left out, as too late."
    return "Marketing goes on." if let_go(tx) else "Marketing is not held."


def waiting_of(tx: Tx) -> tuple[Waiting, ...]:
    chosen = (
        sa.select(
            enrolments.c.cadence,
            touches.c.step_id,
            sa.func.count().label("mails"),
            sa.func.min(touches.c.due_at).label("first_at"),
            sa.func.max(touches.c.due_at).label("last_at"),
        )
        .join_from(touches, enrolments, enrolments.c.id == touches.c.enrolment_id)
        .where(touches.c.state == TouchState.WAITING, touches.c.reason == Reason.CATCH_UP)
        .group_by(enrolments.c.cadence, touches.c.step_id)
        .order_by(enrolments.c.cadence, touches.c.step_id)
    )
    return tuple(
        Waiting(cadence=row.cadence, step=row.step_id, mails=row.mails, first_at=row.first_at, last_at=row.last_at)
        for row in tx.run(chosen)
    )


def lines_of(found: Seen) -> Iterator[str]:
    if found.hold is not None:
        yield in_words_of_hold(found.hold)
    if found.catch_up is None:
        yield "Nothing is held up."
        return
    yield in_words(found.catch_up)
    for each in found.waiting:
        yield f"  {each.mails:>7,}  {each.cadence} / {each.step}: {moment(each.first_at)} – {moment(each.last_at)}"
    yield "Let all go without a limit an hour: --now. Leave all out: --skip."


def in_words(one: CatchUp) -> str:
    """For `status` and `up` as well."""
    rate = f"at most {one.per_hour:,} mails an hour in all" if one.per_hour else "without a limit an hour"
    return (
        f"Nothing ran from {moment(one.since)} to {moment(one.found_at)}. {one.mails:,} mails that were held up go out by "
        f"{moment(one.until)}, {rate}; {one.skipped:,} were too late and are skipped."
    )


def in_words_of_hold(hold: Hold) -> str:
    return (
        f"The clock jumped ahead by {hold.ahead} (it showed {moment(hold.noticed_at)}): marketing is held until it comes back. "
        "If it is right now: `handraiser catch-up --clock-is-right`."
    )


def moment(instant: datetime | None) -> str:
    return f"{instant:%a %d %b %H:%M} UTC" if instant else "a time to come"
