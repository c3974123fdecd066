"""A raised hand as a rep reads it: who, why, until when, and everything so far. The mail, the page and the commands print it.

Before: `engine.scoring.handoff` raised it. After: `engine.scoring.notice` and `webhooks.handoffs` put it into words and boxes.
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
from engine.schedule.tasks import fill_in
from engine.schema import handoffs
from engine.scoring.history import Entry, Titles, histories, subjects
from engine.versions import Live
from engine.vocabulary import HandoffState

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
    """One hand-off. Times are in the rep's zone. `rep` None: nobody of that name is in assignment.yaml any more."""

    handoff_id: int
    lead_id: int
    state: HandoffState
    rep: Rep | None
    who: str
    about: str
    email: str | None
    phone: str | None
    may_call: bool
    points: str
    reasons: tuple[Reason, ...]
    raised_at: datetime
    answer_by: datetime
    answered_at: datetime | None
    note: str | None
    history: tuple[Entry, ...]

    @property
    def dialled(self) -> str:
        """The phone number as a `tel:` link wants it."""
        return re.sub(r"[^+\d]", "", self.phone or "")

    @property
    def why(self) -> str:
        """The strongest reasons in a few words."""
        return ", ".join(reason.words for reason in self.reasons[:2])


def cards(tx: Tx, live: Live, handoff_ids: Collection[int]) -> dict[int, Card]:
    """The cards of these hand-offs; a missing id is missing in the answer."""
    rows = tx.run(sa.select(handoffs).where(handoffs.c.id.in_(handoff_ids))).all()
    people = load_leads(tx, {row.lead_id for row in rows})
    known, titles = histories(tx, people), subjects(tx, people)
    return {row.id: as_card(row, people[row.lead_id], known[row.lead_id], titles, live) for row in rows}


def as_card(row: sa.Row[tuple[object, ...]], lead: Lead, history: Collection[Entry], titles: Titles, live: Live) -> Card:
    rep = live.assignment.reps.get(row.rep)
    local = zone((rep and rep.zone) or live.policy.zone)
    phone = lead.fields.get("phone")
    return Card(
        handoff_id=row.id,
        lead_id=row.lead_id,
        state=HandoffState(row.state),
        rep=rep,
        who=name_of(lead),
        about=about(lead),
        email=lead.email,
        phone=str(phone) if phone else None,
        may_call=not lead.do_not_call,
        points=f"{row.points:g}",
        reasons=tuple(as_reason(reason, titles, lead) for reason in row.reasons),
        raised_at=row.raised_at.astimezone(local),
        answer_by=row.answer_by.astimezone(local),
        answered_at=in_zone(row.answered_at, local),
        note=row.note,
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
