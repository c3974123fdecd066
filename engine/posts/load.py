"""A claimed post with what it tells, read when it goes out: a value that was corrected, or erased, meanwhile is told as it is.

Before: `engine.posts.send` holds the row. After: it signs and posts what is made here.
"""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime

import sqlalchemy as sa

from engine.claim import Claim
from engine.compiler.plan import Policy
from engine.conditions import lead_values
from engine.database import Tx
from engine.leads import Lead, load_leads
from engine.schema import enrolments, posts, touches
from engine.versions import live_rules
from engine.vocabulary import PostState, Reason

TYPE = "cadence.step"  # of the messages that receivers get


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A post that this worker holds. `told`: the values in `body` that are the lead's own. `now`: when it was read."""

    id: int
    epoch: int
    webhook: str
    url: str
    body: bytes
    told: tuple[str, ...]
    attempts: int
    created_at: datetime
    now: datetime


def load_post(tx: Tx, claim: Claim) -> Loaded | Reason | None:
    """A Reason when it can never go out; None when somebody else holds it by now."""
    row = tx.run(HELD, {"id": claim[0], "epoch": claim[1]}).first()
    if row is None:
        return None
    policy = live_rules(tx).policy
    webhook, lead = policy.webhooks.get(row.webhook), load_leads(tx, [row.lead_id]).get(row.lead_id)
    if webhook is None:
        return Reason.REMOVED
    if lead is None:
        return Reason.ERASED
    known = values_of(lead, row.fields, policy)
    data = {"cadence": row.cadence, "step": row.step_id, "lead": {"key": lead.key, "email": lead.email, "fields": known}}
    return Loaded(
        id=row.id,
        epoch=row.epoch,
        webhook=row.webhook,
        url=webhook.url,
        body=in_json({"type": TYPE, "timestamp": spelt(row.created_at), "data": data}),
        told=tuple(str(value) for value in (lead.key, lead.email, *known.values()) if value),
        attempts=row.attempts,
        created_at=row.created_at,
        now=tx.now,
    )


def values_of(lead: Lead, names: list[str], policy: Policy) -> dict[str, object]:
    """Null where the lead has nothing, and for a field that leads.yaml no longer has."""
    declared, values = {field.name for field in policy.lead_schema.all_fields}, lead_values(lead)
    return {name: values.get(name) if name in declared else None for name in names}


def in_json(message: dict[str, object]) -> bytes:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"), default=in_words).encode("utf-8", "replace")


def in_words(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


def spelt(instant: datetime) -> str:
    """RFC 3339, in UTC."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


HELD = (
    sa.select(
        posts.c.id, posts.c.epoch, posts.c.lead_id, posts.c.webhook, posts.c.fields, posts.c.attempts, posts.c.created_at,
        touches.c.step_id, enrolments.c.cadence,
    )
    .join_from(posts, touches, touches.c.id == posts.c.touch_id)
    .join(enrolments, enrolments.c.id == touches.c.enrolment_id)
    .where(posts.c.id == sa.bindparam("id"), posts.c.epoch == sa.bindparam("epoch"), posts.c.state == PostState.CLAIMED)
)  # fmt: skip
