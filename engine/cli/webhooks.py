"""`handraiser webhooks`: what other systems are told, how that goes, and the secrets by which they can check it."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import sqlalchemy as sa

from engine.cli.opening import open_workspace
from engine.cli.options import json_option, print_json, workspace_option
from engine.database import Tx
from engine.errors import UsageError
from engine.posts.sign import spelt_secret
from engine.schema import posts
from engine.tokens import Tokens
from engine.versions import live_rules
from engine.vocabulary import PostState


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One webhook. `posts`: how many are in which state. `trouble`: what came back from the last one that did not go well."""

    name: str
    url: str
    posts: Mapping[str, int]
    trouble: str | None


@click.command("webhooks")
@click.argument("verb", type=click.Choice(["list", "secret"]), default="list")
@click.argument("name", required=False)
@workspace_option
@json_option
def webhooks_command(verb: str, name: str | None, workspace: Path, as_json: bool) -> None:
    """List the webhooks that are in force and how their posts went, or print the secret of one by its NAME.

    The secret goes to whoever runs the other system: with it they check that a post is ours (Standard Webhooks).

    \b
    Example:
      handraiser webhooks
      handraiser webhooks secret crm
    """
    settings, database = open_workspace(workspace)
    with database.read() as tx:
        found = list(told(tx))
    if verb == "list" and name is not None:
        raise UsageError("the list takes no NAME: it is of all")
    if verb == "list":
        print_json([asdict(one) for one in found]) if as_json else click.echo("\n".join(lines_of(found)))
        return
    if name not in {one.name for one in found}:
        known = ", ".join(one.name for one in found) or "none; `webhooks:` in workspace.yaml names them"
        raise UsageError(f"there is no webhook {name or ''!r} in force. There are: {known}")
    secret = spelt_secret(Tokens(settings.require_secret()).webhook_secrets(str(name))[0])
    print_json({"name": name, "secret": secret}) if as_json else click.echo(secret)


def told(tx: Tx) -> Iterator[Told]:
    counted = sa.select(posts.c.webhook, posts.c.state, sa.func.count().label("rows")).group_by(posts.c.webhook, posts.c.state)
    rows = tx.run(counted).all()
    for name, webhook in live_rules(tx).policy.webhooks.items():
        by_state = {row.state: row.rows for row in rows if row.webhook == name}
        yield Told(name=name, url=webhook.url, posts=by_state, trouble=last_trouble(tx, name))


def last_trouble(tx: Tx, name: str) -> str | None:
    troubled = sa.select(posts).where(posts.c.webhook == name, posts.c.state != PostState.DONE, posts.c.reason.is_not(None))
    row = tx.run(troubled.order_by(posts.c.id.desc()).limit(1)).first()
    return None if row is None else f"{row.reason}: {' '.join(str(part) for part in (row.status_code, row.answer) if part)}"


def lines_of(found: list[Told]) -> Iterator[str]:
    if not found:
        yield "No webhooks. `webhooks:` in workspace.yaml names them."
    for one in found:
        yield f"{one.name}  {one.url}"
        yield "  " + (", ".join(f"{rows:,} {state}" for state, rows in one.posts.items()) or "nothing was posted yet")
        if one.trouble:
            yield f"  last trouble: {one.trouble}"
