"""New rules of time zones: countries change their clocks at short notice, and what was planned follows within the hour.

Before: somebody updated the time zone data. After: touches in the zones that changed are due at the same local time as before, by
the new rules. What each zone's clocks do in the next years is kept in the database, so any process notices.
"""

import json
import logging
from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import sqlalchemy as sa

from engine.conditions import zone
from engine.database import Database, Tx
from engine.schedule.courses import zone_named
from engine.schedule.replan import plan_again
from engine.schedule.timing import first_instant
from engine.schema import enrolments, installation, leads, touches
from engine.sql import insert, rows_at_once
from engine.versions import live_rules
from engine.vocabulary import Reason, TouchState

log = logging.getLogger(__name__)

RULES = "what the clocks of time zones do"
YEAR = "year"
DAYS_AHEAD = 3 * 366


def follow_zone_rules(database: Database) -> int:
    """Plan again what lies in zones whose rules are not those it was planned with; returns how many touches moved."""
    with database.read() as tx:
        known, names, today = known_rules(tx), zones_in_use(tx), tx.now.date()
    found = {name: rules_of(name, today) for name in names} | {YEAR: str(today.year)}
    if all(known.get(name) == rules for name, rules in found.items()):
        return 0
    with database.write() as tx:
        moved = plan_zones_again(tx, known, found)
        note_rules(tx, known | found)
    return moved


def plan_zones_again(tx: Tx, known: Mapping[str, str], found: Mapping[str, str]) -> int:
    """Rules are told from the beginning of a year on, so those of two years say nothing of each other."""
    changed = [name for name, rules in found.items() if known.get(YEAR) == found[YEAR] and known.get(name, rules) != rules]
    if not changed:
        return 0
    forget_old_rules()
    moved = sum(plan_again(tx, some) for some in rows_at_once(touches_in(tx, changed)))
    log.warning("time zones have new rules: %s", ", ".join(changed), extra={"facts": {"planned_again": moved}})
    return moved


def known_rules(tx: Tx) -> dict[str, str]:
    text = tx.run(sa.select(installation.c.value).where(installation.c.name == RULES)).scalar()
    found: dict[str, str] = json.loads(text) if text else {}
    return found


def note_rules(tx: Tx, rules: dict[str, str]) -> None:
    text = json.dumps(rules, sort_keys=True)
    adding = insert(tx, installation)
    tx.run(adding.on_conflict_do_update(index_elements=["name"], set_={"value": text}), [{"name": RULES, "value": text}])


def zones_in_use(tx: Tx) -> set[str]:
    policy = live_rules(tx).policy
    named = {str(name) for name in tx.run(sa.select(leads.c.zone).where(leads.c.zone.is_not(None)).distinct()).scalars()}
    return named | {policy.zone} | {str(brand["zone"]) for brand in policy.brands.values() if brand.get("zone")}


def rules_of(name: str, today: date) -> str:
    """When its clocks change from the beginning of this year on, and to what, read from the data as it is now."""
    try:
        zone = ZoneInfo.no_cache(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return "unknown"
    told = (f"{at.isoformat()} {ahead}" for at, ahead in changes_of(zone, datetime(today.year, 1, 1, tzinfo=UTC)))
    return sha256(" ".join(told).encode()).hexdigest()[:16]


def changes_of(zone: ZoneInfo, first: datetime) -> Iterator[tuple[datetime, timedelta | None]]:
    """By how much its clocks are ahead of UTC: at first, and from each change on. No clock is changed twice a day."""
    before = first.astimezone(zone).utcoffset()
    yield first, before
    for day in (first + timedelta(days=number) for number in range(DAYS_AHEAD)):
        after = (day + timedelta(days=1)).astimezone(zone).utcoffset()
        if after != before:
            yield change_on(day, zone), after
            before = after


def change_on(day: datetime, zone: ZoneInfo) -> datetime:
    """The minute within a day from `day` on at which its clocks change."""
    before = day.astimezone(zone).utcoffset()
    minutes = range(24 * 60)
    number = bisect_left(
        minutes, True, key=lambda minute: (day + timedelta(minutes=minute)).astimezone(zone).utcoffset() != before
    )
    return day + timedelta(minutes=number)


def forget_old_rules() -> None:
    """What this process keeps of zones it has read."""
    ZoneInfo.clear_cache()
    zone_named.cache_clear()
    zone.cache_clear()
    first_instant.cache_clear()


def touches_in(tx: Tx, zones: Collection[str]) -> list[int]:
    """Waiting touches of leads there; who has no zone lives by a brand's or the workspace's."""
    if not zones:
        return []
    theirs = sa.or_(leads.c.zone.in_(zones), leads.c.zone.is_(None))
    chosen = (
        sa.select(touches.c.id)
        .join_from(touches, enrolments, enrolments.c.id == touches.c.enrolment_id)
        .join(leads, leads.c.id == enrolments.c.lead_id)
        .where(touches.c.state == TouchState.WAITING, touches.c.due_at > tx.now, theirs)
        .where(sa.or_(touches.c.reason.is_(None), touches.c.reason != Reason.CATCH_UP))
    )
    return list(tx.run(chosen).scalars())
