"""A lead's ways through cadences, each step with its reason.

Before: `engine.story.steps`. After: `engine.cli.lead_story` and `engine.simulate.trial`.
"""

from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from engine.compiler.plan import Policy
from engine.database import Tx
from engine.leads import Lead
from engine.schedule.courses import course
from engine.schema import enrolments
from engine.story.ahead import ahead
from engine.story.steps import ToldPassage, at, steps_of, told_steps
from engine.story.words import entry_in_words, in_words
from engine.versions import live_rules

Row = sa.Row[Any]


def told_passages(tx: Tx, lead: Lead, local: ZoneInfo) -> tuple[ToldPassage, ...]:
    """All of them, the first one first. Raises DatabaseError when no workspace was applied yet."""
    policy = live_rules(tx).policy
    rows = tx.run(sa.select(enrolments).where(enrolments.c.lead_id == lead.id).order_by(enrolments.c.id)).all()
    return tuple(told_passage(tx, row, lead, policy, local) for row in rows)


def told_passage(tx: Tx, row: Row, lead: Lead, policy: Policy, local: ZoneInfo) -> ToldPassage:
    way, rows = course(tx, row.version_id), list(steps_of(tx, row.id))
    return ToldPassage(
        cadence=row.cadence,
        number=row.passage,
        state=row.state,
        because=in_words(row.reason) if row.reason else None,
        began=str(at(row.anchor_at, local)),
        came_in=entry_in_words(row.came_by),
        steps=tuple(told_steps(tx, rows, way, policy, local)),
        ahead=ahead(tx, lead, rows, way, policy, local),
    )
