"""The courses and zones of live passages, kept ready: a version never changes, so each is made once a process.

Before: `engine.versions` reads plans. After: `engine.schedule.progress` and its neighbours walk them.
"""

from functools import lru_cache
from weakref import WeakKeyDictionary
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from engine.compiler.plan import Policy
from engine.database import Tx
from engine.schedule.next_step import Course, course_of
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


@lru_cache(maxsize=2_048)
def zone_named(name: str, otherwise: str) -> ZoneInfo:
    """A zone that this machine's time zone data has not (a name from a newer edition) must not stop a whole batch."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return ZoneInfo(otherwise)
