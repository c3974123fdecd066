"""Where everybody inside a cadence stands: the open touch, what lies behind, what decides the dates. One query a cadence.

Before: rows. After: `engine.schedule.fates` works out what an edit does to them. Read in one go, since an edit may be about a
hundred thousand people; `marks` tell at little cost who stands elsewhere by now, and on PostgreSQL `lock` keeps them from moving
while the edit is carried out.
"""

from collections.abc import Collection, Iterator
from datetime import date, datetime
from typing import NamedTuple

import sqlalchemy as sa

from engine.compiler.plan import CadencePlan, EmailStep
from engine.database import Tx
from engine.schedule.next_step import NEXT, OTHERWISE
from engine.schema import consents, enrolments, leads, sends, suppressions, touches
from engine.sql import rows_at_once
from engine.vocabulary import LIVE_ENROLMENT, OPEN_TOUCH, Reason, Scope, TouchState, topic_scope

BETWEEN_STEPS, BETWEEN = "|", ":"  # neither may stand in a step's id
NOT_A_STEP_BEFORE = (Reason.REMOVED, Reason.SAME_MAIL)  # written by an edit; the dates count from what was really taken


class Position(NamedTuple):
    """One live passage. `behind`: its ended touches, for `behind_of`; `before_*`: the last step that it really took."""

    enrolment_id: int
    lead_id: int
    version_id: int
    passage: int
    suspended_at: datetime | None
    anchor_at: datetime
    shift_days: int
    zone: str | None
    lead_fields: str  # JSON
    has_address: bool
    is_stopped: bool
    consent: str | None
    touch_id: int
    step_id: str
    state: str
    planned_on: date
    due_at: datetime | None
    created_at: datetime
    behind: str | None
    mailed_at: datetime | None
    before_step: str | None
    before_on: date | None
    before_at: datetime | None


def lock(tx: Tx, cadence: str, version_ids: Collection[int]) -> None:
    """Hold these passages, and then their open touches, until the transaction ends; SQLite has one writer anyway."""
    if tx.is_sqlite:
        return
    theirs = sa.select(enrolments.c.id).where(*inside(cadence, version_ids))
    tx.run(theirs.order_by(enrolments.c.id).with_for_update(key_share=True))
    tx.run(
        sa.select(touches.c.id)
        .where(touches.c.enrolment_id.in_(theirs), touches.c.state.in_(OPEN_TOUCH))
        .order_by(touches.c.id)
        .with_for_update()
    )


def marks(tx: Tx, cadence: str, version_ids: Collection[int]) -> dict[int, int]:
    """For each passage a number that is another as soon as anything is that `positions` would say of where it stands.

    Steps end only as the open touch does, so the past needs no look. For this process only.
    """
    chosen = (
        sa.select(enrolments.c.id, *(sa.type_coerce(column, sa.String) for column in WHAT_MOVES))
        .join_from(enrolments, leads, leads.c.id == enrolments.c.lead_id)
        .join(touches, sa.and_(touches.c.enrolment_id == enrolments.c.id, touches.c.state.in_(OPEN_TOUCH)))
        .where(*inside(cadence, version_ids))
    )
    return {row[0]: hash(tuple(row)) for row in tx.run(chosen)}


WHAT_MOVES = (
    enrolments.c.version_id, enrolments.c.suspended_at, enrolments.c.anchor_at, enrolments.c.shift_days, leads.c.updated_at,
    touches.c.id, touches.c.step_id, touches.c.state, touches.c.planned_on, touches.c.due_at, touches.c.created_at,
)  # fmt: skip


def inside(cadence: str, version_ids: Collection[int]) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        enrolments.c.cadence == cadence,
        enrolments.c.state.in_(LIVE_ENROLMENT),
        enrolments.c.version_id.in_(version_ids),
    )


def positions(
    tx: Tx, cadence: CadencePlan, version_ids: Collection[int], mail_steps: Collection[str], only: Collection[int] | None
) -> Iterator[Position]:
    """Everybody inside on these versions, or `only` these passages. `mail_steps`: the ids that ever stood for a mail of this
    cadence.
    """
    theirs = inside(cadence.name, version_ids)
    parts = [theirs] if only is None else [(*theirs, enrolments.c.id.in_(some)) for some in rows_at_once(only)]
    for part in parts:
        for row in tx.run(reading(cadence, part, mail_steps)):
            yield Position._make(row)


def reading(
    cadence: CadencePlan, theirs: tuple[sa.ColumnElement[bool], ...], mail_steps: Collection[str]
) -> sa.Select[tuple[object, ...]]:
    is_mail = sa.and_(touches.c.state == TouchState.DONE, touches.c.step_id.in_(mail_steps))
    was_taken = sa.func.coalesce(touches.c.reason, "").not_in(NOT_A_STEP_BEFORE)
    past = (
        sa.select(
            touches.c.enrolment_id,
            sa.func.aggregate_strings(HOW_IT_WENT, BETWEEN_STEPS).label("behind"),
            sa.func.max(sa.case((is_mail, touches.c.ended_at))).label("mailed_at"),
            sa.func.max(sa.case((was_taken, touches.c.id))).label("last_id"),
        )
        .join(enrolments, enrolments.c.id == touches.c.enrolment_id)
        .where(*theirs, touches.c.ended_at.is_not(None))
        .group_by(touches.c.enrolment_id)
        .subquery()
    )
    before = touches.alias("before")
    said = sa.and_(consents.c.lead_id == leads.c.id, consents.c.topic == cadence.topic)
    return (
        sa.select(
            enrolments.c.id, enrolments.c.lead_id, enrolments.c.version_id, enrolments.c.passage, enrolments.c.suspended_at,
            enrolments.c.anchor_at, enrolments.c.shift_days, leads.c.zone, sa.cast(leads.c.fields, sa.Text),
            leads.c.address_key.is_not(None),
            is_stopped(cadence.topic), consents.c.state, touches.c.id, touches.c.step_id, touches.c.state, touches.c.planned_on,
            touches.c.due_at, touches.c.created_at, past.c.behind, past.c.mailed_at, before.c.step_id, before.c.planned_on,
            before.c.ended_at,
        )
        .join_from(enrolments, leads, leads.c.id == enrolments.c.lead_id)
        .join(touches, sa.and_(touches.c.enrolment_id == enrolments.c.id, touches.c.state.in_(OPEN_TOUCH)))
        .outerjoin(past, past.c.enrolment_id == enrolments.c.id)
        .outerjoin(before, before.c.id == past.c.last_id)
        .outerjoin(consents, said)
        .where(*theirs)
        .order_by(enrolments.c.id)
    )  # fmt: skip


def is_stopped(topic: str) -> sa.ColumnElement[bool]:
    scopes = (Scope.EVERYTHING, Scope.MARKETING, topic_scope(topic))
    return sa.exists().where(suppressions.c.address_key == leads.c.address_key, suppressions.c.scope.in_(scopes))


HOW_IT_WENT = (
    touches.c.step_id
    + BETWEEN
    + touches.c.state
    + BETWEEN
    + sa.case(
        (touches.c.arm.is_not(None), touches.c.arm),
        (touches.c.reason.in_((Reason.BRANCH, Reason.TIMEOUT)), OTHERWISE),
        else_=NEXT,
    )
)


def behind_of(text: str | None) -> list[tuple[str, str, str]]:
    """(step, state, way it took) of what `Position.behind` says."""
    if not text:
        return []
    found = (each.split(BETWEEN, 2) for each in text.split(BETWEEN_STEPS))
    return [(step_id, state, took) for step_id, state, took in found]


def mails_by_step(plans: Collection[CadencePlan]) -> dict[str, set[str]]:
    """Each id that ever stood for a mail in these versions, and for which."""
    found: dict[str, set[str]] = {}
    for plan in plans:
        for step in plan.steps:
            if isinstance(step, EmailStep):
                found.setdefault(step.id, set()).add(step.email)
    return found


def mails_as_sent(tx: Tx, cadence: str, version_ids: Collection[int], step_ids: Collection[str]) -> dict[int, dict[str, str]]:
    """For passages that had one of these steps, under which different mails went out at different times: which it was."""
    if not step_ids:
        return {}
    chosen = (
        sa.select(touches.c.enrolment_id, touches.c.step_id, sends.c.email)
        .join_from(touches, enrolments, enrolments.c.id == touches.c.enrolment_id)
        .join(sends, sends.c.touch_id == touches.c.id)
        .where(*inside(cadence, version_ids), touches.c.step_id.in_(step_ids))
    )
    found: dict[int, dict[str, str]] = {}
    for row in tx.run(chosen):
        found.setdefault(row.enrolment_id, {})[row.step_id] = row.email
    return found
