"""Why an open touch is due when it is."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from engine.compiler.plan import CadencePlan, Step, Window
from engine.schedule.next_step import Ended, Passage, course_of, next_step
from engine.schedule.why import OpenTouch, why_then
from tests.schedule.plans import after, at, cadence, chain, email, task, wait

LONDON = ZoneInfo("Europe/London")
MONDAY = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)
BEGUN = Passage(anchor_at=MONDAY, shift_days=0, zone=LONDON)


def second(*steps: Step, passage: Passage = BEGUN, ended_at: datetime = MONDAY, **changed: Any) -> list[str]:
    """Why the second step is due when it is, the first of which ended at `ended_at`."""
    plan = cadence(*chain(*steps), **changed)
    course = course_of(plan)
    ended = Ended(step_id=steps[0].id, took="next", on=MONDAY.date(), at=ended_at, mailed_at=ended_at)
    coming = next_step(course, passage, ended, now=ended_at)
    assert coming.step is not None and coming.planned is not None
    touch = OpenTouch(on=coming.planned.on, created_at=ended_at, due_at=coming.planned.due_at, mailed_at=ended_at)
    return why_then(course, coming.step, passage, touch)


def first(plan: CadencePlan, due_at: datetime = MONDAY) -> list[str]:
    touch = OpenTouch(on=MONDAY.date(), created_at=MONDAY, due_at=due_at, mailed_at=None)
    return why_then(course_of(plan), plan.steps[0], BEGUN, touch)


def test_a_step_says_what_it_counts_from():
    assert second(email("welcome"), email("co2", at("3 days"))) == [
        "planned for Thu 08 Jan 2026, 3 days after the beginning on Mon 05 Jan 2026"
    ]
    assert second(email("welcome"), email("co2", after("3 days"))) == [
        "planned for Thu 08 Jan 2026, 3 days after the step before it"
    ]


def test_the_first_step_comes_with_the_beginning():
    assert first(cadence(email("welcome", at("")))) == ["planned for Mon 05 Jan 2026, with the beginning on Mon 05 Jan 2026"]


def test_a_time_of_day_is_told():
    assert second(email("welcome"), task("call", after("1 day", time(14, 30))))[0].startswith(
        "planned for Tue 06 Jan 2026 at 14:30,"
    )


def test_a_weekend_is_the_windows_doing():
    told = second(email("welcome"), email("co2", at("5 days")))

    assert told[1:] == ["mail goes out Mon–Fri, 09:00–17:00 in Europe/London"]


def test_a_task_has_no_window():
    assert len(second(email("welcome"), task("call", at("5 days")))) == 1


def test_days_that_stood_still_are_told():
    told = second(email("welcome"), email("co2", at("2 days")), passage=Passage(anchor_at=MONDAY, shift_days=7, zone=LONDON))

    assert told[1:] == ["moved by 7 days, for which the cadence stood still"]


def test_the_gap_between_two_mails_is_told():
    late = MONDAY + timedelta(days=3)

    told = second(email("welcome"), email("co2", at("1 day")), ended_at=late)

    assert told[1:] == [
        "the step before it ended on Thu 08 Jan 2026 09:30",
        "not sooner than 1 day after the mail of Thu 08 Jan 2026 09:30",
        "mail goes out Mon–Fri, 09:00–17:00 in Europe/London",
    ]


def test_days_apart_are_named():
    window = Window(weekdays=(1, 3), opens=time(9), closes=time(16))

    told = second(email("welcome"), email("co2", at("2 days")), window=window)

    assert told[1:] == ["mail goes out Tue, Thu, 09:00–16:00 in Europe/London"]


def test_a_holiday_behind_a_weekend_is_told_as_well():
    told = second(email("welcome"), email("co2", at("5 days")), passage=replace(BEGUN, days_off={date(2026, 1, 12)}))

    assert told[1:] == ["mail goes out Mon–Fri, 09:00–17:00 in Europe/London", "Mon 12 Jan 2026 is a holiday"]


def test_a_pause_and_a_wait_say_until_when():
    assert second(email("welcome"), wait("rest", "5 days")) == ["a pause of 5 days, until Sat 10 Jan 2026 09:00"]
    assert second(email("welcome"), wait("read", "10 days", condition="clicked('co2')")) == [
        "waits for clicked('co2'), until Thu 15 Jan 2026 09:00 at the latest"
    ]


@pytest.mark.parametrize("days", range(12))
def test_whatever_is_told_ends_at_the_date_that_it_has(days: int):
    """A mail is due on its planned day unless one of the other reasons is told."""
    plan = cadence(*chain(email("welcome"), email("co2", at(f"{days + 1} days"))))
    course = course_of(plan)
    ended = Ended(step_id="welcome", took="next", on=MONDAY.date(), at=MONDAY, mailed_at=MONDAY)
    coming = next_step(course, BEGUN, ended, now=MONDAY)
    assert coming.step is not None and coming.planned is not None
    touch = OpenTouch(on=coming.planned.on, created_at=MONDAY, due_at=coming.planned.due_at, mailed_at=MONDAY)

    told = why_then(course, coming.step, BEGUN, touch)

    is_on_its_day = coming.planned.due_at.astimezone(LONDON).date() == date(2026, 1, 6) + timedelta(days=days)
    assert (len(told) == 1) == is_on_its_day
