"""Rivals: of several mails due to one person, the one that should go first goes, whatever order they come in."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from engine.claim import Claim
from engine.compiler.plan import Between, CadencePlan, Caps, EmailStep, Window
from engine.database import Database, Tx
from engine.schema import cadences, enrolments, touches
from engine.simulate.sink import Sink
from engine.spans import parse_span
from engine.vocabulary import EnrolmentState, SendState, TouchState
from tests.deliver.given import (
    ALWAYS,
    STEPS,
    USUAL_BETWEEN,
    a_cadence,
    add_cadence,
    add_mail,
    add_workspace,
    at_once,
    deliver_begun,
    runtime_over,
    send_of,
    touch_of,
)
from tests.factories import add_enrolment, add_lead, add_touch

ONE_A_DAY = Caps(per_day=1, per_week=None, per_month=None)
URGENT = "urgent"


def urgent(window: Window = ALWAYS, **changes: object) -> CadencePlan:
    return replace(a_cadence(window), name=URGENT, **({"priority": 5} | changes))  # type: ignore[arg-type]


def two_cadences(tx: Tx, caps: Caps = ONE_A_DAY, between: Between = USUAL_BETWEEN) -> tuple[int, int]:
    """The version of an ordinary cadence and that of one that goes first."""
    return add_workspace(tx, caps=caps, between=between), add_cadence(tx, urgent())


def outcomes(database: Database, claims: Iterable[Claim]) -> list[tuple[str, str | None]]:
    rows = [send_of(database, send_id) for send_id, _ in claims]
    return [(row.state, row.reason) for row in rows]


@pytest.mark.both_databases
@pytest.mark.parametrize("urgent_comes_first", [True, False])
def test_the_mail_of_higher_priority_goes_and_the_other_waits(
    database: Database, tmp_path: Path, urgent_comes_first: bool
) -> None:
    with database.write() as tx:
        usual_version, urgent_version = two_cadences(tx)
        lead_id = add_lead(tx)
        usual = add_mail(tx, usual_version, lead_id=lead_id)
        pressing = add_mail(tx, urgent_version, lead_id=lead_id, cadence=URGENT)

    with runtime_over(database, Sink(), tmp_path) as runtime:
        deliver_begun(runtime, [pressing, usual] if urgent_comes_first else [usual, pressing])

    assert outcomes(database, [pressing])[0][0] == SendState.ACCEPTED
    assert outcomes(database, [usual]) == [(SendState.READY, "cap" if urgent_comes_first else "outranked")]
    assert send_of(database, usual[0]).due_at.date() == send_of(database, pressing[0]).ended_at.date() + timedelta(days=1)


def test_a_mail_makes_room_for_one_that_is_due_later_that_day(database: Database, tmp_path: Path) -> None:
    with database.write() as tx:
        usual_version, urgent_version = two_cadences(tx)
        lead_id = add_lead(tx)
        usual = add_mail(tx, usual_version, lead_id=lead_id)
        waiting(tx, urgent_version, lead_id, due_at=tx.now + timedelta(hours=1))

    with runtime_over(database, Sink(), tmp_path) as runtime:
        deliver_begun(runtime, [usual])

    assert outcomes(database, [usual]) == [(SendState.READY, "outranked")]


@pytest.mark.parametrize("what", ["tomorrow", "stands still", "no mail", "lower"])
def test_what_does_not_compete_is_not_waited_for(database: Database, tmp_path: Path, what: str) -> None:
    with database.write() as tx:
        usual_version, urgent_version = two_cadences(tx)
        lead_id = add_lead(tx)
        mail = add_mail(tx, urgent_version if what == "lower" else usual_version, lead_id=lead_id, cadence="mine")
        if what == "lower":
            tx.run(sa.update(enrolments).where(enrolments.c.cadence == "mine").values(cadence=URGENT))
            waiting(tx, usual_version, lead_id, due_at=tx.now, cadence="lessons")
        else:
            due_at = tx.now + timedelta(days=1 if what == "tomorrow" else 0)
            other = waiting(tx, urgent_version, lead_id, due_at=due_at)
            if what == "stands still":
                tx.run(sa.update(enrolments).where(enrolments.c.id == other).values(state=EnrolmentState.SUSPENDED))
            if what == "no mail":
                tx.run(sa.update(touches).where(touches.c.enrolment_id == other).values(step_id="a-task"))

    with runtime_over(database, Sink(), tmp_path) as runtime:
        deliver_begun(runtime, [mail])

    assert outcomes(database, [mail])[0][0] == SendState.ACCEPTED


def test_without_a_cap_in_the_way_nobody_waits(database: Database, tmp_path: Path) -> None:
    with database.write() as tx:
        usual_version, urgent_version = two_cadences(tx, caps=Caps(per_day=2, per_week=None, per_month=None))
        lead_id = add_lead(tx)
        claims = [add_mail(tx, usual_version, lead_id=lead_id), add_mail(tx, urgent_version, lead_id=lead_id, cadence=URGENT)]

    with runtime_over(database, Sink(), tmp_path) as runtime:
        deliver_begun(runtime, claims)

    assert {state for state, _ in outcomes(database, claims)} == {SendState.ACCEPTED}


def test_where_losers_are_dropped_the_passage_goes_on_without_the_mail(database: Database, tmp_path: Path) -> None:
    with database.write() as tx:
        usual_version, urgent_version = two_cadences(tx, between=Between(loser="drop"))
        lead_id = add_lead(tx)
        usual = add_mail(tx, usual_version, lead_id=lead_id)
        pressing = add_mail(tx, urgent_version, lead_id=lead_id, cadence=URGENT)

    with runtime_over(database, Sink(), tmp_path) as runtime:
        deliver_begun(runtime, [usual, pressing])

    assert outcomes(database, [usual, pressing]) == [(SendState.CANCELLED, "outranked"), (SendState.ACCEPTED, None)]
    ended = touch_of(database, usual[0])
    assert (ended.state, ended.reason) == (TouchState.SKIPPED, "outranked")
    with database.read() as tx:
        following = sa.select(touches.c.step_id).where(touches.c.enrolment_id == ended.enrolment_id, touches.c.state == "waiting")
        assert tx.run(following).scalars().all() == [STEPS[1]]


@pytest.mark.parametrize("first", ["priority", "deadline"])
def test_the_nearer_deadline_goes_first_where_the_workspace_says_so(database: Database, tmp_path: Path, first: str) -> None:
    with database.write() as tx:
        between = Between(first=first)  # type: ignore[arg-type]
        version_id = add_workspace(tx, caps=ONE_A_DAY, between=between)
        hurried = add_cadence(tx, replace(with_deadline(a_cadence(ALWAYS), "2 days"), name="hurried", priority=-1))
        lead_id = add_lead(tx)
        calm = add_mail(tx, version_id, lead_id=lead_id)
        brief = add_mail(tx, hurried, lead_id=lead_id, cadence="hurried")

    with runtime_over(database, Sink(), tmp_path) as runtime:
        deliver_begun(runtime, [calm, brief])

    winner, loser = (brief, calm) if first == "deadline" else (calm, brief)
    assert outcomes(database, [winner])[0][0] == SendState.ACCEPTED
    assert outcomes(database, [loser])[0][0] == SendState.READY


def test_a_new_priority_counts_for_those_inside_at_once(database: Database, tmp_path: Path) -> None:
    """Priority is policy: it holds for every version of the cadence."""
    with database.write() as tx:
        usual_version = add_workspace(tx, caps=ONE_A_DAY)
        old_version = retired_version(tx)
        add_cadence(tx, urgent())
        lead_id = add_lead(tx)
        usual = add_mail(tx, usual_version, lead_id=lead_id)
        waiting(tx, old_version, lead_id, due_at=tx.now)

    with runtime_over(database, Sink(), tmp_path) as runtime:
        deliver_begun(runtime, [usual])

    assert outcomes(database, [usual]) == [(SendState.READY, "outranked")]


@pytest.mark.both_databases
def test_in_any_order_and_at_once_the_caps_go_to_the_highest(database: Database, tmp_path: Path) -> None:
    """Eight threads hold the mails of six people in three cadences; two a day may go, and never the third."""
    with database.write() as tx:
        lowest = add_workspace(tx, caps=Caps(per_day=2, per_week=None, per_month=None))
        versions = {"lowest": lowest} | {
            name: add_cadence(tx, replace(a_cadence(ALWAYS), name=name, priority=priority))
            for name, priority in (("middle", 3), ("highest", 9))
        }
        people = [add_lead(tx) for _ in range(6)]
        mails = {
            add_mail(tx, version_id, lead_id=lead_id, cadence=name): name
            for name, version_id in versions.items()
            for lead_id in people
        }
    held = list(mails)

    with runtime_over(database, Sink(), tmp_path) as runtime:
        at_once(runtime, [held[at::8] for at in range(8)])

    accepted = Counter(mails[claim] for claim in held if outcomes(database, [claim])[0][0] == SendState.ACCEPTED)
    assert accepted == {"highest": 6, "middle": 6}


def waiting(tx: Tx, version_id: int, lead_id: int, *, due_at: datetime, cadence: str = URGENT) -> int:
    """A passage whose next mail is due then; its enrolment."""
    enrolment_id = add_enrolment(tx, lead_id=lead_id, version_id=version_id, cadence=cadence)
    add_touch(tx, enrolment_id=enrolment_id, step_id=STEPS[0], due_at=due_at)
    return enrolment_id


def retired_version(tx: Tx) -> int:
    """The version of the urgent cadence from before it was urgent, no longer in force."""
    version_id = add_cadence(tx, urgent(priority=0))
    tx.run(sa.delete(cadences).where(cadences.c.name == URGENT))
    return version_id


def with_deadline(plan: CadencePlan, span: str) -> CadencePlan:
    steps = [replace(step, valid_for=parse_span(span)) if isinstance(step, EmailStep) else step for step in plan.steps]
    return replace(plan, steps=tuple(steps))
