"""`handraiser sends`: mails by what became of them, and settling those of which nobody knows."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import click
import sqlalchemy as sa

from engine.claim import in_state
from engine.cli.opening import open_workspace
from engine.cli.options import NUMBER, counted, json_option, print_json, workspace_option
from engine.cli.pause import domain_named, known
from engine.cli.status_lines import PUT_OFF
from engine.database import Tx
from engine.deliver.doubt import call_accepted, call_all_accepted, send_again
from engine.domains import in_letters
from engine.errors import UsageError
from engine.schema import leads, sends
from engine.story.words import in_words
from engine.versions import declared_relays
from engine.vocabulary import SendState, Stream

MOST_LISTED = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One mail. `at`: when it ended, or is due, or was asked for. `lead`: its key."""

    number: int
    state: str
    reason: str | None
    at: datetime
    stream: str
    email: str
    lead: str
    relay: str | None
    server: str | None  # its words


@dataclass(frozen=True, slots=True, kw_only=True)
class Only:
    """Those to be listed; None: any. `domain`: of the recipient."""

    state: str | None
    reason: str | None
    relay: str | None
    domain: str | None


@click.command("sends")
@click.argument("verb", type=click.Choice(["list", "accept", "again"]), default="list")
@click.argument("numbers", type=NUMBER, nargs=-1)
@click.option("--state", type=click.Choice([state.value for state in SendState]), help="Only those in this state.")
@click.option("--reason", type=click.Choice([str(reason) for reason in PUT_OFF]), help="Only those that wait for this.")
@click.option("--relay", metavar="NAME", help="Only those that this relay had last.")
@click.option("--domain", metavar="NAME", help="Only those to addresses of this domain.")
@click.option("--all", "every", is_flag=True, help="With accept: all that are unknown.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=MOST_LISTED, show_default=True, help="How many to list.")
@workspace_option
@json_option
def sends_command(
    verb: str,
    numbers: tuple[int, ...],
    state: str | None,
    reason: str | None,
    relay: str | None,
    domain: str | None,
    every: bool,
    limit: int,
    workspace: Path,
    as_json: bool,
) -> None:
    """List mails, the newest first. Of those that are `unknown` nobody knows whether they arrived; settle them by their NUMBERS.

    `accept`: they arrived, as the mail server's own log says. `again`: one that somebody waits for goes once more, as it was.

    \b
    Example:
      handraiser sends --state unknown
      handraiser sends --state refused --domain example.com
      handraiser sends accept 1204 1207
      handraiser sends again 1205
    """
    if verb == "list" and numbers:
        raise UsageError("the list takes no NUMBERS; `handraiser explain LEAD` tells of one mail and why")
    if verb != "list" and bool(numbers) == (every and verb == "accept"):
        raise UsageError(f"which ones? `handraiser sends --state unknown` lists them; then: handraiser sends {verb} NUMBERS")
    only = Only(state=state, reason=reason, relay=relay, domain=domain and domain_named(domain))
    if verb != "list" and only != ANY:
        raise UsageError(f"--state, --reason, --relay and --domain are for the list; then: handraiser sends {verb} NUMBERS")
    _settings, database = open_workspace(workspace)
    if verb == "list":
        with database.read() as tx:
            found = list(listed(tx, only, limit))
            if relay is not None and not found:
                known(relay, "relay", declared_relays(tx))
        print_json([asdict(mail) for mail in found]) if as_json else click.echo("\n".join(lines_of(found, limit)))
        return
    with database.write() as tx:
        settled = settle(tx, verb, numbers)
    print_json({verb: settled}) if as_json else click.echo(SAID[verb].format(counted(settled, "mail")))


ANY = Only(state=None, reason=None, relay=None, domain=None)
SAID = {"accept": "{} settled as accepted.", "again": "{} made due: a worker sends it again, the same to the byte."}


def settle(tx: Tx, verb: str, numbers: Sequence[int]) -> int:
    if verb == "again":
        return send_again(tx, numbers)
    return call_accepted(tx, numbers) if numbers else call_all_accepted(tx)


def listed(tx: Tx, only: Only, limit: int) -> Iterator[Mail]:
    at = sa.func.coalesce(sends.c.ended_at, sends.c.due_at, sends.c.created_at)
    mails = sends.join(leads, leads.c.id == sends.c.lead_id)
    chosen = sa.select(sends, leads.c.key.label("lead_key"), at.label("at")).select_from(mails).where(*those(only)).limit(limit)
    newest = sends.c.ended_at if only.state == SendState.UNKNOWN else sends.c.id  # which there is an index for
    for row in tx.run(chosen.order_by(newest.desc())):
        yield Mail(
            number=row.id,
            state=row.state,
            reason=in_words(row.reason) if row.reason else None,
            at=row.at,
            stream=row.stream,
            email=row.email,
            lead=row.lead_key,
            relay=row.relay,
            server=" ".join(str(part) for part in (row.smtp_code, row.smtp_reply) if part) or None,
        )


def those(only: Only) -> Iterator[sa.ColumnElement[bool]]:
    if only.state is not None:
        yield in_state(sends, only.state)
    if only.reason is not None:
        yield in_state(sends, SendState.READY)
        yield sends.c.reason == only.reason
    if only.relay is not None:
        yield sends.c.relay == only.relay
    if only.domain is not None:  # notices about leads go to reps
        yield sends.c.stream != Stream.INTERNAL
        yield sa.or_(*(sa.func.lower(leads.c.email).endswith(f"@{name}", autoescape=True) for name in spellings(only.domain)))


def spellings(domain: str) -> set[str]:
    """As addresses may have it: in ASCII, and in letters."""
    return {domain, in_letters(domain)}


def lines_of(found: Sequence[Mail], limit: int) -> Iterator[str]:
    if not found:
        yield "There is none."
    for mail in found:
        what = f"{mail.stream}: {mail.email} to {mail.lead}" + (f" through {mail.relay}" if mail.relay else "")
        yield f"{mail.number:>9}  {mail.at:%Y-%m-%d %H:%M} UTC  {mail.state:<10} {what}"
        yield from (
            f"{'':>11}{words}" for words in (mail.reason, mail.server and f"the mail server said: {mail.server}") if words
        )
    if len(found) == limit:
        yield f"These are the newest {limit:,}; --limit shows more."
