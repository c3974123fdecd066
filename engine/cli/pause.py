"""`handraiser pause`: hold back all mail, all marketing, a cadence, a relay or a recipient domain; or tell what is held back."""

import re
from collections.abc import Sequence
from dataclasses import asdict
from difflib import get_close_matches
from pathlib import Path

import click
import sqlalchemy as sa

from engine.cli.opening import open_workspace
from engine.cli.options import counted, json_option, print_json, workspace_option
from engine.database import Database, Tx
from engine.domains import domain_of
from engine.errors import UsageError
from engine.pauses import WHOLE, pauses_seen
from engine.schedule.pause import keep_still, pause
from engine.schema import cadences
from engine.story.held_back import held_back
from engine.versions import live_rules
from engine.vocabulary import PauseKind

NAMED = (PauseKind.CADENCE, PauseKind.RELAY, PauseKind.DOMAIN)
WHAT = (PauseKind.ALL, PauseKind.MARKETING, *NAMED)
LONGEST_NOTE = 500
DOMAIN = re.compile(r"([^\s/:.]{1,63}\.)+[^\s/:.]{1,63}")


@click.command("pause")
@click.argument("what", type=click.Choice([each.value for each in WHAT]), required=False)
@click.argument("name", required=False)
@click.option("--note", default="", help="Why, for whoever looks at it later.")
@workspace_option
@json_option
def pause_command(what: str | None, name: str | None, note: str, workspace: Path, as_json: bool) -> None:
    """Hold back mail until `handraiser resume`; without a word more, tell what is held back and since when.

    `all` is everything, also what people wait for. A cadence stands still, and its people go on later by those days. The mail
    of a paused relay goes through others, if one fits.

    \b
    Example:
      handraiser pause marketing --note "wrong price in the March letter"
      handraiser pause cadence new-enquiry
      handraiser pause domain example.com
    """
    _settings, database = open_workspace(workspace)
    if what is None:
        tell(database, as_json=as_json)
        return
    kind = PauseKind(what)
    with database.write() as tx:
        name = checked(tx, kind, name)
        is_new = pause(tx, kind, name, note[:LONGEST_NOTE])
    stopped = carried_through(database) if kind == PauseKind.CADENCE else 0
    tell(database, as_json=as_json)
    if not as_json and not is_new:
        click.echo("It was held back before, and stays so.")
    if not as_json and stopped:
        click.echo(f"{counted(stopped, 'passage')} stand{'s' if stopped == 1 else ''} still.")


def tell(database: Database, *, as_json: bool) -> None:
    with database.read() as tx:
        held, told = pauses_seen(tx).held.values(), held_back(tx)
    print_json([asdict(each) for each in held]) if as_json else click.echo("\n".join(told) or "Nothing is held back.")


def carried_through(database: Database) -> int:
    """Stop, or let go on, all passages that the pauses ask for, a part at a time so that others get their turns; how many."""
    total = 0
    while True:
        with database.write() as tx:
            found = keep_still(tx)
        if not found:
            return total
        total += found


def checked(tx: Tx, kind: PauseKind, name: str | None) -> str:
    """The name as the rows have it. Raises UsageError for one that is missing, unknown or too much."""
    if kind not in NAMED:
        if name:
            raise UsageError(f"`{kind}` takes no name: handraiser pause {kind}")
        return WHOLE
    if not name:
        raise UsageError(f"which {kind}? handraiser pause {kind} NAME")
    if kind == PauseKind.CADENCE:
        return known(name, "cadence", [str(each) for each in tx.run(sa.select(cadences.c.name)).scalars()])
    if kind == PauseKind.RELAY:
        return known(name, "relay", [relay.name for relay in live_rules(tx).policy.relays])
    return domain_named(name)


def known(name: str, what: str, names: Sequence[str]) -> str:
    if name in names:
        return name
    meant = get_close_matches(name, names, n=1)
    hint = f"did you mean {meant[0]!r}?" if meant else f"there are: {', '.join(sorted(names)) or 'none yet'}"
    raise UsageError(f"there is no {what} {name!r}; {hint}")


def domain_named(name: str) -> str:
    """As it stands in addresses on the wire: what follows the @, in lower case, an international one as its ASCII form."""
    domain = domain_of(name.strip().rstrip("."))
    if not domain.isascii() or not DOMAIN.fullmatch(domain):
        raise UsageError(f"{name!r} is no domain; write what follows the @ in its addresses, such as example.com")
    return domain
