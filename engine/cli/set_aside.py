"""`handraiser set-aside`: rows that were tried three times and never finished, and letting them try again."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import sqlalchemy as sa

from engine.claim import NOUNS, POST, REACTION, SEND, TOUCH, Noun, is_set_aside, take_up_again
from engine.cli.opening import open_workspace
from engine.cli.options import counted, json_option, print_json, workspace_option
from engine.database import Tx
from engine.schema import enrolments, events, leads, posts, reactions, sends, touches

MOST_LISTED = 50  # of a noun


@dataclass(frozen=True, slots=True, kw_only=True)
class Aside:
    """One row. `number`: its id, by which the log names it; `what`: which step, email, event or webhook; `lead`: its key."""

    noun: str
    number: int
    what: str
    lead: str | None


@click.command("set-aside")
@click.argument("verb", type=click.Choice(["list", "release"]), default="list")
@click.option("--only", type=click.Choice(list(NOUNS)), help="Only rows of this kind.")
@workspace_option
@json_option
def set_aside_command(verb: str, only: str | None, workspace: Path, as_json: bool) -> None:
    """List what was tried three times and never finished, so that it harms nothing else; `release` lets it try again.

    The log of the workers says why: look for "a job failed" with the row's number. Mend that first, then release.

    \b
    Example:
      handraiser set-aside
      handraiser set-aside release --only touch
    """
    _settings, database = open_workspace(workspace)
    nouns = [NOUNS[only]] if only else list(NOUNS.values())
    if verb == "release":
        with database.write() as tx:
            released = {noun.name: number for noun in nouns if (number := take_up_again(tx, noun))}
        said = ", ".join(counted(number, name) for name, number in released.items())
        print_json(released) if as_json else click.echo(f"Due now: {said}." if released else "Nothing is set aside.")
        return
    with database.read() as tx:
        found = [row for noun in nouns for row in listed(tx, noun)]
    print_json([asdict(row) for row in found]) if as_json else click.echo("\n".join(lines_of(found)))


def listed(tx: Tx, noun: Noun) -> Iterator[Aside]:
    what, joined = TOLD[noun.name]
    chosen = sa.select(noun.table.c.id, what.label("what"), leads.c.key.label("lead")).select_from(joined)
    for row in tx.run(chosen.where(is_set_aside(noun)).order_by(noun.table.c.id).limit(MOST_LISTED)):
        yield Aside(noun=noun.name, number=row.id, what=row.what, lead=row.lead)


def lines_of(found: Sequence[Aside]) -> Iterator[str]:
    if not found:
        yield "Nothing is set aside."
        return
    for row in found:
        yield f"{row.noun:<9}{row.number:>9}  {row.what}{f', {row.lead}' if row.lead else ''}"
    yield "The log says why (look for the number); `handraiser set-aside release` lets them try again."


TOLD = {
    TOUCH.name: (
        enrolments.c.cadence + " / " + touches.c.step_id,
        touches.join(enrolments, enrolments.c.id == touches.c.enrolment_id).join(leads),
    ),
    SEND.name: (sends.c.email, sends.join(leads, leads.c.id == sends.c.lead_id)),
    REACTION.name: (events.c.type, reactions.join(events).outerjoin(leads)),
    POST.name: (posts.c.webhook, posts.join(leads)),
}
