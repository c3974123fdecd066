"""Whatever kind a step is, at each of them the sums close, and what was not done says why."""

from collections import Counter
from pathlib import Path

import pytest
import sqlalchemy as sa

from engine.clock import VirtualClock
from engine.database import Database
from engine.schema import enrolments, handoffs, leads, metadata, posts, sends, touches
from engine.versions import cadence_plan
from engine.vocabulary import PostState, SendState, StepKind, TouchState
from tests.invariants.every_step import CADENCE, LEADS, run_every_step
from tests.invariants.mixed_run import NAME
from tests.invariants.test_after_a_mixed_run import AT_STEP, fate_at, personal_in

pytestmark = pytest.mark.both_databases


@pytest.fixture
def worked_off(database: Database, clock: VirtualClock, tmp_path: Path) -> Database:
    run_every_step(database, clock, tmp_path)
    return database


def test_at_every_step_of_every_kind_everybody_is_accounted_for(worked_off: Database) -> None:
    with worked_off.read() as tx:
        version_id = tx.run(sa.select(enrolments.c.version_id).where(enrolments.c.cadence == CADENCE).distinct()).scalar_one()
        steps = cadence_plan(tx, version_id).steps
        fates = {
            step.id: Counter(fate_at(row) for row in tx.run(AT_STEP, {"step": step.id, "cadence": CADENCE})) for step in steps
        }

    assert {step.kind for step in steps} == set(StepKind)
    assert {step: sum(fate.values()) for step, fate in fates.items()} == dict.fromkeys(fates, LEADS)
    assert fates["short-or-long"]["done holdout"] > 0 and fates["short-or-long"]["done None"] > 0
    assert fates["short-or-long"]["left replied"] == 1
    assert fates["pretended"] == {"skipped shadow": LEADS - 3, "skipped suppressed": 1, "skipped consent": 1, "not reached": 1}
    assert fates["enter-lessons"] == {
        "done None": LEADS - 3,
        "skipped suppressed": 1,
        "skipped consent_refused": 1,
        "not reached": 1,
    }
    assert fates["enter-again"]["skipped inside"] == LEADS - 3
    assert fates["tell-crm"] == fates["mark"] == {"done None": LEADS - 1, "not reached": 1}
    assert fates["visit"] == {"done None": 2, "not reached": LEADS - 2}
    assert fates["enough"] == {"done None": 1, "not reached": LEADS - 1}


def test_whatever_was_not_done_says_why(worked_off: Database) -> None:
    without_reason = (
        sa.select(sends.c.source).where(sends.c.state != SendState.ACCEPTED, sends.c.reason.is_(None)),
        sa.select(posts.c.id).where(posts.c.state != PostState.DONE, posts.c.reason.is_(None)),
        sa.select(touches.c.id).where(touches.c.state.in_((TouchState.SKIPPED, TouchState.LEFT)), touches.c.reason.is_(None)),
        sa.select(enrolments.c.id).where(enrolments.c.ended_at.is_not(None), enrolments.c.reason.is_(None)),
    )

    with worked_off.read() as tx:
        assert [tx.run(statement).all() for statement in without_reason] == [[], [], [], []]
        assert set(tx.run(sa.select(enrolments.c.reason).where(enrolments.c.cadence == CADENCE)).scalars()) >= {
            "had enough", "goal", "replied",
        }  # fmt: skip


def test_nothing_personal_stands_in_what_steps_write(worked_off: Database) -> None:
    with worked_off.read() as tx:
        found = {table.name: set(personal_in(str(tx.run(sa.select(table)).all()))) for table in metadata.sorted_tables}
        assert tx.run(sa.select(handoffs)).all() and tx.run(sa.select(posts)).all()

    assert {name for name, spilt in found.items() if spilt} <= {leads.name, "bodies"}, NAME
