"""What an edit does to people who stand at the same place: where they go on, when, and what they will and will not be sent. Pure.

Before: `engine.schedule.crowds` has put people together for whom the answer is the same. After: `engine.schedule.changes` adds
the fates up for `plan`, and `engine.schedule.move` carries the very same ones out. Nobody goes back: what an edit puts before the
step that somebody waits for is not for them.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Literal, NamedTuple

from engine.compiler.plan import EnterStep, RaiseStep, SetStep, TaskStep, WebhookStep
from engine.schedule.counterparts import entry, mails_had_under_other_ids, reachable, with_ghost
from engine.schedule.forecast import Mail, Outlook, Start, walk
from engine.schedule.futures import until_they_meet
from engine.schedule.next_step import NEXT, Course, Ended, Passage, Took, date_of_end, next_step, plan_step
from engine.schedule.timing import Planned, local_date
from engine.spans import DaysOff

How = Literal["stays", "renamed", "sending", "removed", "had"]
ACTS = (TaskStep, SetStep, WebhookStep, RaiseStep, EnterStep)  # what is not to happen twice, beside mail


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Past:
    """The steps that a passage has taken, with the way it went, and (step, mail) of each mail that it was sent."""

    taken: Mapping[str, Took]
    had: frozenset[tuple[str, str]]


class Place(NamedTuple):
    """Where somebody stands, with nothing in it by which two people differ to whom the same happens.

    `before_*`: the step before the open one.
    """

    version_id: int
    step_id: str
    is_sending: bool
    zone: str | None
    days_off: tuple[DaysOff, DaysOff]  # by the old version and its rules, and by the new
    anchor_at: datetime
    shift_days: int
    planned_on: date
    due_at: datetime | None
    created_at: datetime
    mailed_at: datetime | None
    before_step: str | None
    before_on: date | None
    before_at: datetime | None
    past: Past
    sent_before: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """A cadence's version and the one that takes its place. `same`: see `engine.schedule.counterparts`.

    `alike`: the old steps from which on nothing differs, where that may be relied on; `renamed`: the new steps with another id;
    `futures`: of the new version's steps.
    """

    old: Course
    new: Course
    same: Mapping[str, str]
    alike: frozenset[str] = frozenset()
    renamed: frozenset[str] = frozenset()
    futures: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What becomes of those at a place.

    `to_step` None: the passage finishes. `how`: their step is still there, was renamed, has its mail on its way, is gone, or
    stands for a mail that they had. `planned`: new dates of the open step; None: as they were. `passed`: steps left out on the
    way, for they were sent before. `blocked`: steps ahead that they had under another id.
    """

    from_step: str
    to_step: str | None
    how: How
    planned: Planned | None
    passed: tuple[tuple[str, date], ...] = ()
    blocked: tuple[str, ...] = ()
    before: tuple[Mail, ...] = ()
    after: tuple[Mail, ...] = ()


def fate(edit: Edit, place: Place, passages: tuple[Passage, Passage], outlooks: tuple[Outlook, Outlook], now: datetime) -> Fate:
    """`passages` and `outlooks`: of the old version and of the new one."""
    where = where_to(edit, place, passages[1], now)
    before = walk(edit.old, passages[0], start_before(place, now), outlooks[0], now=now)
    after = walk(course_after(edit, place, where), passages[1], start_after(place, where, now), outlooks[1], now=now)
    mails = until_they_meet(before, after, edit.same, may_meet(edit, place, where))
    return replace(where, before=mails[0], after=mails[1])


def may_meet(edit: Edit, place: Place, where: Fate) -> frozenset[str]:
    """Steps of the new version from which on all is as it would have been: none of what is passed over lies ahead."""
    passed_over = {*by_both_ids(edit, {*place.past.taken, place.step_id, *place.sent_before}), *where.blocked}
    there = (edit.same[step_id] for step_id in edit.alike)
    return frozenset(step_id for step_id in there if not edit.futures[step_id] & (passed_over - {step_id}))


def had_in_all(edit: Edit, past: Past, sending: str | None) -> frozenset[str]:
    """Steps of the new version that the passage has taken, or is not to take for it had them under another id."""
    return frozenset((*by_both_ids(edit, past.taken), *had_already(edit, past, sending)))


def by_both_ids(edit: Edit, step_ids: Collection[str]) -> set[str]:
    return {*step_ids, *(edit.same[step_id] for step_id in step_ids if step_id in edit.same)}


def fate_unchanged(edit: Edit, step_id: str, *, is_sending: bool) -> Fate:
    """Of those at a step from which on nothing differs."""
    there = edit.same[step_id]
    how: How = "sending" if is_sending else "stays" if there == step_id else "renamed"
    return Fate(from_step=step_id, to_step=step_id if is_sending else there, how=how, planned=None)


def where_to(edit: Edit, place: Place, passage: Passage, now: datetime) -> Fate:
    """Where those at this place go on in the new version."""
    target = edit.same.get(place.step_id)
    if place.is_sending:
        blocked = had_ahead(edit, place, course_beyond(edit, place.step_id, place.past.taken).steps[place.step_id].next)
        return Fate(from_step=place.step_id, to_step=place.step_id, how="sending", planned=None, blocked=blocked)
    if target is not None and target not in place.past.taken and target not in had_by(edit, place):
        how: How = "stays" if target == place.step_id else "renamed"
        planned = dates_if_other(edit, place, target, passage, now)
        blocked = tuple(step_id for step_id in had_ahead(edit, place, target) if step_id != target)
        return Fate(from_step=place.step_id, to_step=target, how=how, planned=planned, blocked=blocked)
    return goes_on(edit, place, target, passage, now)


def had_ahead(edit: Edit, place: Place, step_id: str | None) -> tuple[str, ...]:
    """Of the steps from this one on, those that the passage had under another id."""
    if step_id is None:
        return ()
    ahead = {step_id} | reachable(edit.new, step_id)
    return tuple(each for each in had_by(edit, place) if each in ahead)


def had_by(edit: Edit, place: Place) -> tuple[str, ...]:
    return had_already(edit, place.past, place.step_id if place.is_sending else None)


def had_already(edit: Edit, past: Past, sending: str | None) -> tuple[str, ...]:
    """Steps of the new version that are not to be taken, for the passage had them when they had other ids.

    `sending`: the step whose mail is on its way.
    """
    if edit.new.plan.repeat:
        return ()
    taken, mails = {*past.taken}, past.had
    if sending is not None:
        taken, mails = taken | {sending}, mails | {(sending, mail_of(edit, sending))}
    acts = (edit.same.get(step_id, step_id) for step_id in sorted(taken))
    others = (step_id for step_id in acts if step_id not in taken and isinstance(edit.new.steps[step_id], ACTS))
    return (*mails_had_under_other_ids(mails, taken, edit.new.plan), *others)


def mail_of(edit: Edit, step_id: str) -> str:
    return str(getattr(edit.old.steps[step_id], "email", ""))


def dates_if_other(edit: Edit, place: Place, target: str, passage: Passage, now: datetime) -> Planned | None:
    """The dates by the new version, where the old one would give others; so what only time or a cap has moved stays."""
    ended = ended_before(place)
    before_on = counts_from(edit.old, place, passage)
    new = plan_step(edit.new, edit.new.steps[target], passage, previous_on=before_on, ended=ended, now=now)
    old = plan_step(edit.old, edit.old.steps[place.step_id], passage, previous_on=before_on, ended=ended, now=now)
    return None if new == old else new


def ended_before(place: Place) -> Ended | None:
    if place.before_step is None or place.before_on is None or place.before_at is None:
        return None
    return Ended(step_id=place.before_step, took=NEXT, on=place.before_on, at=place.before_at, mailed_at=place.mailed_at)


def counts_from(course: Course, place: Place, passage: Passage) -> date | None:
    ended = ended_before(place)
    return None if ended is None else date_of_end(course, passage, ended)


def goes_on(edit: Edit, place: Place, target: str | None, passage: Passage, now: datetime) -> Fate:
    """Their step is gone, or is not for them: dates count from the step before, as if it had not been."""
    gone, taken = edit.old.steps[place.step_id], passed_over(place.past, place.step_id)
    leads_to = edit.new.steps[target].next if target else entry(edit.old, gone.id, edit.same, taken)
    blocked = had_ahead(edit, place, leads_to)
    ended = Ended(
        step_id=gone.id,
        took=NEXT,
        on=counts_from(edit.old, place, passage) or local_date(passage.anchor_at, passage.zone),
        at=place.before_at or passage.anchor_at,
        mailed_at=place.mailed_at,
    )
    ghostly = with_ghost(edit.new, gone, leads_to)
    coming = next_step(
        ghostly,
        passage,
        ended,
        now=now,
        sent_before=place.sent_before,
        taken=passed_over(place.past, gone.id, *blocked),
    )
    return Fate(
        from_step=gone.id,
        to_step=None if coming.step is None else coming.step.id,
        how="removed" if target is None else "had",
        planned=coming.planned,
        passed=coming.passed,
        blocked=blocked,
    )


def start_before(place: Place, now: datetime) -> Start:
    return Start(
        step_id=place.step_id,
        planned=Planned(on=place.planned_on, due_at=place.due_at or now),
        created_at=place.created_at,
        mailed_at=place.mailed_at,
        taken=place.past.taken,
        sent_before=place.sent_before,
        is_sending=place.is_sending,
    )


def start_after(place: Place, where: Fate, now: datetime) -> Start:
    """Those who stay at their step have been there since; those who go on come to theirs now."""
    start = replace(start_before(place, now), taken=passed_over(place.past, *where.blocked))
    if where.how == "sending":
        return start
    if where.how in ("stays", "renamed"):
        return replace(start, step_id=where.to_step, planned=where.planned or start.planned)
    return replace(
        start,
        step_id=where.to_step,
        planned=where.planned,
        created_at=now,
        taken=passed_over(place.past, place.step_id, *where.blocked),
        is_open=False,
    )


def passed_over(past: Past, *step_ids: str) -> dict[str, Took]:
    """All that the passage has taken, and these as if it had."""
    return {**past.taken, **dict.fromkeys(step_ids, NEXT)}


def course_after(edit: Edit, place: Place, where: Fate) -> Course:
    if where.how != "sending":
        return edit.new
    return course_beyond(edit, place.step_id, passed_over(place.past, *where.blocked))


def course_beyond(edit: Edit, step_id: str, taken: Collection[str]) -> Course:
    """The new version as it is for somebody whose open touch ends with a step of the old one."""
    if step_id in edit.new.steps:
        return edit.new
    target = edit.same.get(step_id)
    leads_to = edit.new.steps[target].next if target else entry(edit.old, step_id, edit.same, taken)
    return with_ghost(edit.new, edit.old.steps[step_id], leads_to)
