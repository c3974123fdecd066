"""`handraiser resume`: let go what was held back."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click

from engine.cli.opening import open_workspace
from engine.cli.options import counted, json_option, print_json, workspace_option
from engine.cli.pause import NAMED, WHAT, carried_through, checked, domain_named, known, tell
from engine.cli.restored import resume_restored
from engine.database import Database, Tx
from engine.deliver.breaker import RELAYS, ROUTES, ask_again, left_alone
from engine.errors import UsageError
from engine.pauses import WHOLE, Pause, pauses_seen
from engine.schedule.catch_up import current
from engine.schedule.pause import resume
from engine.story.held_back import called
from engine.vocabulary import PauseKind

BREAKERS = {PauseKind.RELAY: RELAYS, PauseKind.DOMAIN: ROUTES}


@click.command("resume")
@click.argument("what", type=click.Choice([*(each.value for each in WHAT), PauseKind.RESTORED.value]), required=False)
@click.argument("name", required=False)
@click.option(
    "--from", "until", metavar="INSTANT", help="With `restored`: from when on this database may send. Default: since it is held."
)
@click.option("--moved", is_flag=True, help="With `restored`: nothing was sent since the copy was made.")
@workspace_option
@json_option
def resume_command(what: str | None, name: str | None, until: str | None, moved: bool, workspace: Path, as_json: bool) -> None:
    """Let go what `handraiser pause` held back; without a word more, tell what is held back and since when.

    A relay or a domain that is left alone because of its own trouble is tried at once: say so when it is mended.

    A cadence goes on later by the days that it stood still. Other mail that became overdue is let out little by little.

    `restored` is for a database that is held because it is a copy, or older than the mail that was sent. Stop the old one first.
    If that sent nothing after the copy was made, say --moved. Else what was due since counts as perhaps sent and is not sent
    again, up to the INSTANT at which the old one stopped (2026-11-22T14:30, UTC).

    \b
    Example:
      handraiser resume marketing
      handraiser resume cadence new-enquiry
      handraiser resume restored --from 2026-11-22T14:30
    """
    if (until or moved) and what != PauseKind.RESTORED:
        raise UsageError("--from and --moved are for `handraiser resume restored`")
    settings, database = open_workspace(workspace)
    if what is None:
        tell(database, as_json=as_json)
        return
    if what == PauseKind.RESTORED:
        resume_restored(settings, database, until=until, moved=moved, as_json=as_json)
        return
    with database.write() as tx:
        kind, name = meant(tx, PauseKind(what), name)
        ended = resume(tx, kind, name)
        is_asked = kind in BREAKERS and ask_again(tx, BREAKERS[kind], name)
        catching_up = current(tx)
    if as_json:
        held = asdict(ended) if ended else {"kind": kind, "name": name, "since": None, "note": None}
        print_json(held | {"was_held_back": ended is not None, "is_tried_again": is_asked})
    else:
        click.echo("\n".join(told(kind, name, ended, is_asked=is_asked)))
    if ended is not None and kind == PauseKind.CADENCE:
        say_gone_on(carried_through(database), as_json=as_json)
    elif ended is not None and catching_up is not None and not as_json:
        click.echo("What became overdue goes out little by little; `handraiser catch-up` shows when.")
    warn(database, as_json=as_json)


def told(kind: PauseKind, name: str, ended: Pause | None, *, is_asked: bool) -> Iterator[str]:
    if ended is not None:
        yield f"{called(ended)} goes on, held back since {ended.since:%a %d %b %H:%M} UTC."
    if is_asked:
        yield f"The {kind} {name} was left alone and is tried again now; `handraiser status` tells how it goes."
    if ended is None and not is_asked:
        yield "It was not held back."


def meant(tx: Tx, kind: PauseKind, name: str | None) -> tuple[PauseKind, str]:
    """What is held back. Raises UsageError for a name of which nothing is."""
    if kind not in NAMED:
        return kind, WHOLE
    held = [each for paused, each in pauses_seen(tx).held if paused == kind]
    held += left_alone(tx, BREAKERS[kind]) if kind in BREAKERS else []
    if not name:
        raise UsageError(f"which {kind}? Held back: {', '.join(held) or 'none'}")
    name = domain_named(name) if kind == PauseKind.DOMAIN else name
    return kind, known(name, f"{kind} that is held back", sorted(set(held))) if held else checked(tx, kind, name)


def say_gone_on(passages: int, *, as_json: bool) -> None:
    if not as_json:
        click.echo(f"{counted(passages, 'passage')} go{'es' if passages == 1 else ''} on. Who is with sales stays there.")


def warn(database: Database, *, as_json: bool) -> None:
    """Tell what still holds, so that nobody wonders why nothing goes out."""
    with database.read() as tx:
        is_held = bool(pauses_seen(tx).held)
    if is_held and not as_json:
        click.echo("Still held back:")
        tell(database, as_json=False)
