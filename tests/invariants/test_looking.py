"""A GET never changes what a person agreed to: every address of the receiver that can be looked at is looked at."""

from pathlib import Path

import sqlalchemy as sa
from werkzeug.routing import Rule

from engine.clock import VirtualClock
from engine.database import Database
from engine.schema import consents, enrolments, handoffs, leads, sends, suppressions
from tests.webhooks.place import Place

AGREED = (consents, enrolments, handoffs, leads, sends, suppressions)


def test_looking_at_every_page_changes_nothing_that_was_agreed(database: Database, clock: VirtualClock, tmp_path: Path) -> None:
    place = Place(database, clock, tmp_path)
    send_id = place.send()
    before = rows(database)

    asked = [place.get(path).status_code for path in paths(place, place.token(send_id))]
    place.settle()

    place.receiver.close()
    assert 200 in asked and len(asked) >= 6
    assert rows(database) == before


def paths(place: Place, token: str) -> list[str]:
    """Every address that answers to GET, with the token of a mail wherever one is wanted, and the tracking addresses."""
    rules = [rule for rule in place.app.url_map.iter_rules() if "GET" in (rule.methods or ())]
    return [filled(rule, token) for rule in rules] + [f"/c/{token}/0", f"/o/{token}.gif", f"/o/{token}"]


def filled(rule: Rule, token: str) -> str:
    path = rule.rule
    for name in rule.arguments:
        path = path.replace(f"<{name}>", token).replace(f"<path:{name}>", token)
    return path


def rows(database: Database) -> list[list[tuple[object, ...]]]:
    with database.read() as tx:
        return [[tuple(row) for row in tx.run(sa.select(table).order_by(*table.primary_key))] for table in AGREED]
