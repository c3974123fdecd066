"""What `handraiser explain` tells of a lead, gathered from the rows: times are in the lead's own zone.

Before: the lead was found. After: `engine.cli.explain` prints it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from engine.conditions import gather_facts, zone_of
from engine.database import Tx
from engine.domains import domain_of
from engine.leads import Lead
from engine.schedule.endings import compiled_or_none
from engine.schema import consents, enrolments, handoffs, scores, sends
from engine.scoring.card import about, name_of
from engine.scoring.history import histories
from engine.story.held_back import holding
from engine.story.passages import told_passages
from engine.story.refusals import stayed_out
from engine.story.steps import ToldPassage, ToldStep, at, in_reports, version_in_words, waited
from engine.story.words import in_words, server_in_words, through
from engine.suppression import stops_on
from engine.versions import Live, live_rules
from engine.vocabulary import LIVE_ENROLMENT, OPEN_HANDOFF, Stream

Row = sa.Row[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """All about one lead. `mail`: what was sent or is to be sent without a cadence; `stayed_out`: of which cadences, and why."""

    lead: str
    about: str
    zone: str
    points: float
    reasons: tuple[str, ...]
    points_change: str | None
    segments: tuple[str, ...]
    consent: Mapping[str, str]
    stops: tuple[str, ...]
    held_back: tuple[str, ...]  # by a person, until a person says otherwise
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
        segments=segments_of(tx, live, lead),
        consent={row.topic: f"{row.state}, by {row.source}" for row in said},
        stops=tuple(stop_in_words(*stop) for stop in stops_on(tx, lead.address_key or "")),
        held_back=holding(tx, cadences_of(tx, lead), domain_of(lead.email or "")),
        with_sales=with_sales(tx, live, lead, local),
        passages=told_passages(tx, lead, local),
        stayed_out=stayed_out(tx, lead, local),
        mail=tuple(told_mail(row, local, live.policy.language) for row in other_mail(tx, lead)),
        history=tuple(f"{at(entry.at, local)}  {entry.line}" for entry in histories(tx, [lead.id])[lead.id]),
    )


def stop_in_words(scope: str, reason: str, by: str) -> str:
    return f"{scope}, because it {'said “do not email”' if reason == 'do_not_email' else reason}, by {by}"


def segments_of(tx: Tx, live: Live, lead: Lead) -> tuple[str, ...]:
    """The segments that the lead matches now."""
    if not live.policy.segments:
        return ()
    facts = gather_facts(tx, {lead.id: lead}, live)[lead.id]
    asked = {name: compiled_or_none(text, live.policy) for name, text in live.policy.segments.items()}
    return tuple(name for name, condition in asked.items() if condition is not None and condition.holds(facts))


def cadences_of(tx: Tx, lead: Lead) -> Sequence[str]:
    """In which the lead is now."""
    inside = sa.select(enrolments.c.cadence).where(enrolments.c.lead_id == lead.id, enrolments.c.state.in_(LIVE_ENROLMENT))
    return tx.run(inside).scalars().all()


def is_ahead(tx: Tx, instant: datetime | None) -> bool:
    return instant is not None and instant > tx.now


def with_sales(tx: Tx, live: Live, lead: Lead, local: ZoneInfo) -> str | None:
    hand = tx.run(sa.select(handoffs).where(handoffs.c.lead_id == lead.id, handoffs.c.state.in_(OPEN_HANDOFF))).first()
    if hand is None:
        return None
    rep = live.assignment.reps.get(hand.rep)
    return f"hand-off {hand.id} to {rep.name if rep else hand.rep}: {hand.state}, to be answered by {at(hand.answer_by, local)}"


def other_mail(tx: Tx, lead: Lead) -> Sequence[Row]:
    chosen = sa.select(sends).where(sends.c.lead_id == lead.id, sends.c.touch_id.is_(None), sends.c.stream != Stream.INTERNAL)
    return tx.run(chosen.order_by(sends.c.id)).all()


def told_mail(row: Row, local: ZoneInfo, usual_language: str) -> ToldStep:
    return ToldStep(
        step=row.email,
        state=in_reports(row.state),
        planned_on=str(row.created_at.astimezone(local).date()),
        when=at(row.ended_at or row.due_at, local),
        because=(
            *waited(row.waited_for, row.reason),
            *([in_words(row.reason)] if row.reason else ()),
            *version_in_words(row.language, row.arm, usual_language),
            *through(row.relay),
        ),
        relay=row.relay,
        server=server_in_words(row.smtp_code, row.smtp_reply, row.smtp_phase),
        reason=row.reason,
        email=row.email,
        language=row.language,
        variant=row.arm,
    )
