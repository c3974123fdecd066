"""How many people come into each cadence in a week: as was seen here, unless somebody states it.

Before: the passages that began. After: `engine.calendar.forecast` lets as many come in. It is the median of the last twelve
weeks, so that one large import does not count; who came by a step of another cadence is followed from there, not counted again.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from statistics import median

import sqlalchemy as sa

from engine.calendar.odds import Source
from engine.compiler.plan import CadencePlan
from engine.database import Tx
from engine.schedule.enter import BY_A_STEP
from engine.schema import enrolments

WEEKS, FEWEST_WEEKS = 12, 4
WEEK = timedelta(weeks=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """People who come in a week. `weeks`: how many were looked at."""

    in_a_week: float
    source: Source
    weeks: int = 0


def rates(tx: Tx, plans: Collection[CadencePlan], stated: Mapping[str, float], *, observe: bool) -> dict[str, Rate]:
    """Of each cadence that somebody is expected to come into."""
    found = {name: Rate(in_a_week=rate, source=Source.STATED) for name, rate in stated.items() if rate}
    seen = by_week(tx, [plan for plan in plans if plan.name not in stated]) if observe else {}
    for name, weeks in seen.items():
        if len(weeks) >= FEWEST_WEEKS and median(weeks) > 0:
            found[name] = Rate(in_a_week=median(weeks), source=Source.OBSERVED, weeks=len(weeks))
    return found


def by_week(tx: Tx, plans: Collection[CadencePlan]) -> dict[str, list[int]]:
    """The people of each of the last weeks, since the first one came."""
    at = enrolments.c.created_at
    in_week = [sa.and_(at > tx.now - (number + 1) * WEEK, at <= tx.now - number * WEEK) for number in range(WEEKS)]
    counts = [sa.func.sum(sa.case((within, 1), else_=0)) for within in in_week]
    chosen = (
        sa.select(enrolments.c.cadence, sa.func.min(at).label("first"), *counts)
        .where(enrolments.c.cadence.in_([plan.name for plan in plans]), enrolments.c.came_by != BY_A_STEP)
        .group_by(enrolments.c.cadence)
    )
    found: dict[str, list[int]] = {}
    for row in tx.run(chosen):
        found[row.cadence] = list(row[2:])[: (tx.now - row.first) // WEEK]
    return found
