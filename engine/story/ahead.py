"""What a passage still has before it if nothing more happens to its lead: the mails after the next step, with their days.

Before: the passage's open touch. After: `engine.story.passages` tells them. The walk is `engine.schedule.forecast`, which the
engine takes too, so only caps, people and mail servers can make it otherwise.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from engine.compiler.plan import Policy, SplitStep
from engine.conditions import gather_facts
from engine.database import Tx
from engine.expressions.facts import Facts
from engine.leads import Lead
from engine.schedule.draw import draw
from engine.schedule.endings import compiled_or_none, conditions_of
from engine.schedule.enrol import stopped_addresses
from engine.schedule.forecast import Outlook, Start, forecast
from engine.schedule.next_step import NOTHING_TAKEN, Course, Took, way_taken
from engine.schedule.passages import done_in_earlier_passages, passage_of
from engine.schedule.timing import Planned
from engine.versions import live_rules
from engine.vocabulary import OPEN_TOUCH, Consent, EnrolmentState, TouchState

Row = Any  # of `engine.story.steps.steps_of`


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """A mail to come. `on`: in the lead's zone."""

    step: str
    email: str
    on: str


def ahead(tx: Tx, lead: Lead, rows: list[Row], way: Course, policy: Policy, local: ZoneInfo) -> tuple[Expected, ...]:
    """The mails after the step that is open now; none for a passage that stands still or is over."""
    row = next((each for each in rows if each.state in OPEN_TOUCH), None)
    if row is None or row.enrolment_state != EnrolmentState.ACTIVE:
        return ()
    due_at = row.send_due_at or row.due_at or tx.now
    earlier = {} if way.plan.repeat else done_in_earlier_passages(tx, [row.enrolment_id])
    start = Start(
        step_id=row.step_id,
        planned=Planned(on=row.planned_on, due_at=due_at),
        created_at=row.created_at,
        mailed_at=max((each.ended_at for each in rows if each.state == TouchState.DONE and each.send_state), default=None),
        taken={each.step_id: way_taken(each.reason, each.arm) for each in rows if each is not row} or NOTHING_TAKEN,
        sent_before=earlier.get(row.enrolment_id, frozenset()),
        is_sending=row.state == TouchState.SENDING,
    )
    outlook = outlook_of(tx, lead, way, policy, row.created_at)
    mails = forecast(way, passage_of(row, way, policy), start, outlook, now=tx.now)
    return tuple(
        Expected(step=mail.step_id, email=mail.email, on=f"{mail.at.astimezone(local):%a %d %b %Y %H:%M}")
        for mail in mails
        if mail.step_id != row.step_id
    )


def outlook_of(tx: Tx, lead: Lead, way: Course, policy: Policy, since: datetime) -> Outlook:
    """The lead's answers to the conditions ahead, as of the day on which each is asked."""
    facts = gather_facts(tx, {lead.id: lead}, live_rules(tx), topic=way.plan.topic)[lead.id]
    held = facts.consent == Consent.REFUSED or (facts.consent == Consent.UNKNOWN and policy.unknown_consent == "hold")
    is_stopped = bool(stopped_addresses(tx, way.plan.topic, [lead.address_key] if lead.address_key else []))
    over = tuple(conditions_of(way.plan))

    def holds(text: str, at: datetime, seen: Facts = facts) -> bool:
        asked = compiled_or_none(text, policy)
        return asked is not None and asked.holds(replace(seen, now=max(at, seen.now)))

    def arm(split: SplitStep) -> Took:
        return draw(split, lead_id=lead.id, cadence=way.plan.name).name

    return Outlook(
        holds=holds,
        wait_holds=lambda text, at: holds(text, at, replace(facts, since=at)),
        arm=arm,
        is_over=lambda at: any(holds(text, at) for text in over),
        asked=False,
        takes_mail=bool(lead.email) and not held and not is_stopped,
    )
