"""`handraiser status`: what is due, what went out, what needs a person."""

from pathlib import Path

import click
import sqlalchemy as sa

from engine.claim import NOUNS, is_set_aside
from engine.cli.options import json_option, open_workspace, print_json, workspace_option
from engine.database import Tx
from engine.schema import enrolments, handoffs, leads, reactions, sends, suppressions, touches, workers

MOST_NAMED = 20


@click.command("status")
@workspace_option
@json_option
def status_command(workspace: Path, as_json: bool) -> None:
    """Count what is in the database: people, passages, what is due, what was sent, what needs a look.

    \b
    Example:
      handraiser status
    """
    _settings, database = open_workspace(workspace)
    with database.read() as tx:
        counted = status(tx)
    print_json(counted) if as_json else click.echo(in_words(counted))


def status(tx: Tx) -> dict[str, object]:
    return {
        "leads": count(tx, leads),
        "suppressed": count(tx, suppressions),
        "passages": by_state(tx, enrolments),
        "sends": by_state(tx, sends),
        "handoffs": by_state(tx, handoffs),
        "touches_overdue": count(tx, touches, touches.c.state == "waiting", touches.c.due_at <= tx.now),
        "sends_overdue": count(tx, sends, sends.c.state == "ready", sends.c.due_at <= tx.now),
        "reactions_open": count(tx, reactions, reactions.c.state != "done"),
        "set_aside": {
            noun.name: [row.id for row in tx.run(sa.select(noun.table.c.id).where(is_set_aside(noun)).limit(MOST_NAMED))]
            for noun in NOUNS.values()
        },
        "next_touch_at": tx.run(sa.select(sa.func.min(touches.c.due_at)).where(touches.c.state == "waiting")).scalar(),
        "processes": processes(tx),
    }


def processes(tx: Tx) -> list[str]:
    alive = tx.run(sa.select(workers).where(workers.c.lease_until >= tx.now))
    return [f"{row.kind} {row.host.split()[0]}:{row.pid}" for row in alive]  # the rest of `host` is for processes, not people


def count(tx: Tx, table: sa.Table, *where: sa.ColumnElement[bool]) -> int:
    found: int = tx.run(sa.select(sa.func.count()).select_from(table).where(*where)).scalar_one()
    return found


def by_state(tx: Tx, table: sa.Table) -> dict[str, int]:
    grouped = sa.select(table.c.state, sa.func.count().label("rows")).group_by(table.c.state).order_by(table.c.state)
    return {row.state: row.rows for row in tx.run(grouped)}


def in_words(counted: dict[str, object]) -> str:
    def states(name: str) -> str:
        found = counted[name]
        assert isinstance(found, dict)
        return ", ".join(f"{rows:,} {state}" for state, rows in found.items()) or "none"

    lines = [
        f"leads      {counted['leads']:,} ({counted['suppressed']:,} suppressions)",
        f"passages   {states('passages')}",
        f"mail       {states('sends')}",
        f"hand-offs  {states('handoffs')}",
        f"due now    {counted['touches_overdue']:,} touches, {counted['sends_overdue']:,} sends, "
        f"{counted['reactions_open']:,} reactions",
        f"next touch {counted['next_touch_at'] or 'none planned'}",
        f"processes  {', '.join(counted['processes']) or 'none is running'}",  # type: ignore[arg-type]
    ]
    for noun, ids in counted["set_aside"].items():  # type: ignore[attr-defined]
        if ids:
            lines.append(f"set aside  {noun} {', '.join(map(str, ids))}: tried three times without an end; see the logs")
    return "\n".join(lines)
