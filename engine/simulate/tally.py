"""The tally: what a run, or real life so far, came to; counted from the rows, and told for a person to read.

Before: rows, live or of a simulated world. After: `handraiser demo`, `simulate` and `report` print it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import sqlalchemy as sa

from engine.database import Tx
from engine.leads import load_leads
from engine.schema import enrolments, events, handoffs, leads, posts, sends, touches
from engine.scoring.card import name_of, reason_words
from engine.simulate.arms import ArmCount, arms, arms_in_words, arms_together
from engine.simulate.totals import StepTotal, totals, totals_together
from engine.simulate.variants import VariantCount, variants, variants_in_words, variants_together
from engine.vocabulary import EventType, HandoffState, Origin, SendState, Stream

BAR = "█"
BAR_WIDTH = 44
MOST_HANDS = 12
Key = TypeVar("Key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hand:
    """A raised hand: who, when, whose, and why."""

    who: str
    rep: str
    state: str
    points: float
    raised_at: datetime
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCount:
    """What became of everybody who came to a step; `reached` is the sum of `became`."""

    cadence: str
    step: str
    reached: int
    became: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """`mails`: accepted, by month (`2026-03`) and stream. `events` leaves machines out; `by_machines` is their share."""

    leads: int
    mails: Mapping[tuple[str, str], int]
    sends: Mapping[tuple[str, str | None], int]  # (state, reason) → rows
    events: Mapping[str, int]
    by_machines: int
    passages: Mapping[tuple[str, str | None], int]  # (state, reason) → rows
    steps: Sequence[StepCount]
    hands: Sequence[Hand]
    arms: Sequence[ArmCount] = ()
    variants: Sequence[VariantCount] = ()
    totals: Sequence[StepTotal] = ()


def tally(tx: Tx) -> Tally:
    """Count everything."""
    # A bounce or a complaint is told by a machine and is no less true for it.
    human = sa.or_(events.c.origin != Origin.MACHINE, events.c.type.in_((EventType.BOUNCED, EventType.COMPLAINED)))
    return Tally(
        leads=tx.run(sa.select(sa.func.count()).select_from(leads)).scalar_one(),
        mails=mails_by_month(tx),
        sends=counted(tx, sends.c.state, sends.c.reason),
        events={str(kind): rows for (kind, _), rows in counted(tx, events.c.type, sa.null(), human).items()},
        by_machines=sum(counted(tx, events.c.type, sa.null(), ~human).values()),
        passages=counted(tx, enrolments.c.state, enrolments.c.reason),
        steps=steps_reached(tx),
        hands=raised_hands(tx),
        totals=totals(tx),
        arms=arms(tx),
        variants=variants(tx),
    )


def together(one: Tally, other: Tally) -> Tally:
    """Two tallies of different leads as one."""
    return Tally(
        leads=one.leads + other.leads,
        mails=added(one.mails, other.mails),
        sends=added(one.sends, other.sends),
        events=added(one.events, other.events),
        by_machines=one.by_machines + other.by_machines,
        passages=added(one.passages, other.passages),
        steps=steps_together(one.steps, other.steps),
        totals=totals_together(one.totals, other.totals),
        hands=sorted([*one.hands, *other.hands], key=lambda hand: hand.raised_at),
        arms=arms_together(one.arms, other.arms),
        variants=variants_together(one.variants, other.variants),
    )


def added(one: Mapping[Key, int], other: Mapping[Key, int]) -> dict[Key, int]:
    return {key: one.get(key, 0) + other.get(key, 0) for key in {**one, **other}}


def steps_together(one: Sequence[StepCount], other: Sequence[StepCount]) -> list[StepCount]:
    found: dict[tuple[str, str], Mapping[str, int]] = {}
    for step in (*one, *other):
        found[(step.cadence, step.step)] = added(found.get((step.cadence, step.step), {}), step.became)
    return [
        StepCount(cadence=cadence, step=step, reached=sum(became.values()), became=became)
        for (cadence, step), became in found.items()
    ]


def counted(
    tx: Tx, what: sa.ColumnElement[str], why: object, *where: sa.ColumnElement[bool]
) -> dict[tuple[str, str | None], int]:
    grouped = sa.select(what.label("what"), sa.cast(why, sa.String).label("why"), sa.func.count().label("rows"))
    rows = tx.run(grouped.where(*where).group_by("what", "why"))
    return {(row.what, row.why): row.rows for row in rows}


def mails_by_month(tx: Tx) -> dict[tuple[str, str], int]:
    year, month = sa.extract("year", sends.c.ended_at), sa.extract("month", sends.c.ended_at)
    grouped = (
        sa.select(year.label("year"), month.label("month"), sends.c.stream, sa.func.count().label("rows"))
        .where(sends.c.state == SendState.ACCEPTED)
        .group_by("year", "month", sends.c.stream)
        .order_by("year", "month")
    )
    return {(f"{int(row.year):04}-{int(row.month):02}", row.stream): row.rows for row in tx.run(grouped)}


def steps_reached(tx: Tx) -> list[StepCount]:
    """Per cadence and step, what the touches became; one with a mail or a post counts as what that became."""
    became = sa.func.coalesce(sends.c.state, sa.literal("post ") + posts.c.state, touches.c.state)
    why = sa.func.coalesce(sends.c.reason, posts.c.reason, touches.c.reason, "")
    grouped = (
        sa.select(
            enrolments.c.cadence, touches.c.step_id, became.label("became"), why.label("why"), sa.func.count().label("rows")
        )
        .join_from(touches, enrolments, enrolments.c.id == touches.c.enrolment_id)
        .join(sends, sends.c.touch_id == touches.c.id, isouter=True)
        .join(posts, posts.c.touch_id == touches.c.id, isouter=True)
        .group_by(enrolments.c.cadence, touches.c.step_id, became, why)
    )
    found: dict[tuple[str, str], Counter[str]] = {}
    for row in tx.run(grouped):
        label = row.became if not row.why or row.became == SendState.ACCEPTED else f"{row.became} ({row.why})"
        found.setdefault((row.cadence, row.step_id), Counter())[label] += row.rows
    return [
        StepCount(cadence=cadence, step=step, reached=sum(became.values()), became=dict(became))
        for (cadence, step), became in found.items()
    ]


def raised_hands(tx: Tx) -> list[Hand]:
    rows = tx.run(sa.select(handoffs).order_by(handoffs.c.raised_at)).all()
    people = load_leads(tx, {row.lead_id for row in rows})
    return [
        Hand(
            who=name_of(people[row.lead_id]),
            rep=row.rep,
            state=row.state,
            points=row.points,
            raised_at=row.raised_at,
            reasons=tuple(reason_words(reason, people[row.lead_id]) for reason in row.reasons),
        )
        for row in rows
    ]


def in_words(told: Tally) -> str:
    """The tally as a person wants to read it: a bar for each month, what came back, whose hand is raised and why."""
    compared = (arms_in_words(told.arms), variants_in_words(told.variants))
    return "\n\n".join(part for part in (months(told), answers(told), endings(told), hands(told), *compared) if part)


def months(told: Tally) -> str:
    totals: Counter[str] = Counter()
    for (month, stream), rows in told.mails.items():
        if stream != Stream.INTERNAL:
            totals[month] += rows
    if not totals:
        return "No mail went out."
    most = max(totals.values())
    lines = [f"Mails by month ({sum(totals.values()):,} to {told.leads:,} leads)"]
    lines += [
        f"  {month}  {BAR * max(1, round(rows / most * BAR_WIDTH)):<{BAR_WIDTH}} {rows:>7,}"
        for month, rows in sorted(totals.items())
    ]
    return "\n".join(lines)


def answers(told: Tally) -> str:
    shown = (
        ("opened", EventType.OPENED), ("clicked", EventType.CLICKED), ("replied", EventType.REPLIED),
        ("looked at a page", EventType.VISITED), ("sent a form", EventType.FORM_SUBMITTED),
        ("unsubscribed", EventType.UNSUBSCRIBED), ("bounced", EventType.BOUNCED), ("marked as spam", EventType.COMPLAINED),
    )  # fmt: skip
    counts = ", ".join(f"{told.events.get(kind, 0):,} {word}" for word, kind in shown)
    return (
        f"What came back, without machines\n  {counts}\n"
        f"  ({told.by_machines:,} more by scanners, proxies and automatic replies: kept, labelled, worth no points)"
    )


def endings(told: Tally) -> str:
    lines = ["Where the leads stand"]
    for (state, reason), rows in sorted(told.passages.items(), key=lambda item: -item[1]):
        lines.append(f"  {rows:>7,}  {state}{f' ({reason})' if reason else ''}")
    unsent = {key: rows for key, rows in told.sends.items() if key[0] != SendState.ACCEPTED}
    for (state, reason), rows in sorted(unsent.items(), key=lambda item: -item[1]):
        lines.append(f"  {rows:>7,}  mails {state}{f' ({reason})' if reason else ''}")
    return "\n".join(lines)


def hands(told: Tally) -> str:
    if not told.hands:
        return "No hand was raised."
    answered = Counter(hand.state for hand in told.hands)
    summary = ", ".join(f"{answered[state]} {state}" for state in HandoffState if answered[state])
    lines = [f"Hands raised: {len(told.hands)} ({summary})"]
    for hand in told.hands[:MOST_HANDS]:
        lines.append(f"  {hand.raised_at:%d %b %Y}  {hand.who}, {hand.points:g} points, to {hand.rep}")
        lines.append(f"               because they {'; '.join(hand.reasons[:3])}")
    if len(told.hands) > MOST_HANDS:
        lines.append(f"  … and {len(told.hands) - MOST_HANDS} more")
    return "\n".join(lines)
