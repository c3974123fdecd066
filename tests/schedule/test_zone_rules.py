"""New time zone data: what was planned keeps its local time, by the new rules."""

import json
import os
import shutil
import subprocess
import sys
from datetime import date
from importlib import resources
from pathlib import Path

import pytest

from engine.schedule.zone_rules import rules_of

STORY = """
import json, sys
from datetime import timedelta, datetime, UTC
import sqlalchemy as sa
from engine.clock import VirtualClock
from engine.database import Database
from engine.schedule.enrol import enrol_leads
from engine.schedule.zone_rules import follow_zone_rules
from engine.schema import touches
from tests.factories import add_lead
from tests.schedule.plans import apply, at, cadence, email

database = Database.open(sys.argv[1], clock=VirtualClock())
if sys.argv[2] == "plan":
    with database.write() as tx:
        apply(tx, cadence(email("welcome", at("3 days"))))
        enrol_leads(tx, "new-enquiry", [add_lead(tx, zone=zone) for zone in ("Africa/Cairo", "Asia/Tokyo")])
moved = follow_zone_rules(database)
with database.read() as tx:
    due = [row.due_at.isoformat() for row in tx.run(sa.select(touches).order_by(touches.c.id))]
print(json.dumps({"moved": moved, "due": due}))
"""


@pytest.fixture
def zones(tmp_path: Path) -> Path:
    """Zone data of our own, in which Cairo is not yet moved."""
    folder = tmp_path / "zones"
    shutil.copytree(Path(str(resources.files("tzdata"))) / "zoneinfo", folder)
    return folder


def test_a_zone_that_moves_its_clocks_takes_what_is_planned_with_it(sqlite_url: str, zones: Path):
    before = told(sqlite_url, "plan", zones)
    shutil.copy(zones / "Asia" / "Karachi", zones / "Africa" / "Cairo")  # from two hours ahead of UTC to five

    after = told(sqlite_url, "follow", zones)

    assert before == {"moved": 0, "due": ["2026-01-08T07:00:00+00:00", "2026-01-08T00:00:00+00:00"]}
    assert after == {"moved": 1, "due": ["2026-01-08T04:00:00+00:00", "2026-01-08T00:00:00+00:00"]}
    assert told(sqlite_url, "follow", zones)["moved"] == 0


def test_clocks_that_change_at_another_hour_of_the_same_days_are_another_rule():
    today = date(2026, 6, 1)

    assert rules_of("America/Havana", today) != rules_of(
        "America/New_York", today
    )  # two hours before it in spring, one in autumn
    assert rules_of("America/Toronto", today) == rules_of("America/New_York", today)


def told(url: str, act: str, zones: Path) -> dict[str, object]:
    environment = os.environ | {"PYTHONTZPATH": str(zones), "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", STORY, url, act], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found
