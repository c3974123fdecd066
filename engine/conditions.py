"""Conditions over real leads: gathers what they look at from SQL, and compiles their text once.

After `engine.leads`, `engine.events` and `engine.versions`; before every verb that has to decide. The language itself is
`engine.expressions`, which knows no SQL.
"""

from collections import deque
from collections.abc import Collection, Mapping
from functools import lru_cache
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from engine.compiler.plan import Policy
from engine.database import Tx
from engine.events import facts_of
from engine.expressions.condition import Condition, compile_condition
from engine.expressions.facts import Facts
from engine.expressions.scope import Scope
from engine.expressions.sql import holds_in_sql
from engine.expressions.sql_values import Columns, Moment
from engine.expressions.sql_words import POSTGRES, SQLITE
from engine.expressions.tree import Happened, Node, deep_leaves
from engine.languages import FIELD
from engine.leads import Lead, consents_of
from engine.prepared import Prepared
from engine.schema import consents, events, leads, scores
from engine.sql import rows_at_once
from engine.versions import Live
from engine.vocabulary import Consent


def condition(text: str, policy: Policy) -> Condition:
    """The condition, compiled once. It was checked when the workspace was compiled; raises ConditionError otherwise."""
    return compile_condition(text, scope_of(policy))


def scope_of(policy: Policy) -> Scope:
    """The names that a condition may use, apart from emails and links, which the compiler checked."""
    for known, scope in _scopes:
        if known is policy:
            return scope
    fresh = Scope(leads=policy.lead_schema, events=policy.event_schema, segments=policy.segments)
    _scopes.appendleft((policy, fresh))
    return fresh


# By identity: hashing a whole policy at every condition would cost more than the condition.
_scopes: deque[tuple[Policy, Scope]] = deque(maxlen=8)


def gather_facts(
    tx: Tx,
    people: Mapping[int, Lead],
    live: Live,
    *,
    topic: str | None = None,
    event_types: Collection[str] | None = None,
    with_score: bool = True,
) -> dict[int, Facts]:
    """What conditions may look at, for each lead by id, as of the transaction's now. A few statements for any number.

    `topic`: None where no condition asks what the lead agreed to. `event_types`: those that the conditions ask for
    (`Condition.uses_events`); None: all of them.
    """
    return facts_under(tx, people, live.policy, topic=topic, event_types=event_types, with_score=with_score)


def facts_under(
    tx: Tx,
    people: Mapping[int, Lead],
    policy: Policy,
    *,
    topic: str | None = None,
    event_types: Collection[str] | None = None,
    with_score: bool = True,
) -> dict[int, Facts]:
    """The same under rules that need not be live yet."""
    events = facts_of(tx, people, types=event_types)
    points = points_of(tx, people) if with_score else {}
    said = consents_of(tx, people, topic) if topic else {}
    return {
        lead_id: Facts(
            lead=lead_values(lead),
            now=tx.now,
            events=events.get(lead_id, ()),
            zone=zone_of(lead, policy),
            score=points.get(lead_id, 0.0),
            consent=said.get(lead_id, Consent.UNKNOWN),
        )
        for lead_id, lead in people.items()
    }


def lead_values(lead: Lead) -> dict[str, object]:
    """A lead's built-in and declared fields under one roof."""
    return {
        **lead.fields,
        "key": lead.key,
        "email": lead.email,
        "zone": lead.zone,
        "do_not_call": lead.do_not_call,
        "created_at": lead.created_at.date(),
    }


def zone_of(lead: Lead, policy: Policy) -> ZoneInfo:
    """Where the lead's days begin: its own zone, or the workspace's, also where this machine does not know the lead's."""
    return known_zone(lead.zone or policy.zone) or zone(policy.zone)


def language_of(lead: Lead, policy: Policy) -> str | None:
    """What the lead's field `language` says, in whatever spelling; None: nothing, or leads.yaml has no such field."""
    found = lead.fields.get(FIELD)
    return found if isinstance(found, str) and policy.lead_schema.field(FIELD) is not None else None


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


@lru_cache(maxsize=1024)
def known_zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None


def points_of(tx: Tx, people: Mapping[int, Lead]) -> dict[int, float]:
    found: dict[int, float] = {}
    for some in rows_at_once(people):
        found.update({row.lead_id: row.points for row in POINTS.rows(tx, ids=some)})
    return found


def holds_for(tx: Tx, tree: Node, policy: Policy, *, topic: str | None = None) -> sa.ColumnElement[bool]:
    """The condition as an expression over `leads`, true for those for whom it holds as of the transaction's now.

    The same answer as `Condition.holds` over `gather_facts`. Raises NotInSql for what only Python can answer.
    """
    words = SQLITE if tx.is_sqlite else POSTGRES
    zones = zones_of_leads(tx) if asks_for_days(tree) else {}
    moment = Moment(now=tx.now, usual_zone=zone(policy.zone), zones=zones)
    return holds_in_sql(tree, lead_columns(topic), moment, words)


def lead_columns(topic: str | None) -> Columns:
    """Where a lead's row, and what belongs to it, has what conditions look at."""
    points = sa.select(scores.c.points).where(scores.c.lead_id == leads.c.id).scalar_subquery()
    said = sa.select(consents.c.state).where(consents.c.lead_id == leads.c.id, consents.c.topic == topic).scalar_subquery()
    return Columns(
        lead_id=leads.c.id,
        own={name: leads.c[name] for name in OWN_COLUMNS},
        fields=leads.c.fields,
        zone=leads.c.zone,
        score=sa.func.coalesce(points, sa.literal(0.0, sa.Double())),
        consent=sa.func.coalesce(said, Consent.UNKNOWN.value) if topic else sa.literal(Consent.UNKNOWN.value),
        events=events,
    )


OWN_COLUMNS = ("key", "email", "zone", "do_not_call", "created_at")


def asks_for_days(tree: Node) -> bool:
    """Whether it counts days or months, which are not the same everywhere."""
    spans = [leaf.within for leaf in deep_leaves(tree) if isinstance(leaf, Happened) and leaf.within]
    return any(span.months or span.days or span.business_days for span in spans)


def zones_of_leads(tx: Tx) -> dict[str, ZoneInfo]:
    """Every zone that a lead's row names and that this machine knows."""
    names = tx.run(sa.select(leads.c.zone).where(leads.c.zone.is_not(None)).distinct()).scalars()
    return {name: found for name in names if name and (found := known_zone(name))}


POINTS = Prepared(sa.select(scores.c.lead_id, scores.c.points).where(scores.c.lead_id.in_(sa.bindparam("ids", expanding=True))))
