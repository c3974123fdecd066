"""The people inside a cadence, put together where an edit does the same to them, so that it is worked out once for each crowd.

Before: `engine.schedule.positions` reads where everybody stands. After: each crowd has its fate (`engine.schedule.fates`). Two
people are in one crowd where no date and no answer to a condition tells them apart; of instants that lie behind, the day will do.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache

import sqlalchemy as sa

from engine.compiler.plan import CadencePlan, Policy, WaitStep
from engine.database import Tx
from engine.expressions.facts import Facts
from engine.schedule.answers import Answers, Side, answers_of, gather, outlook_of, side_of
from engine.schedule.counterparts import counterparts
from engine.schedule.courses import course, days_off_of, zone_named, zone_of
from engine.schedule.fates import Edit, Fate, Place, fate, fate_unchanged, had_in_all
from engine.schedule.futures import alike_from, futures_of
from engine.schedule.next_step import NEXT, Course, Ended, Passage, course_of, date_of_end, due_again
from engine.schedule.passages import done_in_earlier_passages
from engine.schedule.pasts import Pasts
from engine.schedule.positions import Position, mails_as_sent, mails_by_step, positions
from engine.schedule.timing import end_of_gap, first_instant, local_date
from engine.schema import cadence_versions
from engine.spans import DaysOff
from engine.versions import cadence_plan, live_rules
from engine.vocabulary import TouchState

NOON = time(12)
Person = tuple[int, int, int]  # enrolment, lead, open touch


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """People with one fate, who were on one version."""

    version_id: int
    fate: Fate
    people: list[Person]


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """One version that people are on, and what is to take its place."""

    edit: Edit
    sides: tuple[Side, Side]


@dataclass(slots=True, kw_only=True)
class Survey:
    """Everything that is looked up once for a cadence. `is_exact`: some span is shorter than a day, so instants count even where
    they lie behind.
    """

    leaving: Mapping[int, Leaving]  # by version
    now: datetime
    pasts: Pasts
    earlier: Mapping[int, frozenset[str]]
    facts: Mapping[int, Facts]
    is_exact: bool


def crowds(
    tx: Tx,
    plan: CadencePlan,
    version_ids: Sequence[int],
    policy: Policy,
    *,
    only: Collection[int] | None = None,
    whole: bool = False,
) -> list[Crowd]:
    """Everybody inside on these versions, with what becomes of them when `plan` takes their place under `policy`. Only reads.

    `only`: these passages. Forecasts end where they make no difference any more, unless they are wanted `whole`.
    """
    if not version_ids or (only is not None and not only):
        return []
    live, new = live_rules(tx).policy, course_of(plan)
    leaving = {each: leaving_of(course(tx, each), new, live, policy, whole=whole) for each in version_ids}
    mails = mails_by_step([*(cadence_plan(tx, each) for each in versions_of(tx, plan.name)), plan])
    several = [step_id for step_id, emails in mails.items() if len(emails) > 1]
    pasts = Pasts(mails=mails, as_sent=mails_as_sent(tx, plan.name, version_ids, several))
    had = cache(lambda version_id, past, sending: had_in_all(leaving[version_id].edit, past, sending))  # few are different
    untouched: dict[tuple[int, str, bool], list[Person]] = {}
    touched: list[Position] = []
    for each in positions(tx, plan, version_ids, mails, only):
        sends = each.state == TouchState.SENDING
        where = (each.version_id, each.step_id, sends)
        if is_untouched(
            leaving[each.version_id].edit, each, had(each.version_id, pasts.of(each), each.step_id if sends else None)
        ):
            untouched.setdefault(where, []).append((each.enrolment_id, each.lead_id, each.touch_id))
        else:
            touched.append(each)
    return [
        *(
            Crowd(version_id=version_id, fate=fate_unchanged(leaving[version_id].edit, step_id, is_sending=sends), people=people)
            for (version_id, step_id, sends), people in untouched.items()
        ),
        *crowds_touched(survey_of(tx, plan, touched, leaving, pasts), touched),
    ]


def is_untouched(edit: Edit, position: Position, had: frozenset[str]) -> bool:
    """Nothing that is ahead of them differs, nor have they had any of it, nor may they have had it in an earlier passage under
    another name.
    """
    if position.step_id not in edit.alike:
        return False
    ahead = edit.futures[edit.same[position.step_id]]
    return ahead.isdisjoint(had) and (position.passage == 1 or ahead.isdisjoint(edit.renamed))


def crowds_touched(survey: Survey, standing: Sequence[Position]) -> list[Crowd]:
    found: dict[tuple[Place, Answers, Answers], list[Person]] = {}
    for each in standing:
        found.setdefault(key_of(survey, each), []).append((each.enrolment_id, each.lead_id, each.touch_id))
    return [
        Crowd(version_id=key[0].version_id, fate=fate_of(survey, *key, lead_id=people[0][1]), people=people)
        for key, people in found.items()
    ]


def leaving_of(old: Course, new: Course, now: Policy, then: Policy, *, whole: bool) -> Leaving:
    same = counterparts(old.plan, new.plan)
    alike = alike_from(old, new, same) if not whole and bears_on_schedule(now) == bears_on_schedule(then) else frozenset()
    renamed = frozenset(there for step_id, there in same.items() if there != step_id)
    edit = Edit(old=old, new=new, same=same, alike=alike, renamed=renamed, futures=futures_of(new))
    return Leaving(edit=edit, sides=(side_of(old, now), side_of(new, then)))


def bears_on_schedule(policy: Policy) -> tuple[object, ...]:
    """The rules for everyone that decide dates and answers."""
    zones = {name: brand.get("zone") for name, brand in policy.brands.items()}
    return (
        policy.zone, zones, policy.holidays, policy.segments, policy.lead_schema, policy.event_schema, policy.unknown_consent,
    )  # fmt: skip


def versions_of(tx: Tx, cadence: str) -> list[int]:
    return list(tx.run(sa.select(cadence_versions.c.id).where(cadence_versions.c.cadence == cadence)).scalars())


def survey_of(tx: Tx, plan: CadencePlan, standing: Sequence[Position], leaving: Mapping[int, Leaving], pasts: Pasts) -> Survey:
    sides = [side for each in leaving.values() for side in each.sides]
    again = [each.enrolment_id for each in standing if each.passage > 1]
    return Survey(
        leaving=leaving,
        now=tx.now,
        pasts=pasts,
        earlier=done_in_earlier_passages(tx, [] if plan.repeat else again),
        facts=gather(tx, standing, sides, plan.topic),
        is_exact=any(counts_hours(side.course) for side in sides) or len({brand_zone(side) for side in sides}) > 1,
    )


def counts_hours(way: Course) -> bool:
    spans = [way.plan.gap]
    spans += [timing.span for timing in way.timings.values()]
    spans += [step.timeout for step in way.plan.steps if isinstance(step, WaitStep)]
    return any(span.seconds for span in spans)


def brand_zone(side: Side) -> str:
    return zone_of(None, side.course.plan.brand, side.policy).key


def key_of(survey: Survey, position: Position) -> tuple[Place, Answers, Answers]:
    leaving = survey.leaving[position.version_id]
    facts = survey.facts.get(position.lead_id)
    there = leaving.edit.same.get(position.step_id)
    answers = [
        answers_of(side, position, step, facts) for side, step in zip(leaving.sides, (position.step_id, there), strict=True)
    ]
    return place_of(survey, leaving, position), answers[0], answers[1]


def place_of(survey: Survey, leaving: Leaving, position: Position) -> Place:
    days_off = days_off_for(leaving, position)
    passage = passages_of(leaving, position.zone, days_off, position.anchor_at, shift_of(survey, position))[0]
    return Place(
        version_id=position.version_id,
        step_id=position.step_id,
        is_sending=position.state == TouchState.SENDING,
        zone=position.zone,
        days_off=days_off,
        anchor_at=anchor_of(survey, passage),
        shift_days=passage.shift_days,
        planned_on=position.planned_on,
        due_at=due_of(survey, leaving, position, passage),
        created_at=position.created_at if survey.is_exact else survey.now,
        mailed_at=mailed_of(survey, leaving, position, passage),
        before_step=None if position.before_step is None else "",
        before_on=before_on(leaving, position, passage),
        before_at=position.before_at if survey.is_exact or position.before_at is None else survey.now,
        past=survey.pasts.of(position),
        sent_before=survey.earlier.get(position.enrolment_id, frozenset()),
    )


def days_off_for(leaving: Leaving, position: Position) -> tuple[DaysOff, DaysOff]:
    old, new = (days_off_of(position.lead_fields, side.course.plan, side.policy) for side in leaving.sides)
    return old, new


def passages_of(
    leaving: Leaving, zone: str | None, days_off: tuple[DaysOff, DaysOff], anchor_at: datetime, shift_days: int
) -> tuple[Passage, Passage]:
    """The passage by the old version and by the new: a version's brand may decide the zone."""
    old, new = (
        Passage(
            anchor_at=anchor_at,
            shift_days=shift_days,
            zone=zone_of(zone, side.course.plan.brand, side.policy),
            days_off=off,
        )
        for side, off in zip(leaving.sides, days_off, strict=True)
    )
    return old, new


def shift_of(survey: Survey, position: Position) -> int:
    """With the days that a passage that stands still has stood by now."""
    if position.suspended_at is None:
        return position.shift_days
    zone = zone_named(position.zone or "UTC", "UTC")
    return position.shift_days + (local_date(survey.now, zone) - local_date(position.suspended_at, zone)).days


def anchor_of(survey: Survey, passage: Passage) -> datetime:
    """Of an anchor that lies behind, its day is enough."""
    day = local_date(passage.anchor_at, passage.zone)
    if survey.is_exact or day + timedelta(days=max(passage.shift_days, 0)) >= local_date(survey.now, passage.zone):
        return passage.anchor_at
    return first_instant(day, NOON, passage.zone)


def due_of(survey: Survey, leaving: Leaving, position: Position, passage: Passage) -> datetime:
    """When the open touch would go on: now, where that lies behind; where the passage stands still, as if it went on now."""
    if position.due_at is not None:
        return max(position.due_at, survey.now)
    old = leaving.edit.old
    return due_again(
        old,
        old.steps[position.step_id],
        passage,
        on=position.planned_on,
        created_at=position.created_at,
        mailed_at=position.mailed_at,
        now=survey.now,
    )


def mailed_of(survey: Survey, leaving: Leaving, position: Position, passage: Passage) -> datetime | None:
    """The last mail matters as long as a gap behind it lasts."""
    if position.mailed_at is None:
        return None
    gaps = [side.course.plan.gap for side in leaving.sides if side.course.plan.gap]
    lasting = any(end_of_gap(gap, position.mailed_at, passage.zone, passage.days_off) > survey.now for gap in gaps)
    return position.mailed_at if lasting else None


def before_on(leaving: Leaving, position: Position, passage: Passage) -> date | None:
    """The date that what follows the step before counts from."""
    if position.before_step is None or position.before_on is None or position.before_at is None:
        return None
    ended = Ended(
        step_id=position.before_step, took=NEXT, on=position.before_on, at=position.before_at, mailed_at=position.mailed_at
    )
    return date_of_end(leaving.edit.old, passage, ended)


def fate_of(survey: Survey, place: Place, now: Answers, then: Answers, *, lead_id: int) -> Fate:
    leaving = survey.leaving[place.version_id]
    facts = survey.facts.get(lead_id)
    passages = passages_of(leaving, place.zone, place.days_off, place.anchor_at, place.shift_days)
    outlooks = (outlook_of(leaving.sides[0], now, facts), outlook_of(leaving.sides[1], then, facts))
    return fate(leaving.edit, place, passages, outlooks, survey.now)
