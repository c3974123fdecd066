"""The one grammar of durations, and moving instants and days by them."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.spans import Span, parse_span

LONDON = ZoneInfo("Europe/London")

spans = st.builds(
    Span,
    months=st.integers(0, 240),
    days=st.integers(0, 4000),
    business_days=st.integers(0, 4000),
    seconds=st.integers(0, 10**8),
)


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("10 minutes", Span(seconds=600)),
        ("4 hours", Span(seconds=14_400)),
        ("1 day", Span(days=1)),
        ("2 weeks", Span(days=14)),
        ("3 business days", Span(business_days=3)),
        ("1 business  day", Span(business_days=1)),
        ("2 months", Span(months=2)),
        ("1 year", Span(months=12)),
        ("0 days", Span()),
        (" 1 Month and 3 days ", Span(months=1, days=3)),
        ("1 hour 30 minutes", Span(seconds=5400)),
        ("1 week, 2 days", Span(days=9)),
    ],
)
def test_a_span_is_read_from_words(text: str, span: Span) -> None:
    assert parse_span(text) == span


@pytest.mark.parametrize(
    "text", ["", "soon", "3", "days", "3days", "-3 days", "1.5 hours", "3 days and", "3 days,", "3 days2 hours", "P3D"]
)
def test_what_is_not_a_span_is_answered_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a span of time.*`3 business days`"):
        parse_span(text)


@pytest.mark.parametrize(("text", "meant"), [("3 buisness days", ""), ("3 business dyas", "business days")])
def test_a_misspelt_unit_is_answered_with_the_one_meant(text: str, meant: str) -> None:
    with pytest.raises(ValueError, match=f"did you mean '{meant}" if meant else "is not a span"):
        parse_span(text)


@pytest.mark.parametrize("text", ["101 years", "9999999 days", "9" * 5000 + " days"])
def test_a_span_longer_than_a_hundred_years_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a hundred years"):
        parse_span(text)


def test_a_negative_span_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be negative"):
        Span(days=-1)


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (Span(), "0 days"),
        (Span(months=24), "2 years"),
        (Span(months=14), "14 months"),
        (Span(days=7), "1 week"),
        (Span(seconds=5400), "90 minutes"),
        (Span(months=1, business_days=2), "1 month 2 business days"),
    ],
)
def test_a_span_is_written_in_its_longest_whole_unit(span: Span, words: str) -> None:
    assert str(span) == words


@given(spans)
def test_a_written_span_is_read_back_as_itself(span: Span) -> None:
    assert parse_span(str(span)) == span


def test_a_month_before_the_31st_of_march_is_the_last_of_february() -> None:
    assert Span(months=1).before(datetime(2027, 3, 31, 12, tzinfo=UTC), UTC) == datetime(2027, 2, 28, 12, tzinfo=UTC)


def test_a_day_keeps_the_wall_time_when_the_clocks_change_and_hours_do_not() -> None:
    evening = datetime(2026, 10, 24, 20, 0, tzinfo=LONDON)

    assert Span(days=1).after(evening, LONDON) == datetime(2026, 10, 25, 20, 0, tzinfo=LONDON)
    assert Span(seconds=86_400).after(evening, LONDON) == datetime(2026, 10, 25, 19, 0, tzinfo=LONDON)


@pytest.mark.parametrize(
    ("day", "count", "expected"),
    [
        (date(2026, 1, 9), 1, date(2026, 1, 12)),  # Friday → Monday
        (date(2026, 1, 10), 1, date(2026, 1, 12)),  # Saturday → Monday
        (date(2026, 1, 10), 0, date(2026, 1, 10)),
        (date(2026, 1, 7), 5, date(2026, 1, 14)),
        (date(2026, 1, 7), 13, date(2026, 1, 26)),
    ],
)
def test_business_days_leave_out_the_weekend(day: date, count: int, expected: date) -> None:
    assert Span(business_days=count).after_day(day) == expected


def test_a_business_day_before_a_monday_or_a_sunday_is_friday() -> None:
    for day in (11, 12):
        moved = Span(business_days=1).before(datetime(2026, 1, day, 9, tzinfo=UTC), UTC)

        assert moved == datetime(2026, 1, 9, 9, tzinfo=UTC)


@given(spans, st.integers(0, 20_000_000))
def test_moving_by_a_span_never_goes_the_wrong_way(span: Span, minutes: int) -> None:
    instant = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    slack = timedelta(hours=2)  # a wall time that the clocks skip or repeat

    assert span.after(instant, LONDON) >= instant - slack
    assert span.before(instant, LONDON) <= instant + slack
