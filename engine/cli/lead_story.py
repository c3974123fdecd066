"""What `handraiser explain` tells of a lead, gathered from the rows: times are in the lead's own zone.

Before: the lead was found. After: `engine.cli.explain` prints it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from engine.compiler.plan import Policy
from engine.conditions import zone_of
from engine.database import Tx
from engine.leads import Lead
from engine.schedule.courses import course
from engine.schedule.next_step import Course
from engine.schedule.passages import PASSAGE_COLUMNS, last_mailed, passage_of
from engine.schedule.why import OpenTouch, why_then
from engine.schema import consents, enrolments, handoffs, leads, posts, refusals, scores, sends, touches
from engine.scoring.card import about, name_of
from engine.scoring.history import histories
from engine.suppression import stops_on
from engine.versions import Live, live_rules
from engine.vocabulary import OPEN_HANDOFF, NotEnrolled, Reason, SendState, Stream, TouchState

Row = sa.Row[Any]
WHY: dict[str, str] = {
    Reason.SENT_BEFORE: "this lead got it in an earlier passage, and the cadence does not say `repeat: yes`",
    Reason.BRANCH: "the lead went the other way at a branch",
    Reason.LATE: "it was later than the step allows",
    Reason.CONSENT: "the lead has not agreed to mail on this topic",
    Reason.SUPPRESSED: "the address must not be written to",
    Reason.NO_ADDRESS: "the lead has no address that can be written to",
    Reason.TIMEOUT: "what it waited for did not happen in time",
    Reason.SHADOW: "the step or its cadence only pretends (`shadow: yes`)",
    Reason.HOLDOUT: "the lead drew the arm that gets none of it, for comparison",
    Reason.REMOVED: "the step is not in the version that the lead moved to",
    Reason.SAME_MAIL: "the same had been sent when the step had another name",
    Reason.WITH_SALES: "sales has the lead already",
    Reason.NO_REP: "there is nobody in assignment.yaml to hand the lead to",
    Reason.NO_CADENCE: "there is no such cadence any more",
    Reason.NO_FIELD: "leads.yaml no longer has the field, or not of this type",
    NotEnrolled.INSIDE: "the lead is in that cadence already",
    NotEnrolled.HAD_BEFORE: "the lead has been through that cadence, and its `reentry` does not let it in again (yet)",
    NotEnrolled.CONSENT_REFUSED: "the lead has refused mail on that cadence's topic",
    NotEnrolled.CONSENT_UNKNOWN: "the lead has not agreed to mail on that cadence's topic",
    Reason.WINDOW: "its time came when no mail goes out; it was moved to the next opening",
    Reason.CAP: "the lead had as much marketing mail as the caps allow",
    Reason.OUTRANKED: "another mail to the same person went first, and the caps had no room for both",
    Reason.TEMPORARY: "the mail server could not take it for now; it is tried again",
    Reason.PAUSED: "it stands still while sales has the lead",
    Reason.UNKNOWN_ONCE: "the mail server gave no answer; it is sent once more, the same to the byte",
    Reason.REPLIED: "the lead replied",
    Reason.PURCHASED: "the lead bought something",
    Reason.GOAL: "it reached its goal",
    Reason.END: "it came to its end",
    Reason.UNSUBSCRIBED: "the lead opted out",
    Reason.BOUNCED: "the address does not work",
    Reason.COMPLAINED: "the lead marked a mail as spam",
    Reason.EXIT: "a condition for leaving held",
    Reason.HANDOFF: "sales answered",
    Reason.BY_HAND: "a person took the lead out",
    Reason.ERASED: "the lead was erased",
    Reason.PERMANENT: "the mail server refused it for good",
    Reason.TOO_OLD: "the mail server refused it for now for too long",
    Reason.NO_ANSWER: "the mail server gave no answer at the end, so nobody knows; it is not sent again",
    Reason.WORKER_DIED: "the process stopped in the middle, so nobody knows; it is not sent again",
    Reason.TEMPLATE_ERROR: "it could not be written for this lead",
    Reason.ADDRESS_CHANGED: "the lead has another address now",
    Reason.ENROLMENT_ENDED: "the lead had left the cadence by then",
    Reason.REJECTED: "the other system refused it",
    Reason.FORBIDDEN: "its address is none that we may write to",
    Reason.QUARANTINED: "it was tried three times and never finished; somebody must look",
}

POST_WHY: dict[str, str] = {
    Reason.TEMPORARY: "the other system could not take it for now",
    Reason.TOO_OLD: "the other system could not take it for three days",
    Reason.REMOVED: "workspace.yaml no longer has that webhook",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldStep:
    """One step. `when`: when it ended, or is due; None: no date. `because`: why then, or why not."""

    step: str
    state: str
    planned_on: str
    when: str | None
    because: tuple[str, ...]
    server: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldPassage:
    """One way through a cadence."""

    cadence: str
    number: int
    state: str
    because: str | None
    began: str
    steps: tuple[ToldStep, ...]


STAYED_OUT: dict[str, str] = {
    NotEnrolled.NO_ADDRESS: "it has no email address",
    NotEnrolled.SUPPRESSED: "the address must not be written to",
    NotEnrolled.CONSENT_REFUSED: "it refused mail on this topic",
    NotEnrolled.CONSENT_UNKNOWN: "it never agreed to mail on this topic, and the workspace holds such mail back",
    NotEnrolled.HAD_BEFORE: "it had it before, and the cadence's `reentry` does not let it in again yet",
    NotEnrolled.CONDITION: "the condition beside the entry did not hold",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """All about one lead. `mail`: what was sent or is to be sent without a cadence; `stayed_out`: of which cadences, and why."""

    lead: str
    about: str
    zone: str
    points: float
    reasons: tuple[str, ...]
    points_change: str | None
    consent: Mapping[str, str]
    stops: tuple[str, ...]
    with_sales: str | None
    passages: tuple[ToldPassage, ...]
    stayed_out: tuple[str, ...]
    mail: tuple[ToldStep, ...]
    history: tuple[str, ...]


def story_of(tx: Tx, lead: Lead) -> Story:
    """Raises DatabaseError when no workspace was applied yet."""
    live = live_rules(tx)
    local = zone_of(lead, live.policy)
    score = tx.run(sa.select(scores).where(scores.c.lead_id == lead.id)).first()
    said = tx.run(sa.select(consents).where(consents.c.lead_id == lead.id).order_by(consents.c.topic))
    return Story(
        lead=name_of(lead),
        about=about(lead),
        zone=local.key,
        points=score.points if score else 0.0,
        reasons=tuple(f"{reason['because']} ({reason['points']:+g})" for reason in (score.reasons if score else ())),
        points_change=at(score.next_change_at, local) if score and is_ahead(tx, score.next_change_at) else None,
        consent={row.topic: f"{row.state}, by {row.source}" for row in said},
        stops=tuple(f"{scope}, because it {reason}, by {by}" for scope, reason, by in stops_on(tx, lead.address_key or "")),
        with_sales=with_sales(tx, live, lead, local),
        passages=passages(tx, live.policy, lead, local),
        stayed_out=tuple(refusal_in_words(row, local) for row in standing_refusals(tx, lead)),
        mail=tuple(told_mail(row, local) for row in other_mail(tx, lead)),
        history=tuple(f"{at(entry.at, local)}  {entry.line}" for entry in histories(tx, [lead.id])[lead.id]),
    )


def is_ahead(tx: Tx, instant: datetime | None) -> bool:
    return instant is not None and instant > tx.now


def with_sales(tx: Tx, live: Live, lead: Lead, local: ZoneInfo) -> str | None:
    hand = tx.run(sa.select(handoffs).where(handoffs.c.lead_id == lead.id, handoffs.c.state.in_(OPEN_HANDOFF))).first()
    if hand is None:
        return None
    rep = live.assignment.reps.get(hand.rep)
    return f"hand-off {hand.id} to {rep.name if rep else hand.rep}: {hand.state}, to be answered by {at(hand.answer_by, local)}"


def passages(tx: Tx, policy: Policy, lead: Lead, local: ZoneInfo) -> tuple[ToldPassage, ...]:
    rows = tx.run(sa.select(enrolments).where(enrolments.c.lead_id == lead.id).order_by(enrolments.c.id)).all()
    courses = {row.id: course(tx, row.version_id) for row in rows}
    mailed = last_mailed(tx, courses)
    return tuple(
        ToldPassage(
            cadence=row.cadence,
            number=row.passage,
            state=row.state,
            because=in_words(row.reason) if row.reason else None,
            began=str(at(row.anchor_at, local)),
            steps=tuple(told_step(each, courses[row.id], policy, mailed.get(row.id), local) for each in steps_of(tx, row.id)),
        )
        for row in rows
    )


def standing_refusals(tx: Tx, lead: Lead) -> Sequence[Row]:
    """Why the lead last stayed out of cadences that it has not come into since."""
    came_in_since = sa.exists().where(
        enrolments.c.lead_id == refusals.c.lead_id,
        enrolments.c.cadence == refusals.c.cadence,
        enrolments.c.created_at > refusals.c.at,
    )
    chosen = sa.select(refusals).where(refusals.c.lead_id == lead.id, ~came_in_since)
    return tx.run(chosen.order_by(refusals.c.at)).all()


def refusal_in_words(row: Row, local: ZoneInfo) -> str:
    kind, _colon, name = row.asked_by.partition(":")
    asked = {"event": f"at the event {name}", "segment": f"on coming into the segment {name}"}.get(kind, "when asked for")
    return f"{at(row.at, local)}  not into {row.cadence}, {asked}: {STAYED_OUT.get(row.reason, row.reason)}"


def steps_of(tx: Tx, enrolment_id: int) -> Sequence[Row]:
    chosen = (
        sa.select(
            touches.c.step_id, touches.c.state, touches.c.reason, touches.c.due_at, touches.c.planned_on, touches.c.ended_at,
            touches.c.created_at, sends.c.state.label("send_state"), sends.c.reason.label("send_reason"),
            sends.c.due_at.label("send_due_at"), sends.c.ended_at.label("sent_at"), sends.c.smtp_code, sends.c.smtp_reply,
            touches.c.arm, posts.c.webhook, posts.c.state.label("post_state"), posts.c.reason.label("post_reason"),
            posts.c.attempts, posts.c.status_code, posts.c.answer, posts.c.due_at.label("post_due_at"), *PASSAGE_COLUMNS,
        )
        .join_from(touches, enrolments, enrolments.c.id == touches.c.enrolment_id)
        .join(leads, leads.c.id == enrolments.c.lead_id)
        .join(sends, sends.c.touch_id == touches.c.id, isouter=True)
        .join(posts, posts.c.touch_id == touches.c.id, isouter=True)
        .where(touches.c.enrolment_id == enrolment_id)
        .order_by(touches.c.id)
    )  # fmt: skip
    return tx.run(chosen).all()


def told_step(row: Row, way: Course, policy: Policy, mailed_at: datetime | None, local: ZoneInfo) -> ToldStep:
    reason = row.send_reason or row.reason
    told = [in_words(reason)] if reason else []
    if row.state == TouchState.WAITING and row.due_at is not None and row.step_id in way.steps:
        touch = OpenTouch(on=row.planned_on, created_at=row.created_at, due_at=row.due_at, mailed_at=mailed_at)
        told = why_then(way, way.steps[row.step_id], passage_of(row, way, policy), touch) + told
    return ToldStep(
        step=row.step_id,
        state=in_reports(row.send_state or row.state),
        planned_on=str(row.planned_on),
        when=at(row.sent_at or row.ended_at or row.send_due_at or row.due_at, local),
        because=(*told, *what_followed(row, local)),
        server=server(row),
    )


def what_followed(row: Row, local: ZoneInfo) -> Iterator[str]:
    """The arm that a split drew, and what became of a post."""
    if row.arm is not None:
        yield f"drew the arm {row.arm}"
    if row.post_state is None:
        return
    why = f", {POST_WHY.get(row.post_reason) or in_words(row.post_reason)}" if row.post_reason else ""
    again = f"; tried again on {at(row.post_due_at, local)}" if row.attempts and row.post_due_at else ""
    tries = f"{row.attempts} {'try' if row.attempts == 1 else 'tries'}"
    yield f"the post to {row.webhook} is {row.post_state} after {tries}{why}{again}"
    if row.answer:
        yield f"{row.webhook} said: {' '.join(str(part) for part in (row.status_code, row.answer) if part)}"


def other_mail(tx: Tx, lead: Lead) -> Sequence[Row]:
    chosen = sa.select(sends).where(sends.c.lead_id == lead.id, sends.c.touch_id.is_(None), sends.c.stream != Stream.INTERNAL)
    return tx.run(chosen.order_by(sends.c.id)).all()


def told_mail(row: Row, local: ZoneInfo) -> ToldStep:
    return ToldStep(
        step=row.email,
        state=in_reports(row.state),
        planned_on=str(row.created_at.astimezone(local).date()),
        when=at(row.ended_at or row.due_at, local),
        because=(in_words(row.reason),) if row.reason else (),
        server=server(row),
    )


def in_words(reason: str) -> str:
    """A cadence may also be left by an event of the workspace's own, or for a reason in the marketer's words."""
    return WHY.get(reason) or reason.replace("_", " ")


def in_reports(state: str) -> str:
    """ "Sent" means accepted, and a marketer says sent."""
    return "sent" if state == SendState.ACCEPTED else state


def server(row: Row) -> str | None:
    return f"{row.smtp_code} {row.smtp_reply}" if row.smtp_code else None


def at(instant: datetime | None, local: ZoneInfo) -> str | None:
    return f"{instant.astimezone(local):%a %d %b %Y %H:%M}" if instant else None
