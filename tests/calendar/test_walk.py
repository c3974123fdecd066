"""One walk for many: that a common clock stands for every zone, and that parts add up."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest

from engine.calendar.groups import anchor_of, on_the_wall
from engine.calendar.odds import LeavingOdds, Odds, Source
from engine.calendar.road import Road
from engine.calendar.walk import At, Place, Walked, begin, walk
from engine.schedule.next_step import Passage, course_of, next_step
from engine.spans import Span
from tests.graph.shapes import every_kind, random_cadence
from tests.schedule.plans import after, at, cadence, chain, email

NOW = datetime(2026, 2, 27, 11, 20, tzinfo=UTC)
UNTIL = date(2028, 2, 27)
ZONES = (
    "Europe/London",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Nuuk",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "Africa/Cairo",
)
LEAVING = Odds(leaving={"grown": LeavingOdds(rates={"replied": 0.03}, source=Source.STATED)})


@pytest.mark.parametrize("seed", range(40))
def test_a_cadence_that_counts_in_days_has_the_same_days_in_every_zone(seed: int) -> None:
    road, dice = Road(course=course_of(random_cadence(seed))), Random(seed)
    assert road.is_by_day
    zone = ZoneInfo(dice.choice(ZONES))
    passage = Passage(anchor_at=NOW, shift_days=dice.randrange(3), zone=zone)
    first = next_step(road.course, passage, None, now=NOW)
    assert first.step is not None and first.planned is not None
    here = At(first.planned.on, first.planned.due_at, NOW, None)
    common = Passage(anchor_at=anchor_of(road, NOW, zone), shift_days=passage.shift_days, zone=ZoneInfo("UTC"))
    there = At(here.on, on_the_wall(here.due_at, zone), on_the_wall(NOW, zone), None)

    by_zone = walk(Place(road=road, passage=passage, step_id=first.step.id, at=here), LEAVING, now=NOW, until=UNTIL)
    by_wall = walk(Place(road=road, passage=common, step_id=first.step.id, at=there), LEAVING, now=NOW, until=UNTIL)

    assert nearly(by_zone.sends, by_wall.sends)
    assert nearly(by_zone.ended, by_wall.ended)


@pytest.mark.parametrize("seed", range(40))
def test_every_person_is_somewhere_in_the_end(seed: int) -> None:
    road = Road(course=course_of(random_cadence(seed)))

    found = begin(road, Passage(anchor_at=NOW, shift_days=0, zone=ZoneInfo("UTC")), LEAVING, at=NOW, until=UNTIL)

    assert sum(found.ended.values()) == pytest.approx(1.0)
    for step in road.course.plan.steps:
        if step.kind == "email":
            assert found.reached.get(step.id, 0.0) == pytest.approx(mails(found, step.id))


def test_what_stops_mail_stops_it_and_nothing_else() -> None:
    road = Road(course=course_of(cadence(*chain(email("one"), email("two", at("1 month"))))))
    passage = Passage(anchor_at=NOW, shift_days=0, zone=ZoneInfo("UTC"))

    found = begin(road, passage, Odds(), at=NOW, until=UNTIL, stopped="suppressed")

    assert not found.sends
    assert dict(found.unsent) == {("one", "suppressed"): 1.0, ("two", "suppressed"): 1.0}
    assert dict(found.ended) == {"end": 1.0}


def test_a_shadow_cadence_sends_nothing_and_enters_others_all_the_same() -> None:
    road = Road(course=course_of(every_kind()))

    found = begin(road, Passage(anchor_at=NOW, shift_days=0, zone=ZoneInfo("UTC")), Odds(), at=NOW, until=UNTIL)

    assert not found.sends
    assert {reason for _step, reason in found.unsent} == {"shadow"}
    assert {name for name, _at, _part in found.entered} == {"trial-ended"}
    assert sum(found.ended.values()) == pytest.approx(1.0)


def test_hours_make_a_cadence_depend_on_its_zone() -> None:
    by_hour = cadence(*chain(email("one"), email("two", after("4 hours"))))

    assert not Road(course=course_of(by_hour)).is_by_day
    assert not Road(course=course_of(cadence(email("one"), gap=Span(seconds=3600)))).is_by_day


def test_what_lies_beyond_the_last_day_is_told() -> None:
    road = Road(course=course_of(cadence(*chain(email("one"), email("late", at("3 years"))))))
    passage = Passage(anchor_at=NOW, shift_days=0, zone=ZoneInfo("UTC"))

    found = begin(road, passage, Odds(), at=NOW, until=(NOW + timedelta(days=90)).date())

    assert dict(found.ended) == {"beyond": 1.0}


def mails(found: Walked, step_id: str) -> float:
    gone = sum(part for (_day, step), part in found.sends.items() if step == step_id)
    return gone + sum(part for (step, _reason), part in found.unsent.items() if step == step_id)


def nearly(one: Mapping[object, float], other: Mapping[object, float]) -> bool:
    return {key: pytest.approx(value, abs=1e-6) for key, value in one.items()} == dict(other)
