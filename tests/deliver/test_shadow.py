"""A mail in shadow goes the whole way, but for the wire: a real mail server gets nothing of it."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from engine.advance import advance, advance_touches
from engine.claim import SEND, TOUCH, take_due
from engine.clock import VirtualClock
from engine.compiler.plan import CadencePlan, Caps
from engine.database import Database, Tx
from engine.deliver.send import deliver
from engine.schedule.enrol import enrol_leads
from engine.schema import enrolments, events, sends, touches
from engine.simulate.sink import Sink
from tests.deliver.given import (
    ALWAYS,
    WORKER,
    a_cadence,
    add_cadence,
    add_mail,
    add_version,
    add_workspace,
    an_artifact,
    deliver_begun,
    keep_artifact,
    runtime_over,
    send_of,
    touch_of,
)  # fmt: skip
from tests.factories import TOKENS, add_lead, add_suppression

pytestmark = pytest.mark.both_databases
ONE_A_DAY = Caps(per_day=1, per_week=None, per_month=None)


def in_shadow(plan: CadencePlan, *, whole: bool) -> CadencePlan:
    """The whole cadence, or its first step."""
    if whole:
        return replace(plan, name="pretended", shadow=True)
    return replace(plan, name="pretended", steps=(replace(plan.steps[0], shadow=True), *plan.steps[1:]))


def pretended(tx: Tx, *, whole: bool = True, **workspace: object) -> int:
    """A cadence in shadow; returns its version's id."""
    add_workspace(tx, **workspace)
    return add_cadence(tx, in_shadow(a_cadence(ALWAYS), whole=whole))


@pytest.mark.parametrize("whole", [True, False])
def test_nothing_arrives_and_the_passage_goes_on(database: Database, tmp_path: Path, whole: bool):
    with database.write() as tx:
        version_id = pretended(tx, whole=whole)
        claims = [add_mail(tx, version_id) for _ in range(12)]

    with runtime_over(database, sink := Sink(), tmp_path) as runtime:
        deliver_begun(runtime, claims)

    assert sink.kept == 0
    with database.read() as tx:
        found = {(row.state, row.reason, row.cap_on, row.attempts) for row in tx.run(sa.select(sends))}
        assert found == {("cancelled", "shadow", None, 0)}
        assert {(row.state, row.reason) for row in tx.run(sa.select(touches).where(touches.c.step_id == "lesson-1"))} == {
            ("skipped", "shadow")
        }
        assert len(tx.run(sa.select(touches).where(touches.c.step_id == "lesson-2", touches.c.state == "waiting")).all()) == 12
        assert tx.run(sa.select(events)).all() == []


def test_a_mail_that_pretends_takes_no_room_from_one_that_does_not(database: Database, tmp_path: Path):
    with database.write() as tx:
        shadow = pretended(tx, caps=ONE_A_DAY)
        lead_id = add_lead(tx)
        first = add_mail(tx, shadow, lead_id=lead_id)
        real = add_mail(tx, 1, lead_id=lead_id)
        after = add_mail(tx, shadow, lead_id=lead_id)

    with runtime_over(database, sink := Sink(), tmp_path) as runtime:
        for claim in (first, real, after):
            deliver_begun(runtime, [claim])

    assert sink.kept == 1
    assert [send_of(database, claim[0]).state for claim in (first, real, after)] == ["cancelled", "accepted", "ready"]
    assert send_of(database, after[0]).reason == "cap", "it is held back as it would be"


def test_a_mail_that_pretends_goes_before_nobody(database: Database, tmp_path: Path):
    with database.write() as tx:
        add_workspace(tx, caps=ONE_A_DAY)
        shadow = add_cadence(tx, replace(in_shadow(a_cadence(ALWAYS), whole=True), priority=50))
        lead_id = add_lead(tx)
        add_mail(tx, shadow, lead_id=lead_id, cadence="pretended")
        real = add_mail(tx, 1, lead_id=lead_id, cadence="lessons")

    with runtime_over(database, Sink(), tmp_path) as runtime:
        deliver_begun(runtime, [real])

    assert send_of(database, real[0]).state == "accepted"


def test_what_would_have_stopped_it_has_stopped_it(database: Database, tmp_path: Path):
    with database.write() as tx:
        version_id = pretended(tx)
        opted_out, broken = add_lead(tx, email="out@example.com"), keep_artifact(tx, an_artifact(text="{{ lead.nowhere }}"))
        stopped, unwritable = add_mail(tx, version_id, lead_id=opted_out), add_mail(tx, version_id, artifact_hash=broken)
        add_suppression(tx, address_key=TOKENS.address_key("out@example.com"))

    with runtime_over(database, Sink(), tmp_path) as runtime:
        deliver_begun(runtime, [stopped, unwritable])

    assert [send_of(database, claim[0]).reason for claim in (stopped, unwritable)] == ["suppressed", "template_error"]


@pytest.mark.parametrize("whole", [True, False])
def test_what_was_written_in_shadow_stays_in_it(database: Database, tmp_path: Path, whole: bool):
    with runtime_over(database, sink := Sink(), tmp_path) as runtime:
        with database.write() as tx:
            pretended(tx, whole=whole)
            enrol_leads(tx, "pretended", [add_lead(tx)])
            claims = [begun[:2] for begun in advance(tx, runtime, take_due(tx, TOUCH, limit=50, lease=timedelta(seconds=30)))]
            tx.run(sa.update(enrolments).values(version_id=add_version(tx, replace(a_cadence(ALWAYS), name="pretended"))))

        deliver_begun(runtime, claims)

    assert [(send_of(database, claim[0]).state, send_of(database, claim[0]).reason) for claim in claims] == [
        ("cancelled", "shadow")
    ]
    assert sink.kept == 0


@pytest.mark.parametrize(("shadow", "end"), [(True, ("cancelled", "shadow")), (False, ("accepted", None))])
def test_a_mail_whose_step_is_gone_goes_by_the_newest_version_that_has_it(
    database: Database, tmp_path: Path, shadow: bool, end: tuple[str, str | None]
):
    plan = a_cadence(ALWAYS)
    with database.write() as tx:
        add_workspace(tx)
        add_version(tx, in_shadow(plan, whole=False) if shadow else replace(plan, name="pretended"))
        claim = add_mail(tx, add_version(tx, replace(plan, name="pretended", steps=plan.steps[1:])))

    with runtime_over(database, Sink(), tmp_path) as runtime:
        deliver_begun(runtime, [claim])

    assert (send_of(database, claim[0]).state, send_of(database, claim[0]).reason) == end


def test_a_mail_whose_step_no_version_has_does_not_leave(database: Database, tmp_path: Path):
    plan = a_cadence(ALWAYS)
    with database.write() as tx:
        add_workspace(tx)
        claim = add_mail(tx, add_version(tx, replace(plan, name="others", steps=plan.steps[1:])))

    with runtime_over(database, sink := Sink(), tmp_path) as runtime:
        deliver_begun(runtime, [claim])

    assert (send_of(database, claim[0]).state, send_of(database, claim[0]).reason) == ("cancelled", "removed")
    assert sink.kept == 0


def test_a_stale_claim_ends_no_touch(database: Database, tmp_path: Path):
    with database.write() as tx:
        send_id, epoch = add_mail(tx, pretended(tx))
        tx.run(sa.update(sends).values(worker_id="somebody-else"))

    with runtime_over(database, Sink(), tmp_path) as runtime:
        deliver_begun(runtime, [(send_id, epoch)])

    assert (send_of(database, send_id).state, touch_of(database, send_id).state) == ("claimed", "sending")


def test_mails_that_pretend_keep_the_gap(database: Database, tmp_path: Path, clock: VirtualClock):
    plan = in_shadow(a_cadence(ALWAYS), whole=True)
    at_once = tuple(replace(step, timing=plan.steps[0].timing) for step in plan.steps)
    with database.write() as tx:
        add_workspace(tx)
        add_cadence(tx, replace(plan, steps=at_once))
        enrol_leads(tx, "pretended", [add_lead(tx)])

    with runtime_over(database, sink := Sink(), tmp_path) as runtime:
        for _day in range(3):
            with database.write() as tx:
                touches_due = take_due(tx, TOUCH, limit=50, lease=timedelta(seconds=30))
            advance_touches(replace(runtime, worker_id=WORKER), touches_due)
            with database.write() as tx:
                sends_due = take_due(tx, SEND, limit=50, lease=timedelta(seconds=30))
            deliver(runtime, sends_due)
            clock.move_to(clock.now() + timedelta(days=1))

    assert sink.kept == 0
    with database.read() as tx:
        days = [row.ended_at.date().day for row in tx.run(sa.select(touches).order_by(touches.c.id))]
        assert days == [5, 6, 7]
