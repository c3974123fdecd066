"""`handraiser resume restored`: after a backup was put back, a server was cloned or a workspace was moved.

Before: a process found that its database may be older than the world, and holds everything. After: it is the one there is.
"""

import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import click
import sqlalchemy as sa

from engine.cli.options import counted, print_json
from engine.database import Database, Tx
from engine.errors import UsageError
from engine.processes.live_again import live_again
from engine.schedule.restored import Restored, accept, restored
from engine.schema import leads, sends
from engine.settings import Settings
from engine.vocabulary import Reason, Stream

MOST_NAMED = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Awaited:
    """A mail that somebody waits for and perhaps has. `lead`: its key."""

    email: str
    lead: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PerhapsSent:
    """What was due between the backup and `until`, and is not sent again."""

    since: datetime
    until: datetime
    marketing: int
    awaited: tuple[Awaited, ...]


def resume_restored(settings: Settings, database: Database, *, until: str | None, moved: bool, as_json: bool) -> None:
    """Raises UsageError for an instant that cannot be."""
    if until and moved:
        raise UsageError("say either --from or --moved: what was moved ran until it was stopped, and sent nothing since")
    with database.read() as tx:
        held, now = restored(tx), tx.now
    if held is None:
        print_json(None) if as_json else click.echo("It was not held back: this database is what it was.")
        return
    end = None if moved else checked(until, held, now)
    if end is not None:
        live_through(settings, database, held, end)
    with database.write() as tx:
        accept(tx, lived_until=end)
        found = perhaps_sent(tx, held.snapshot_at, end or held.snapshot_at)
    print_json(asdict(found)) if as_json else click.echo("\n".join(in_words(found, moved=moved)))


def checked(text: str | None, held: Restored, now: datetime) -> datetime:
    """Until when the lost world ran; where nobody says, until we held."""
    if text is None:
        return held.held_at
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"--from {text!r} is no instant; write it as 2026-11-22T14:30 (in UTC) or with +01:00") from error
    instant = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    if instant > now:
        raise UsageError(f"--from {text}: that is still to come. Name the instant from which on this database may send.")
    return max(instant, held.snapshot_at)


def live_through(settings: Settings, database: Database, held: Restored, end: datetime) -> None:
    whole = (end - held.snapshot_at).total_seconds() or 1.0
    with click.progressbar(length=100, label="Going through what was due meanwhile", file=sys.stderr) as bar:

        def progress(now: datetime) -> None:
            bar.update(min(100, int(100 * (now - held.snapshot_at).total_seconds() / whole)) - bar.pos)

        live_again(settings, database, since=held.snapshot_at, until=end, progress=progress)


def perhaps_sent(tx: Tx, since: datetime, until: datetime) -> PerhapsSent:
    lost = (sends.c.reason == Reason.RESTORED, sends.c.ended_at >= since, sends.c.ended_at <= until)
    of_marketing = sa.select(sa.func.count()).select_from(sends).where(*lost, sends.c.stream == Stream.MARKETING)
    awaited = sa.select(sends.c.email, leads.c.key, sends.c.attempting_at).join(leads, leads.c.id == sends.c.lead_id)
    rows = tx.run(awaited.where(*lost, sends.c.stream != Stream.MARKETING).order_by(sends.c.attempting_at, sends.c.id))
    return PerhapsSent(
        since=since,
        until=until,
        marketing=tx.run(of_marketing).scalar_one(),
        awaited=tuple(Awaited(email=row.email, lead=row.key, at=row.attempting_at) for row in rows),
    )


def in_words(found: PerhapsSent, *, moved: bool) -> Iterator[str]:
    goes_on = "Mail goes on. What became overdue goes out little by little; `handraiser catch-up` shows when."
    if moved:
        yield goes_on
        return
    until = f"{found.until:%a %d %b %H:%M} UTC"
    yield f"Due up to {until}, perhaps sent, and not sent again: {counted(found.marketing, 'marketing mail')}."
    if found.awaited:
        yield f"{counted(len(found.awaited), 'mail')} that somebody waits for as well. Look whether they have it:"
    for each in found.awaited[:MOST_NAMED]:
        yield f"  {each.at:%a %d %b %H:%M} UTC  {each.email}  {each.lead}"
    if len(found.awaited) > MOST_NAMED:
        yield f"  … and {len(found.awaited) - MOST_NAMED:,} more; --json names them all"
    yield goes_on
