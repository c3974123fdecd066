"""`handraiser explain LEAD`: why the next mail is when it is, and why a past one was or was not sent."""

from datetime import datetime
from pathlib import Path

import click
import sqlalchemy as sa

from engine.cli.options import json_option, open_workspace, print_json, workspace_option
from engine.conditions import zone_of
from engine.database import Tx
from engine.errors import UsageError
from engine.leads import Lead, find_lead
from engine.schema import consents, enrolments, scores, sends, touches
from engine.scoring.history import histories
from engine.scoring.notice import about, name_of
from engine.suppression import stops_on
from engine.versions import live_rules

# What each reason means to a marketer. A reason without a line here is told as it is.
IN_WORDS = {
    "sent_before": "this lead got it in an earlier passage, and the cadence does not say `repeat: yes`",
    "branch": "the lead went the other way at a branch",
    "consent": "the lead has not agreed to mail on this topic",
    "suppressed": "the address must not be written to",
    "no_address": "the lead has no email address",
    "timeout": "what it waited for did not happen in time",
    "cap": "the lead had as much marketing mail as the caps allow; it was moved to a later day",
    "temporary": "the mail server refused it for now; it is tried again",
    "permanent": "the mail server refused it for good",
    "too_old": "the mail server refused it for now for too long",
    "no_answer": "the mail server gave no answer at the end, so nobody knows; it is not sent again",
    "worker_died": "the process stopped in the middle, so nobody knows; it is not sent again",
    "template_error": "it could not be rendered for this lead",
    "enrolment_ended": "the lead had left the cadence by then",
    "quarantined": "it was tried three times and never finished; somebody must look",
    "handoff": "sales has the lead",
}


@click.command("explain")
@click.argument("lead")
@workspace_option
@json_option
def explain_command(lead: str, workspace: Path, as_json: bool) -> None:
    """Tell all about one LEAD (its key or email): cadences, each step and its reason, score, consent, what stops mail.

    \b
    Example:
      handraiser explain rosa.khan@weber.example
    """
    _settings, database = open_workspace(workspace)
    with database.read() as tx:
        found = find_lead(tx, lead)
        if found is None:
            raise UsageError(f"no lead has the key or the email {lead!r}; look at the spelling, or import it first")
        told = explain(tx, found)
    print_json(told) if as_json else click.echo(in_words(told))


def explain(tx: Tx, lead: Lead) -> dict[str, object]:
    """Everything that the rows say about a lead, times in its own zone."""
    local = zone_of(lead, live_rules(tx).policy)
    points = tx.run(sa.select(scores).where(scores.c.lead_id == lead.id)).first()
    return {
        "lead": name_of(lead),
        "about": about(lead),
        "zone": str(local),
        "points": points.points if points else 0.0,
        "reasons": [f"{reason['because']} ({reason['points']:+g})" for reason in (points.reasons if points else [])],
        "consent": {
            row.topic: f"{row.state} ({row.source})" for row in tx.run(sa.select(consents).where(consents.c.lead_id == lead.id))
        },
        "stops": [f"{scope}: {reason}, by {source}" for scope, reason, source in stops_on(tx, lead.address_key or "")],
        "passages": [
            {
                "cadence": row.cadence,
                "passage": row.passage,
                "state": row.state,
                "reason": row.reason,
                "began": at(row.anchor_at, local),
                "steps": [step(touch, local) for touch in steps_of(tx, row.id)],
            }
            for row in tx.run(sa.select(enrolments).where(enrolments.c.lead_id == lead.id).order_by(enrolments.c.id))
        ],
        "history": [f"{at(entry.at, local)}  {entry.words}" for entry in histories(tx, [lead.id])[lead.id]],
    }


def steps_of(tx: Tx, enrolment_id: int) -> list[sa.Row[tuple[object, ...]]]:
    chosen = (
        sa.select(
            touches.c.step_id, touches.c.state, touches.c.reason, touches.c.due_at, touches.c.planned_on, touches.c.ended_at,
            sends.c.state.label("send_state"), sends.c.reason.label("send_reason"), sends.c.due_at.label("send_due_at"),
            sends.c.ended_at.label("sent_at"), sends.c.smtp_code, sends.c.smtp_reply,
        )
        .join_from(touches, sends, sends.c.touch_id == touches.c.id, isouter=True)
        .where(touches.c.enrolment_id == enrolment_id)
        .order_by(touches.c.id)
    )  # fmt: skip
    return list(tx.run(chosen))


def step(row: sa.Row[tuple[object, ...]], local: object) -> dict[str, object]:
    reason = row.send_reason or row.reason
    return {
        "step": row.step_id,
        "state": "sent" if row.send_state == "accepted" else (row.send_state or row.state),
        "planned": str(row.planned_on),
        "when": at(row.sent_at or row.ended_at or row.send_due_at or row.due_at, local),
        "why": IN_WORDS.get(str(reason), reason) if reason else None,
        "server": f"{row.smtp_code} {row.smtp_reply}" if row.smtp_code else None,
    }


def at(instant: datetime | None, local: object) -> str | None:
    return f"{instant.astimezone(local):%Y-%m-%d %H:%M}" if instant else None  # type: ignore[arg-type]


def in_words(told: dict[str, object]) -> str:
    lines = [f"{told['lead']}{', ' + str(told['about']) if told['about'] else ''}", f"times in {told['zone']}", ""]
    lines += [f"{told['points']:g} points: " + ("; ".join(told["reasons"]) or "nothing yet")]  # type: ignore[arg-type]
    lines += [f"consent on {topic}: {said}" for topic, said in told["consent"].items()]  # type: ignore[attr-defined]
    lines += [f"NO MAIL: {stop}" for stop in told["stops"]]  # type: ignore[attr-defined]
    for passage in told["passages"]:  # type: ignore[attr-defined]
        ended = f" ({passage['reason']})" if passage["reason"] else ""
        lines += ["", f"{passage['cadence']}, begun {passage['began']}: {passage['state']}{ended}"]
        lines += [step_in_words(told_step) for told_step in passage["steps"]]
    return "\n".join([*lines, "", "History", *(f"  {line}" for line in told["history"])])  # type: ignore[attr-defined]


def step_in_words(told: dict[str, object]) -> str:
    because = f": {told['why']}" if told["why"] else ""
    server = f"  [{told['server']}]" if told["server"] else ""
    when = told["when"] or "no date while sales has the lead"
    return f"  {when:<16}  {told['state']:<10} {told['step']}{because}{server}"
