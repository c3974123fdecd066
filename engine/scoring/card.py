"""A raised hand or a task as a rep reads it: who, why, until when, and everything so far. The mail, the page and the commands
print it.

Before: `engine.scoring.handoff` raised the hand, or a cadence asked for something (`engine.schedule.tasks`). After:
`engine.scoring.notice` and `webhooks.asks` put it into words and boxes.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from engine.compiler.plan import Rep
from engine.conditions import zone
from engine.database import Tx
from engine.leads import Lead, load_leads
from engine.schedule.tasks import fill_in, worded_title
from engine.schema import enrolments, handoffs, scores, tasks, touches
from engine.scoring.history import Entry, Titles, histories, printable, subjects
from engine.versions import Live
from engine.vocabulary import Ask, HandoffState, TaskState

STEP = "step"  # who gave a reason, where it was not the score
ASKED_FOR = "asked"
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Points and what they are for, as they are printed; what a step of a cadence gives as a reason has none, and says so."""

    words: str
    points: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One hand-off or task. Times are in the rep's zone. `rep` None: nobody of that name is in assignment.yaml any more.

    `title`, `details`: what a task asks for; `ended_for`: why the passage ended that asked for it. A hand-off has none of them.
    """

    ask: Ask
    number: int
    lead_id: int
    state: HandoffState | TaskState
    rep: Rep | None
    title: str
    details: str
    who: str
    about: str
    email: str | None
    phone: str | None
    may_call: bool
    points: str
    reasons: tuple[Reason, ...]
    asked_at: datetime
    answer_by: datetime
    answered_at: datetime | None
    note: str | None
    ended_for: str | None
    history: tuple[Entry, ...]

    @property
    def dialled(self) -> str:
        """The phone number as a `tel:` link wants it."""
        return re.sub(r"[^+\d]", "", self.phone or "")

    @property
    def why(self) -> str:
        """The strongest reasons in a few words."""
        return ", ".join(reason.words for reason in self.reasons[:2])


def cards(tx: Tx, live: Live, ask: Ask, numbers: Collection[int]) -> dict[int, Card]:
    """The cards of these hand-offs or tasks; a missing number is missing in the answer."""
    rows = tx.run(CHOSEN[ask], {"numbers": list(numbers)}).all()
    people = load_leads(tx, {row.lead_id for row in rows})
    known, titles = histories(tx, people), subjects(tx, people)
    return {row.id: as_card(ask, row, people[row.lead_id], known[row.lead_id], titles, live) for row in rows}


NUMBERS: sa.BindParameter[int] = sa.bindparam("numbers", expanding=True)
CHOSEN: dict[Ask, sa.Select[tuple[object, ...]]] = {
    Ask.HANDOFF: sa.select(
        handoffs,
        handoffs.c.raised_at.label("asked_at"),
        sa.literal("").label("title"),
        sa.literal("").label("details"),
        sa.null().label("ended_for"),
    ).where(handoffs.c.id.in_(NUMBERS)),
    Ask.TASK: sa.select(
        tasks.c.id, tasks.c.lead_id, tasks.c.rep, tasks.c.state, tasks.c.title, tasks.c.note.label("details"),
        tasks.c.created_at.label("asked_at"), tasks.c.due_at.label("answer_by"), tasks.c.ended_at.label("answered_at"),
        tasks.c.said.label("note"), scores.c.points, scores.c.reasons, enrolments.c.reason.label("ended_for"),
    )
    .join(touches, touches.c.id == tasks.c.touch_id)
    .join(enrolments, enrolments.c.id == touches.c.enrolment_id)
    .join(scores, scores.c.lead_id == tasks.c.lead_id, isouter=True)
    .where(tasks.c.id.in_(NUMBERS)),
}  # fmt: skip
STATES: dict[Ask, type[HandoffState] | type[TaskState]] = {Ask.HANDOFF: HandoffState, Ask.TASK: TaskState}


def as_card(
    ask: Ask, row: sa.Row[tuple[object, ...]], lead: Lead, history: Collection[Entry], titles: Titles, live: Live
) -> Card:
    rep = live.assignment.reps.get(row.rep)
    local = zone((rep and rep.zone) or live.policy.zone)
    phone = lead.fields.get("phone")
    return Card(
        ask=ask,
        number=row.id,
        lead_id=row.lead_id,
        state=STATES[ask](row.state),
        rep=rep,
        title=on_one_line(worded_title(row.title, lead)) or (name_of(lead) if ask == Ask.TASK else ""),
        details=printable(fill_in(row.details, lead)),
        who=name_of(lead),
        about=about(lead),
        email=lead.email,
        phone=str(phone) if phone else None,
        may_call=not lead.do_not_call,
        points=f"{row.points or 0:g}",
        reasons=tuple(as_reason(reason, titles, lead) for reason in row.reasons or ()),
        asked_at=row.asked_at.astimezone(local),
        answer_by=row.answer_by.astimezone(local),
        answered_at=in_zone(row.answered_at, local),
        note=row.note,
        ended_for=row.ended_for,
        history=tuple(replace(entry, at=entry.at.astimezone(local)) for entry in history),
    )


def in_zone(instant: datetime | None, local: ZoneInfo) -> datetime | None:
    return None if instant is None else instant.astimezone(local)


def step_reason(because: str, at: datetime) -> dict[str, object]:
    """A reason that a step gives, as it is kept: with its gaps, for what fills them is personal and stands in `leads` alone."""
    return {"points": 0, "because": because, "at": at.isoformat(), "times": 1, "by": STEP}


def as_reason(kept: Mapping[str, object], titles: Titles, lead: Lead) -> Reason:
    """A kept reason with our names for mails turned into their subjects, and a step's gaps filled in."""
    if kept.get("by") == STEP:
        return Reason(words=reason_words(kept, lead), points=ASKED_FOR)
    words = re.sub("“([^”]+)”", lambda found: f"“{titles.get((lead.id, found[1]), found[1])}”", reason_words(kept, lead))
    times = kept.get("times", 1)
    return Reason(words=words if times == 1 else f"{words} ({times}×)", points=f"{kept['points']:+g}")


def reason_words(kept: Mapping[str, object], lead: Lead) -> str:
    """What a score gives as a reason may come from a stranger's link or page, so only a step's words are filled in."""
    because = str(kept["because"])
    return on_one_line(fill_in(because, lead)) if kept.get("by") == STEP else because


def name_of(lead: Lead) -> str:
    """First and last name as far as they are known, else the address, else the key."""
    names = [str(lead.fields[name]) for name in ("first_name", "last_name") if lead.fields.get(name)]
    return on_one_line(" ".join(names)) or lead.email or lead.key


def about(lead: Lead) -> str:
    """Role, company, city and country, as far as they are known."""
    known = [str(lead.fields[name]) for name in ("role", "company", "city", "country") if lead.fields.get(name)]
    return on_one_line(", ".join(known))


def on_one_line(text: str) -> str:
    """A name may come from anyone's form, and a line end in it must not break a mail's header."""
    return CONTROL.sub(" ", text).strip()[:200]
