"""The courses, zones and holidays of live passages, kept ready: a version never changes, so each is made once a process.

Before: `engine.versions` reads plans. After: `engine.schedule.progress` and its neighbours walk them.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from weakref import WeakKeyDictionary
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from engine.compiler.plan import CadencePlan, Policy
from engine.database import Tx
from engine.schedule.holidays import is_none, public_holidays
from engine.schedule.next_step import Course, course_of
from engine.spans import NO_DAYS_OFF, DaysOff
from engine.versions import cadence_plan


def course(tx: Tx, version_id: int) -> Course:
    """The cadence version, ready to be walked."""
    known = _courses.setdefault(tx.connection.engine, {})
    if version_id not in known:
        known[version_id] = course_of(cadence_plan(tx, version_id))
    return known[version_id]


_courses: WeakKeyDictionary[sa.Engine, dict[int, Course]] = WeakKeyDictionary()


def zone_of(lead_zone: str | None, brand: str, policy: Policy) -> ZoneInfo:
    """The lead's zone; else its cadence's brand's; else the workspace's."""
    if lead_zone:
        return zone_named(lead_zone, policy.zone)
    return zone_named(policy.brands.get(brand, {}).get("zone") or policy.zone, policy.zone)


def days_off_of(lead_fields: str | Mapping[str, object], cadence: CadencePlan, policy: Policy) -> DaysOff:
    """The public holidays where the lead is, by its fields (or their JSON), and our own; none for a cadence that ignores them."""
    rule = policy.holidays
    if not cadence.window.holidays or is_none(rule):
        return NO_DAYS_OFF
    if rule.country_field is None and rule.region_field is None:
        return public_holidays(rule, None, None)
    fields = json.loads(lead_fields) if isinstance(lead_fields, str) else lead_fields
    return public_holidays(rule, text_of(fields, rule.country_field), text_of(fields, rule.region_field))


def text_of(fields: Mapping[str, object], name: str | None) -> str | None:
    found = fields.get(name) if name else None
    return found if isinstance(found, str) else None


@lru_cache(maxsize=2_048)
def zone_named(name: str, otherwise: str) -> ZoneInfo:
    """A zone that this machine's time zone data has not (a name from a newer edition) must not stop a whole batch."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return ZoneInfo(otherwise)
