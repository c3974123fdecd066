"""What the database itself refuses, whatever the code believes: a step taken twice, two mails for a touch, an event twice."""

from collections.abc import Callable

import pytest
import sqlalchemy as sa

from engine.database import Database, Tx
from engine.schema import cadence_versions
from tests.factories import add_enrolment, add_event, add_send, add_touch, add_version

pytestmark = pytest.mark.both_databases


def a_step_twice_in_a_passage(tx: Tx) -> None:
    enrolment_id = add_enrolment(tx)
    for state in ("done", "waiting"):
        add_touch(tx, enrolment_id=enrolment_id, step_id="welcome", state=state)


def two_open_touches(tx: Tx) -> None:
    enrolment_id = add_enrolment(tx)
    for step in ("welcome", "guide"):
        add_touch(tx, enrolment_id=enrolment_id, step_id=step)


def two_passages_at_once(tx: Tx) -> None:
    enrolment = tx.run(sa.text("SELECT lead_id FROM enrolments WHERE id = :id"), {"id": add_enrolment(tx)}).scalar_one()
    add_enrolment(tx, lead_id=enrolment, passage=2)


def two_mails_for_a_touch(tx: Tx) -> None:
    touch_id = add_touch(tx)
    for _ in range(2):
        add_send(tx, touch_id=touch_id)


def an_event_told_twice(tx: Tx) -> None:
    for _ in range(2):
        add_event(tx, type="replied", source_key="reply:1")


def a_version_under_the_same_hash(tx: Tx) -> None:
    known = tx.run(sa.select(cadence_versions.c.hash).where(cadence_versions.c.id == add_version(tx))).scalar_one()
    add_version(tx, hash=known)


@pytest.mark.parametrize(
    "attempt",
    [
        a_step_twice_in_a_passage,
        two_open_touches,
        two_passages_at_once,
        two_mails_for_a_touch,
        an_event_told_twice,
        a_version_under_the_same_hash,
    ],
)
def test_the_database_refuses(database: Database, attempt: Callable[[Tx], None]) -> None:
    with pytest.raises(sa.exc.IntegrityError), database.write() as tx:
        attempt(tx)
