"""What must hold of the rows, whatever happened: each non-send has its reason, the sums close, nothing personal is spilt."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from engine.clock import VirtualClock
from engine.database import Database
from engine.schema import bodies, enrolments, leads, metadata, sends, tasks, touches
from engine.vocabulary import SendState, TouchState
from tests.crash.lessons import CADENCE
from tests.invariants.mixed_run import NAME, STREET, WORDS, MixedRun, run_mixed

pytestmark = pytest.mark.both_databases
LOOKED_AT = ("lesson-1", "lesson-3")
PERSONAL = ("@mail.example", NAME, STREET, WORDS)


@pytest.fixture
def mixed(database: Database, clock: VirtualClock, tmp_path: Path) -> MixedRun:
    return run_mixed(database, clock, tmp_path)


def test_every_enrolled_lead_is_accounted_for_at_every_step(mixed: MixedRun) -> None:
    with mixed.database.read() as tx:
        enrolled = tx.run(sa.select(sa.func.count()).select_from(enrolments)).scalar_one()
        steps = {
            step: Counter(fate_at(row) for row in tx.run(AT_STEP, {"step": step, "cadence": CADENCE}))
            for step in ("lesson-1", "lesson-3")
        }

    assert steps["lesson-1"] == {
        "accepted": 1,
        "refused permanent": 1,
        "unknown no_answer": 1,
        "skipped suppressed": 1,
        "skipped consent": 1,
        "left replied": 1,
        "waiting": 1,
    }
    assert [sum(fates.values()) for fates in steps.values()] == [enrolled, enrolled]
    assert steps["lesson-3"]["not reached"] == 3, "the one who replied, the one whom sales has, the dead address"


def test_everything_that_was_not_sent_says_why(mixed: MixedRun) -> None:
    without_reason = (
        sa.select(sends.c.source).where(sends.c.state != SendState.ACCEPTED, sends.c.reason.is_(None)),
        sa.select(touches.c.step_id).where(
            touches.c.state.in_((TouchState.SKIPPED, TouchState.LEFT)), touches.c.reason.is_(None)
        ),
        sa.select(enrolments.c.id).where(enrolments.c.ended_at.is_not(None), enrolments.c.reason.is_(None)),
    )

    with mixed.database.read() as tx:
        assert [tx.run(statement).all() for statement in without_reason] == [[], [], []]


def test_what_is_personal_stands_in_leads_and_bodies_alone(mixed: MixedRun) -> None:
    with mixed.database.read() as tx:
        found = {table.name: set(personal_in(str(tx.run(sa.select(table)).all()))) for table in metadata.sorted_tables}
        kept = b" ".join(tx.run(sa.select(bodies.c.content)).scalars())
        asked = tx.run(sa.select(sa.func.count()).select_from(tasks)).scalar_one()

    assert {name: spilt for name, spilt in found.items() if spilt and name not in (leads.name, bodies.name)} == {}
    assert asked and STREET.encode() in kept and WORDS.encode() in kept, "or the test would prove nothing"


def personal_in(text: str) -> list[str]:
    return [value for value in PERSONAL if value in text]


def fate_at(row: sa.Row[Any]) -> str:
    """What became of one enrolment at one step, in the words of a report."""
    if row.touch is None:
        return "not reached"
    if row.send == SendState.ACCEPTED:
        return "accepted"
    if row.send in (SendState.REFUSED, SendState.UNKNOWN):
        return f"{row.send} {row.why_send}"
    if row.touch == TouchState.WAITING:
        return "waiting"
    return f"{row.touch} {row.why_touch}"


AT_STEP = (
    sa.select(
        touches.c.state.label("touch"), touches.c.reason.label("why_touch"), sends.c.state.label("send"),
        sends.c.reason.label("why_send"),
    )
    .select_from(enrolments)
    .outerjoin(touches, sa.and_(touches.c.enrolment_id == enrolments.c.id, touches.c.step_id == sa.bindparam("step")))
    .outerjoin(sends, sends.c.touch_id == touches.c.id)
    .where(enrolments.c.cadence == sa.bindparam("cadence"))
)  # fmt: skip
