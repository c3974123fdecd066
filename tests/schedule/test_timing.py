"""When a step is due: the rules one by one, then all of them against another date library."""

import random
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.compiler.plan import Timing, Window
from engine.schedule.timing import Planned, first_instant, into_window, planned
from engine.spans import Span, parse_span
from tests.schedule.oracle import by_engine, by_oracle, draw

LONDON, NEW_YORK = ZoneInfo("Europe/London"), ZoneInfo("America/New_York")
OFFICE_HOURS = Window(weekdays=(0, 1, 2, 3, 4), opens=time(9), closes=time(17))
MONDAY = datetime(2026, 1, 5, 10, 30, tzinfo=UTC)


def plan_step(base="at", span="0 days", clock=None, **changed) -> Planned:
    facts = {
        "anchor_at": MONDAY, "shift_days": 0, "previous_on": None, "previous_at": None, "zone": LONDON,
        "window": OFFICE_HOURS, "gap": None, "now": MONDAY,
    }  # fmt: skip
    return planned(Timing(base=base, span=parse_span(span) if span != "0 days" else Span(), clock=clock), **{**facts, **changed})


def test_day_0_is_due_at_once_in_an_open_window():
    assert plan_step() == Planned(on=date(2026, 1, 5), due_at=MONDAY)


def test_day_0_on_a_saturday_waits_for_monday_morning():
    saturday = datetime(2026, 1, 10, 8, tzinfo=UTC)

    first = plan_step(anchor_at=saturday, now=saturday)

    assert first == Planned(on=date(2026, 1, 10), due_at=datetime(2026, 1, 12, 9, tzinfo=UTC))


def test_months_count_from_the_anchor_so_month_ends_do_not_drift():
    anchor_at = datetime(2026, 1, 31, 12, tzinfo=UTC)

    days = [plan_step(span=f"{n} months", anchor_at=anchor_at).on for n in (1, 2, 3, 25)]

    assert days == [date(2026, 2, 28), date(2026, 3, 31), date(2026, 4, 30), date(2028, 2, 29)]


def test_business_days_count_from_the_previous_steps_planned_date():
    thursday = {"previous_on": date(2026, 1, 8), "previous_at": datetime(2026, 1, 9, 16, tzinfo=UTC)}

    assert plan_step("after", "3 business days", **thursday).on == date(2026, 1, 13)


def test_hours_count_from_the_instant_the_previous_step_ended():
    ended = {"previous_on": date(2026, 1, 8), "previous_at": datetime(2026, 1, 8, 9, 15, tzinfo=UTC)}

    assert plan_step("after", "4 hours", **ended).due_at == datetime(2026, 1, 8, 13, 15, tzinfo=UTC)


def test_the_window_opens_by_the_leads_own_clock():
    assert plan_step(span="1 day", zone=NEW_YORK).due_at == datetime(2026, 1, 6, 14, tzinfo=UTC)


def test_a_time_of_day_is_kept_when_the_window_moves_the_day():
    moved = plan_step(span="5 days", clock=time(14, 30))

    assert moved == Planned(on=date(2026, 1, 10), due_at=datetime(2026, 1, 12, 14, 30, tzinfo=UTC))


def test_shifted_days_move_the_due_time_and_leave_the_planned_date():
    assert plan_step(span="1 day", shift_days=7) == Planned(on=date(2026, 1, 6), due_at=datetime(2026, 1, 13, 9, tzinfo=UTC))


def test_a_step_planned_in_the_past_is_due_now_within_the_window():
    night = datetime(2026, 3, 3, 2, tzinfo=UTC)

    assert plan_step(span="1 day", now=night).due_at == datetime(2026, 3, 3, 9, tzinfo=UTC)


def test_two_mails_keep_their_distance_in_calendar_days():
    late_mail = datetime(2026, 1, 6, 16, 50, tzinfo=UTC)

    due_at = plan_step(span="1 day", gap=Span(days=1), mailed_at=late_mail, now=late_mail).due_at

    assert due_at == datetime(2026, 1, 7, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "day", "clock", "expected"),
    [
        (
            "America/New_York",
            date(2026, 3, 8),
            time(2, 30),
            datetime(2026, 3, 8, 7, 0, tzinfo=UTC),
        ),  # skipped: the first that exists
        ("America/New_York", date(2026, 11, 1), time(1, 30), datetime(2026, 11, 1, 5, 30, tzinfo=UTC)),  # twice: the first
        ("Africa/Cairo", date(2026, 4, 24), time(0), datetime(2026, 4, 23, 22, 0, tzinfo=UTC)),  # midnight itself is skipped
        ("Australia/Lord_Howe", date(2026, 10, 4), time(2, 15), datetime(2026, 10, 3, 15, 30, tzinfo=UTC)),  # half an hour
        ("Pacific/Apia", date(2011, 12, 30), time(9), datetime(2011, 12, 30, 10, 0, tzinfo=UTC)),  # a whole day is missing
    ],
)
def test_a_time_that_clocks_skip_or_repeat_is_the_first_that_exists(zone, day, clock, expected):
    assert first_instant(day, clock, ZoneInfo(zone)) == expected


def test_a_missing_day_has_no_window():
    apia = ZoneInfo("Pacific/Apia")
    thursday_evening = datetime(2011, 12, 29, 20, tzinfo=apia).astimezone(UTC)

    opening = into_window(thursday_evening, OFFICE_HOURS, apia)

    assert opening.astimezone(apia) == datetime(2012, 1, 2, 9, tzinfo=apia)


def test_a_window_that_clocks_skip_waits_for_the_next_week():
    sunday_night = Window(weekdays=(6,), opens=time(2, 10), closes=time(2, 50))

    opening = into_window(datetime(2026, 3, 8, 5, tzinfo=UTC), sunday_night, NEW_YORK)

    assert opening == datetime(2026, 3, 15, 6, 10, tzinfo=UTC)


def test_quiet_hours_pass_midnight_and_cut_the_window():
    always_but_nights = Window(weekdays=tuple(range(7)), opens=time(0), closes=time(23, 59), quiet=((time(20), time(8)),))
    noon_off = replace(OFFICE_HOURS, quiet=((time(12), time(13)),))

    assert into_window(datetime(2026, 1, 5, 21, tzinfo=UTC), always_but_nights, LONDON) == datetime(2026, 1, 6, 8, tzinfo=UTC)
    assert into_window(datetime(2026, 1, 5, 3, tzinfo=UTC), always_but_nights, LONDON) == datetime(2026, 1, 5, 8, tzinfo=UTC)
    assert into_window(datetime(2026, 1, 5, 12, 30, tzinfo=UTC), noon_off, LONDON) == datetime(2026, 1, 5, 13, tzinfo=UTC)


def test_a_time_of_day_in_a_quiet_hour_waits_for_its_end():
    noon_off = replace(OFFICE_HOURS, quiet=((time(12), time(13)),))

    assert plan_step(span="1 day", clock=time(12, 15), window=noon_off).due_at == datetime(2026, 1, 6, 13, tzinfo=UTC)


def test_the_window_is_shut_on_a_holiday_unless_the_cadence_ignores_them():
    tomorrow = frozenset({date(2026, 1, 6)})

    assert plan_step(span="1 day", days_off=tomorrow).due_at == datetime(2026, 1, 7, 9, tzinfo=UTC)
    ignoring = replace(OFFICE_HOURS, holidays=False)
    assert plan_step(span="1 day", days_off=tomorrow, window=ignoring).due_at == datetime(2026, 1, 6, 9, tzinfo=UTC)


def test_business_days_skip_holidays():
    christmas = frozenset({date(2026, 12, 25), date(2026, 12, 28)})
    thursday = {"previous_on": date(2026, 12, 24), "previous_at": datetime(2026, 12, 24, 9, tzinfo=UTC)}

    assert plan_step("after", "1 business day", **thursday, days_off=christmas).on == date(2026, 12, 29)


def test_a_business_day_after_a_holiday_is_the_next_working_day():
    easter = frozenset({date(2026, 4, 3), date(2026, 4, 6)})
    saturday = {"previous_on": date(2026, 4, 4), "previous_at": datetime(2026, 4, 4, 9, tzinfo=UTC)}

    assert plan_step("after", "1 business day", **saturday, days_off=easter).on == date(2026, 4, 7)


def test_a_house_that_shuts_for_a_season_opens_after_it():
    winter = frozenset(date(2026, 1, 6) + timedelta(days=n) for n in range(120))

    assert plan_step(span="1 day", days_off=winter).due_at == datetime(2026, 5, 6, 8, tzinfo=UTC)


@given(st.randoms(use_true_random=False))
def test_the_engine_and_another_date_library_agree(chance: random.Random):
    case = draw(chance)

    assert by_engine(case) == by_oracle(case)
