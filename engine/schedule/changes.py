"""What applying a workspace would change, added up: a value that can be printed, compared and kept.

Before: `engine.schedule.edited` works it out. After: `engine.schedule.wording` puts it into words for `plan` and `apply`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Literal

from engine.compiler.plan import CadencePlan, EmailStep
from engine.schedule.crowds import Crowd
from engine.schedule.fates import Fate
from engine.schedule.fates import How as Goes
from engine.schedule.forecast import Mail

How = Literal["new", "returned", "unchanged", "copy", "structure", "removed"]
EmailHow = Literal["new", "changed", "gone"]
MailHow = Literal["lost", "gained", "twice", "earlier", "later"]
Why = Literal["removed", "behind", ""]
WhyKept = Literal["brand", "stream", "link"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepMove:
    """How many go on from one step to which. `to_step` None: their passage finishes, for nothing follows."""

    from_step: str
    to_step: str | None
    how: Goes
    people: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MailChange:
    """How many will, or will not, be sent a mail that they otherwise would not, or would.

    `why` it is lost: its step was `removed`, or no longer lies ahead of them. `by`: the least, the middle and the most by which
    it comes earlier or later.
    """

    step: str
    email: str
    how: MailHow
    people: int
    why: Why = ""
    by: tuple[timedelta, timedelta, timedelta] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptCopy:
    """A changed mail whose new copy does not reach people on an older version.

    `why`: it is not made in that version's `brand`; it is no marketing mail any more (`stream`); it lacks a `link` that the
    version asks for.
    """

    email: str
    why: WhyKept
    people: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CadenceChange:
    """One cadence: what becomes of it, and of the people inside.

    `moves`: they go on with the new version, of whom `words` notice nothing but the words. `stays`: they keep the steps and
    times of the version they are on, of whom `corrected` get newer copy, but for what is `kept`. `steps` and `mails` are about
    those who move to other steps or times.
    """

    cadence: str
    how: How
    moves: int = 0
    words: int = 0
    stays: int = 0
    corrected: int = 0
    kept: tuple[KeptCopy, ...] = ()
    steps: tuple[StepMove, ...] = ()
    mails: tuple[MailChange, ...] = ()

    @property
    def is_nothing(self) -> bool:
        return self.how == "unchanged" and not self.moves and not self.corrected and not self.kept


@dataclass(frozen=True, slots=True, kw_only=True)
class AlreadyIn:
    """How many match a segment before a cadence lets in by it, or before it means what it will: they do not come in by that."""

    cadence: str
    segment: str
    people: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Everything that differs between what is applied and the workspace."""

    cadences: tuple[CadenceChange, ...]
    rules: tuple[str, ...]  # kinds that change: policy, scoring, assignment, offers
    emails: tuple[tuple[str, EmailHow], ...]
    already_in: tuple[AlreadyIn, ...] = ()

    @property
    def is_nothing(self) -> bool:
        return all(each.is_nothing for each in self.cadences) and not self.rules and not self.emails

    def as_plain(self) -> dict[str, object]:
        """For a machine; spans of time in seconds."""
        plain = asdict(self)
        for cadence in plain["cadences"]:
            for mail in cadence["mails"]:
                mail["by"] = None if mail["by"] is None else [each.total_seconds() for each in mail["by"]]
        return {"nothing": self.is_nothing, **plain}


@dataclass(frozen=True, slots=True, kw_only=True)
class MailDifference:
    """One mail that a fate adds, takes away or moves by `by`."""

    step: str
    email: str
    how: MailHow
    why: Why = ""
    by: timedelta = timedelta(0)


def steps_moved(crowds: Sequence[Crowd]) -> tuple[StepMove, ...]:
    """In the order of the numbers, the most first."""
    counted: dict[tuple[str, str | None, Goes], int] = {}
    for crowd in crowds:
        way = (crowd.fate.from_step, crowd.fate.to_step, crowd.fate.how)
        counted[way] = counted.get(way, 0) + len(crowd.people)
    ways = sorted(counted.items(), key=lambda item: (-item[1], item[0][0], item[0][1] or ""))
    return tuple(StepMove(from_step=start, to_step=to, how=how, people=people) for (start, to, how), people in ways)


def mails_changed(crowds: Sequence[Crowd], plan: CadencePlan, same: Mapping[int, Mapping[str, str]]) -> tuple[MailChange, ...]:
    """In the order of the cadence's steps. `same`: the counterparts of each version's steps."""
    found: dict[tuple[str, str, MailHow, Why], list[tuple[timedelta, int]]] = {}
    for crowd in crowds:
        for each in differences(crowd.fate, plan, same[crowd.version_id]):
            found.setdefault((each.step, each.email, each.how, each.why), []).append((each.by, len(crowd.people)))
    place = {step.id: number for number, step in enumerate(plan.steps)}
    ordered = sorted(found.items(), key=lambda item: (place.get(item[0][0], len(place)), item[0]))
    return tuple(
        MailChange(step=step, email=email, how=how, why=why, people=sum(people for _by, people in moved), by=spread(how, moved))
        for (step, email, how, why), moved in ordered
    )


def spread(how: MailHow, moved: Sequence[tuple[timedelta, int]]) -> tuple[timedelta, timedelta, timedelta] | None:
    """The least, the median and the most, without a row for each of a hundred thousand people."""
    if how not in ("earlier", "later"):
        return None
    spans = sorted((abs(by), people) for by, people in moved)
    wanted, passed = (sum(people for _by, people in spans) - 1) // 2, 0
    for by, people in spans:
        passed += people
        if passed > wanted:
            return spans[0][0], by, spans[-1][0]
    raise AssertionError("nobody is not counted")


def differences(fate: Fate, plan: CadencePlan, same: Mapping[str, str]) -> Iterator[MailDifference]:
    """The mails by which the forecasts before and after differ, and those held back because they were had."""
    left = list(fate.after)
    for mail in fate.before:
        twin = twin_of(mail, left, same)
        if twin is None:
            yield MailDifference(step=mail.step_id, email=mail.email, how="lost", why=why_lost(mail, plan, same))
            continue
        left.remove(twin)
        if twin.at != mail.at:
            how: MailHow = "earlier" if twin.at < mail.at else "later"
            yield MailDifference(step=twin.step_id, email=twin.email, how=how, by=twin.at - mail.at)
    yield from (MailDifference(step=mail.step_id, email=mail.email, how="gained") for mail in left)
    mails = {step.id: step.email for step in plan.steps if isinstance(step, EmailStep)}
    yield from (MailDifference(step=step, email=mails[step], how="twice") for step in fate.blocked if step in mails)


def twin_of(mail: Mail, after: Sequence[Mail], same: Mapping[str, str]) -> Mail | None:
    """The same mail after the edit: that of its step, else one of the same name."""
    alike = [each for each in after if each.email == mail.email]
    at_home = [each for each in alike if each.step_id in (mail.step_id, same.get(mail.step_id))]
    return next(iter(at_home or alike), None)


def why_lost(mail: Mail, plan: CadencePlan, same: Mapping[str, str]) -> Why:
    there = any(isinstance(step, EmailStep) and step.email == mail.email for step in plan.steps)
    return "behind" if there or mail.step_id in same else "removed"
